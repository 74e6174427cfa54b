//! Selectors: which existing thing a call is about, and whether the owner named it.

use testudo::action::Effect;
use testudo::flow::Origin;

use super::designation::designated;
use super::lexicon;
use super::normal::folded;
use super::record::{Record, Trust};
use super::said::{Span, Text};
use super::tool;
use super::view::{Found, View};

/// Where a selector came from.
pub(super) fn origin(view: &View<'_>, argument: &str, value: &str) -> Found {
    let plain = folded(value);
    let destroys = view.declaration.effects.contains(&Effect::Destroy);
    let store = &view.session.store;
    let things = things(view, argument);
    if !destroys && store.made.iter().any(|(kinds, id)| folded(id) == plain && related(kinds, &things)) {
        return Found::new(Origin::Designated, "it was made in this session");
    }
    if said(view, value, &plain) {
        return Found::said();
    }
    if attaches(argument)
        && !view.session.requests.iter().any(|request| view.has(request.clause(), ATTACHING))
    {
        return Found::aside("you did not ask to attach anything");
    }
    let fits =
        |record: &Record| related(&record.kinds, &things) && (!destroys || record.trust == Trust::Declared);
    let named = designated(view, fits);
    let is_it = |record: &Record| {
        record.id.as_deref().map(folded).as_deref() == Some(&plain) || record.plain_name == plain
    };
    let here = named.iter().any(|one| {
        is_it(one.record)
            && (one.mentions.iter().any(|span| is_object(view, *span))
                || (one.mentions.is_empty() && !destroys))
    });
    if here {
        return Found::new(Origin::Designated, "you named it");
    }
    // "Read the file X … and add it to the file": the only one named before is meant.
    let meant: Vec<_> = named.iter().filter(|one| !one.mentions.is_empty()).collect();
    let only = meant.iter().all(|one| is_it(one.record));
    let made = store.made.iter().any(|(kinds, _)| related(kinds, &things));
    if !destroys && !made && only && meant.iter().any(|one| is_it(one.record)) && refers_back(view, &things) {
        return Found::new(Origin::Designated, "the one that you named before");
    }
    if store.records.iter().any(is_it) {
        return Found::new(
            Origin::Known,
            format!("the model chose it among {} that it read", store.records.len()),
        );
    }
    view.elsewhere(value)
}

/// Whether the owner named another thing for the call than the one that it is about.
pub(super) fn names_another(view: &View<'_>, argument: &str) -> bool {
    let things = things(view, argument);
    designated(view, |record| related(&record.kinds, &things)).iter().any(|one| !one.mentions.is_empty())
}

/// A request that lacks only the thing's name asks for the tool when it names such a thing.
pub(super) fn completes<'a>(view: &View<'a>) -> Vec<&'a super::request::Request> {
    let mut full = Vec::new();
    for (argument, role, _) in &view.given {
        if *role != testudo::declaration::Role::Selector {
            continue;
        }
        let things = things(view, argument);
        for one in designated(view, |record| related(&record.kinds, &things)) {
            full.extend(
                view.half_asked
                    .iter()
                    .copied()
                    .filter(|request| one.mentions.iter().any(|span| request.holds(*span))),
            );
        }
    }
    full
}

const ATTACHING: &[&str] = &[
    "attach",
    "attached",
    "attaching",
    "attachment",
    "attachments",
    "enclose",
    "enclosed",
    "share",
    "forward",
];

fn attaches(argument: &str) -> bool {
    tool::words(argument).iter().any(|word| word.starts_with("attach"))
}

/// What kinds of things the argument is about: those in its name, else those in the tool's.
fn things(view: &View<'_>, argument: &str) -> Vec<String> {
    let mut things: Vec<String> = tool::words(argument)
        .into_iter()
        .filter(|word| {
            !matches!(word.as_str(), "id" | "ids" | "uid" | "key" | "number" | "target" | "item")
                && !lexicon::is_empty(word)
        })
        .collect();
    if matches!(things.as_slice(), [one] if lexicon::names_thing(one, "attachments")) {
        things = vec!["file".to_owned()];
    }
    if things.is_empty() {
        things.clone_from(&view.named.things);
    }
    things.extend(
        view.declaration
            .records
            .iter()
            .map(|shape| shape.kind.clone())
            .filter(|kind| !kind.is_empty() && argument.starts_with("id")),
    );
    things
}

fn related(kinds: &[String], things: &[String]) -> bool {
    kinds.iter().any(|kind| {
        things.iter().any(|thing| lexicon::names_thing(thing, kind) || lexicon::names_thing(kind, thing))
    })
}

/// An id is said only behind the word, a name only where it stands by itself.
fn said(view: &View<'_>, value: &str, plain: &str) -> bool {
    let mentions = view.mentions(&Text::of(value));
    let number = plain.chars().all(|c| c.is_ascii_digit());
    mentions.into_iter().any(|span| {
        if number || plain.chars().count() < 3 {
            let before = span
                .start
                .checked_sub(1)
                .and_then(|at| view.text().tokens.get(at))
                .map_or("", |token| token.text.as_str());
            return matches!(before, "id" | "ids" | "number" | "no" | "nr") && view.is_asked(span);
        }
        let token = view.text().tokens.get(span.start);
        let typed = plain.chars().any(|c| c.is_ascii_digit() || matches!(c, '.' | '/' | '_' | '-'))
            || token.is_some_and(|token| token.quote.is_some() || (token.capital && !token.opens));
        typed && is_object(view, span)
    })
}

/// Whether a mention is what is worked on, not what something is taken from.
fn is_object(view: &View<'_>, span: Span) -> bool {
    view.asked.iter().filter(|request| request.holds(span)).any(|request| {
        let mut taken = false;
        for token in view.text().within(Span { start: request.verb + 1, end: span.start }) {
            if token.quote.is_some() {
                continue;
            }
            match token.text.as_str() {
                "from" | "like" | "than" | "based" | "according" | "using" | "mentioned" | "as" => {
                    taken = true;
                }
                "to" | "into" | "onto" | "in" | "with" => taken = false,
                _ => {}
            }
            taken &= !token.opens;
        }
        !taken
    })
}

/// Whether a request for the call speaks of *it* or *the file* without saying which.
fn refers_back(view: &View<'_>, things: &[String]) -> bool {
    view.asked.iter().any(|request| {
        // "Create a file … share the document" means the new one.
        let new =
            view.session
                .requests
                .iter()
                .filter(|other| other.verb < request.verb && other.message == request.message)
                .any(|other| {
                    let tokens = view.text().within(other.clause());
                    tokens.first().is_some_and(|verb| {
                        lexicon::makes(verb.base()) && !matches!(verb.base(), "add" | "put")
                    }) && tokens
                        .iter()
                        .skip(1)
                        .take(5)
                        .any(|noun| things.iter().any(|thing| lexicon::names_thing(noun.base(), thing)))
                });
        if new {
            return false;
        }
        let tokens = view.text().within(request.whole());
        let pronoun = tokens
            .iter()
            .any(|token| token.quote.is_none() && matches!(token.base(), "it" | "this" | "that"));
        pronoun
            || tokens.windows(2).any(|pair| {
                matches!(pair, [article, noun] if matches!(article.text.as_str(), "the" | "that" | "this")
                    && things.iter().any(|thing| lexicon::names_thing(noun.base(), thing)))
            })
    })
}

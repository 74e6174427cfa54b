//! Destinations: whom a call reaches, and whether the owner meant them.
//!
//! To be mentioned is not enough: the mention must be what a request for this tool is about, not whom something is
//! from, by or about.

use testudo::action::Effect;
use testudo::flow::Origin;

use super::designation::{Designated, designated};
use super::lexicon;
use super::link;
use super::normal::folded;
use super::request::Request;
use super::said::{Break, Span, Text};
use super::view::{Found, View};

/// Words for people who are not named one by one.
const GROUPS: &[&str] = &[
    "participants",
    "participant",
    "attendees",
    "people",
    "person",
    "everyone",
    "everybody",
    "members",
    "team",
    "client",
    "clients",
    "customer",
    "customers",
    "guests",
    "invitees",
    "colleagues",
    "recipients",
    "same",
];
const THEM: &[&str] = &["them", "him", "her", "it", "there", "this", "one"];
const BACK: &[&str] = &["refund", "back", "return", "repay", "reimburse"];

/// Where a destination came from.
pub(super) fn origin(view: &View<'_>, value: &str) -> Found {
    let plain = folded(value);
    if view.session.owner.contains(&plain) {
        return own(view);
    }
    let text = Text::of(value);
    if !is_whole(&text, &plain) {
        return view.elsewhere(value);
    }
    let mentions = view.mentions(&text);
    let typed: Vec<Span> = mentions.iter().copied().filter(|span| is_name(view, &plain, *span)).collect();
    if typed.iter().any(|span| view.is_goal(*span)) {
        return Found::said();
    }
    if typed.iter().any(|span| view.asked.iter().any(|request| means_them(view, request, *span))) {
        return Found::said();
    }
    if let Some(found) = by_name(view, &plain)
        .or_else(|| by_record(view, &plain))
        .or_else(|| by_start(view, &plain))
        .or_else(|| by_amount(view, &plain))
    {
        return found;
    }
    let store = &view.session.store;
    if !typed.is_empty() {
        return Found::aside("you mention it, but not as the one to reach");
    }
    if store.kept.contains(&plain) {
        let many = store.directory.len().max(1);
        return Found::new(Origin::Known, format!("the model chose it among {many} that the service keeps"));
    }
    if store.people.contains(&plain) {
        return Found::new(Origin::Known, "it stands in a record that you did not name");
    }
    view.elsewhere(value)
}

/// The owner's own address: harmless to write into what is the owner's, and otherwise only where the owner says so.
fn own(view: &View<'_>) -> Found {
    let writes = view.declaration.effects.iter().all(|effect| *effect == Effect::Write);
    let spends = view.declaration.effects.contains(&Effect::Spend);
    if writes
        || (spends && view.asks_with(&["myself"]))
        || !spends && view.asks_with(&["me", "myself", "us", "mine"])
    {
        return Found::new(Origin::Said, "it is your own");
    }
    let among = designated(view, |record| record.with_owner && !record.is_mail());
    if view.asks_with(GROUPS) && among.iter().any(|one| one.mentions.iter().any(|span| view.is_asked(*span)))
    {
        return Found::new(Origin::Designated, "you are in the record that you named");
    }
    Found::aside("it is your own, but you did not ask for it to go to you")
}

/// Whether a value is nothing but words: what was taken off its ends would be sent, too.
pub(super) fn is_whole(text: &Text, plain: &str) -> bool {
    match text.tokens.as_slice() {
        [] => false,
        [one] => one.text == plain,
        [first, .., last] => plain.starts_with(first.text.as_str()) && plain.ends_with(last.text.as_str()),
    }
}

/// Whether the owner gave destinations for the call by themselves.
pub(super) fn is_explicit(view: &View<'_>) -> bool {
    view.asked.iter().any(|request| {
        (request.verb + 1..request.reach).any(|at| {
            let span = Span { start: at, end: at + 1 };
            view.text().tokens.get(at).is_some_and(|token| {
                let known = token.text.contains('@') || view.session.store.directory.contains(token.base());
                known && is_name(view, token.base(), span) && view.is_goal(span)
            })
        })
    })
}

/// Whether a mention looks like the name of somebody or something: an address, in quotes, one of a closed set, or
/// with a capital that no sentence gave it.
fn is_name(view: &View<'_>, plain: &str, span: Span) -> bool {
    let ordinal = plain.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let bare = matches!(plain.strip_prefix(ordinal), Some("st" | "nd" | "rd" | "th" | "am" | "pm" | "h"))
        || plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '-' | '/' | '%' | '$'));
    if bare || lexicon::is_empty(plain) || lexicon::is_calendar(plain) {
        return false;
    }
    let store = &view.session.store;
    if plain.chars().any(|c| c.is_ascii_digit() || c == '@')
        || link::leads(plain)
        || store.directory.contains(plain)
        || store.kept.contains(plain)
    {
        return true;
    }
    let Some(token) = view.text().tokens.get(span.start) else { return false };
    if token.quote.is_some() || (token.capital && !token.opens) {
        return true;
    }
    // "post it to the general channel": what directly follows *to* is a name, too.
    let before = |back: usize| {
        span.start
            .checked_sub(back)
            .and_then(|at| view.text().tokens.get(at))
            .map_or("", |token| token.text.as_str())
    };
    let leading =
        if matches!(before(1), "the" | "user" | "channel" | "group") { before(2) } else { before(1) };
    matches!(leading, "to") || (token.capital && token.opens && matches!(before(1), ""))
}

/// Whether a request says *them* of a mention before it: of all in its own sentence, or else of the only one there is.
fn means_them(view: &View<'_>, request: &Request, span: Span) -> bool {
    let tokens = &view.text().tokens;
    let opening =
        (0..=request.verb).rev().find(|at| tokens.get(*at).is_some_and(|token| token.opens)).unwrap_or(0);
    if span.end > request.verb || explicit_in(view, request) {
        return false;
    }
    let sentence = Span { start: opening, end: request.end };
    if span.start >= opening {
        return view.has(request.clause(), &["them", "him", "her", "there"]);
    }
    if !view.has(sentence, THEM) {
        return false;
    }
    let quoted = tokens.get(span.start).is_some_and(|token| token.quote.is_some());
    let others = (0..request.verb).filter(|at| *at < span.start || *at >= span.end).filter(|at| {
        tokens.get(*at).is_some_and(|token| {
            if quoted {
                token.quote.is_some()
            } else {
                token.text.contains('@') || link::identifies(&token.text)
            }
        })
    });
    let addressed =
        tokens.get(span.start).is_some_and(|token| token.text.contains('@') || link::identifies(&token.text));
    (quoted || addressed) && others.count() == 0
}

fn explicit_in(view: &View<'_>, request: &Request) -> bool {
    view.text()
        .within(request.clause())
        .iter()
        .any(|token| token.text.contains('@') || link::identifies(&token.text))
}

/// An address whose owner is called by name, and is the only one of that name.
fn by_name(view: &View<'_>, plain: &str) -> Option<Found> {
    let store = &view.session.store;
    if !store.known.contains(plain) {
        return None;
    }
    let contact = designated(view, |record| {
        record.people.iter().any(|person| person == plain)
            && record.id.as_deref().map(folded).as_deref() == Some(plain)
    });
    if contact.iter().any(|one| one.mentions.iter().any(|span| view.is_goal(*span))) {
        return Some(Found::new(Origin::Designated, "the address of the contact that you named"));
    }
    let (local, _) = plain.split_once('@')?;
    for part in local.split(|c: char| !c.is_alphabetic()).filter(|part| part.chars().count() >= 3) {
        let named = view.mentions(&Text::of(part)).into_iter().any(|span| {
            view.is_goal(span) && view.text().tokens.get(span.start).is_some_and(|token| token.capital)
        });
        let bearers = store
            .people
            .iter()
            .chain(&store.known)
            .filter(|person| person.split(|c: char| !c.is_alphanumeric()).any(|word| word == part));
        let bearers: std::collections::BTreeSet<&String> = bearers.collect();
        if named && bearers.len() == 1 {
            return Some(Found::new(
                Origin::Designated,
                format!("you named {part}, and you have written to this address"),
            ));
        }
    }
    None
}

/// Somebody of a record that the owner named, when the owner named people by it and nobody by themselves.
fn by_record(view: &View<'_>, plain: &str) -> Option<Found> {
    if is_explicit(view) || !view.asks_with(GROUPS) || view.declaration.effects.contains(&Effect::Spend) {
        return None;
    }
    let found: Vec<Designated<'_>> = designated(view, |record| {
        !record.is_mail()
            && (record.own || record.author.is_none())
            && record.people.iter().any(|person| person == plain)
    });
    let one = found.iter().find(|one| one.mentions.iter().any(|span| view.is_asked(*span)))?;
    Some(Found::new(
        Origin::Designated,
        format!("from the record {:?} that you named", one.record.plain_name),
    ))
}

/// The only one of a closed set that starts as the owner said.
fn by_start(view: &View<'_>, plain: &str) -> Option<Found> {
    let directory = &view.session.store.directory;
    let tokens = &view.text().tokens;
    for request in &view.asked {
        for at in request.verb..request.reach {
            let word = |ahead: usize| tokens.get(at + ahead).filter(|_| at + ahead < request.reach);
            let (Some(first), Some(second), Some(start)) = (word(0), word(1), word(2)) else { continue };
            if matches!(first.text.as_str(), "starting" | "starts" | "beginning" | "begins")
                && second.text == "with"
                && second.after == Break::None
                && directory.contains(plain)
                && directory.iter().filter(|one| one.starts_with(start.text.as_str())).count() == 1
                && plain.starts_with(start.text.as_str())
            {
                return Some(Found::new(
                    Origin::Designated,
                    format!("the only one that starts with {:?}", start.text),
                ));
            }
        }
    }
    None
}

/// Who paid the owner the amount that is to go back.
fn by_amount(view: &View<'_>, plain: &str) -> Option<Found> {
    if !view.declaration.effects.contains(&Effect::Spend) {
        return None;
    }
    for request in &view.asked {
        if !view.has(request.clause(), BACK) || explicit_in(view, request) {
            continue;
        }
        let amounts = super::amount::said(view.text(), request.clause());
        let payers: std::collections::BTreeSet<&String> = view
            .session
            .store
            .records
            .iter()
            .filter(|record| {
                record.incoming
                    && record.amount.is_some_and(|amount| amounts.iter().any(|said| same(*said, amount)))
            })
            .flat_map(|record| &record.people)
            .collect();
        if payers.len() == 1 && payers.iter().any(|payer| *payer == plain) {
            return Some(Found::new(Origin::Designated, "the only one who paid you this amount"));
        }
    }
    None
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.005
}

//! The judgement: the origin of every argument of a call, and the findings that rules match.
//!
//! Each finding only ever speaks against a call, so none depends on another. What looks around, and what runs
//! contained, is never found against: what it writes is decided a second time, as a change to files. Nor is a
//! connection that was decided with its call.

use std::collections::BTreeMap;

use testudo::action::{Effect, Judged, Phase};
use testudo::declaration::Role;
use testudo::egress::is_listed;
use testudo::flow::{Finding, Flow, Origin};

use super::content::Content;
use super::normal::folded;
use super::view::{Found, View};
use super::{Deed, Session, amount, destination, label, selector, setting, time, tool};

mod leaving;
mod parts;
mod repeating;

/// What is known of one call.
struct Hearing<'a> {
    view: View<'a>,
    tool: &'a str,
    outward: bool,
    flow: Flow,
    /// Arguments that decide something and that the model chose.
    chosen: Vec<String>,
    /// Arguments with what the owner wrote as something else.
    aside: Vec<String>,
}

/// Where the arguments of a call came from, and what speaks against it.
pub(super) fn flow(session: &Session, judged: &Judged) -> Flow {
    if judged.declaration.effects.is_empty() {
        // A tool that declares nothing does what it is decided as.
        let mut declared = judged.clone();
        declared.declaration.effects.insert(judged.action.effect);
        return flow(session, &declared);
    }
    let mut hearing = Hearing::new(session, judged);
    hearing.origins();
    let effects = &judged.declaration.effects;
    let looks = effects.iter().all(|effect| *effect == Effect::Read);
    if judged.declaration.contained
        || judged.action.phase == Phase::Apply
        || looks
        || is_listed(&judged.action)
    {
        return hearing.flow;
    }
    if session.text.messages() == 0 && !hearing.outward {
        // Nobody could have asked in words: an operator calls by hand.
        return hearing.flow;
    }
    hearing.hear();
    hearing.flow
}

/// What is remembered of a call that was let through.
pub(super) fn deed(session: &Session, judged: &Judged) -> Option<Deed> {
    let effects = &judged.declaration.effects;
    if effects.iter().all(|effect| matches!(effect, Effect::Read | Effect::ReadExternal))
        || judged.declaration.contained
    {
        return None;
    }
    let hearing = Hearing::new(session, judged);
    let chosen = judged.flow.origins.values().any(|origin| *origin == Origin::Known);
    Some(Deed {
        tool: judged.action.tool.clone(),
        reached: hearing.reached(),
        chosen,
        messages: session.text.messages(),
    })
}

impl<'a> Hearing<'a> {
    fn new(session: &'a Session, judged: &'a Judged) -> Self {
        let mut view = View::new(session, judged);
        let completed = selector::completes(&view);
        view.asked.extend(completed);
        let effects = &judged.declaration.effects;
        let with = judged.declaration.outward_with.as_deref();
        let outward = effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::Message | Effect::Spend | Effect::Configure | Effect::Destroy | Effect::ReadExternal
            )
        }) || view
            .given
            .iter()
            .any(|(name, role, _)| Some(*name) == with || *role == Role::Destination)
            && !effects.iter().all(|effect| *effect == Effect::Read);
        Self {
            view,
            tool: &judged.action.tool,
            outward,
            flow: Flow::default(),
            chosen: Vec::new(),
            aside: Vec::new(),
        }
    }

    fn does(&self, effect: Effect) -> bool {
        self.view.declaration.effects.contains(&effect)
    }

    /// Finds the origin of each argument: the worst of its parts.
    fn origins(&mut self) {
        let mut origins = BTreeMap::new();
        for (name, role, values) in &self.view.given {
            let worst =
                values.iter().map(|value| self.origin(name, *role, value)).max_by_key(|found| found.origin);
            if let Some(found) = worst {
                origins.insert((*name).to_owned(), found);
            }
        }
        for (name, found) in origins {
            if found.aside {
                self.aside.push(name.clone());
            }
            self.flow.origins.insert(name.clone(), found.origin);
            self.flow.sources.insert(name, found.source);
        }
    }

    fn origin(&self, name: &str, role: Role, value: &str) -> Found {
        let view = &self.view;
        match role {
            Role::Destination
                if copies(name) && !view.asks_with(&["cc", "bcc", "copy", "copied", "copying"]) =>
            {
                Found::aside("you did not ask for a copy to go to anybody")
            }
            Role::Destination => destination::origin(view, value),
            Role::Selector => selector::origin(view, name, value),
            Role::Amount => {
                let reached: Vec<&str> = view.of_role(Role::Destination).collect();
                amount::origin(view, name, value, &reached)
            }
            Role::Url => self.url(value),
            Role::Label => label::origin(view, value),
            Role::Value => setting::origin(view, value),
            Role::Time => match time::said(view.text(), value) {
                Some(true) => Found::said(),
                _ => self.mentioned(value),
            },
            Role::Content => self.wording(value),
            Role::Command | Role::Path | Role::Option => self.mentioned(value),
        }
    }

    fn mentioned(&self, value: &str) -> Found {
        let mentions = self.view.text().mentions(&super::said::Text::of(value));
        if mentions.is_empty() { self.view.elsewhere(value) } else { Found::said() }
    }

    fn wording(&self, value: &str) -> Found {
        let content = Content::of(&self.view, &[value]);
        if content.is_said() {
            Found::new(Origin::Said, "in your words")
        } else if content.is_new() {
            Found::new(Origin::Made, "in the model's own words")
        } else {
            Found::new(Origin::Found, "mostly in words of what was read")
        }
    }

    /// An address to fetch may be said anywhere; one to write to must be the goal.
    fn url(&self, value: &str) -> Found {
        let view = &self.view;
        if !self.does(Effect::ReadExternal) || self.does(Effect::Message) {
            return destination::origin(view, value);
        }
        let plain = folded(value);
        let text = super::said::Text::of(value);
        if destination::is_whole(&text, &plain) && !view.mentions(&text).is_empty() {
            return Found::said();
        }
        let named = view.session.store.links.iter().filter(|link| link.url == plain).any(|link| {
            let place = link.places.iter().any(|place| !view.mentions(place).is_empty());
            // Where the owner named the author, nobody else's link will do.
            let author = link.author.as_ref().is_none_or(|author| !view.mentions(author).is_empty());
            let authors = view.session.store.links.iter().filter_map(|link| link.author.as_ref());
            let some_author =
                authors.into_iter().any(|author| !view.mentions(author).is_empty() && posted(view, author));
            place && (author || !some_author)
        });
        if named {
            return Found::new(Origin::Designated, "a member wrote it where you said to look");
        }
        view.elsewhere(value)
    }

    fn say(&mut self, word: &str, text: impl Into<String>) {
        if !self.flow.findings.iter().any(|finding| finding.word == word) {
            self.flow.findings.push(Finding { word: word.to_owned(), text: text.into() });
        }
    }

    fn hear(&mut self) {
        if self.does(Effect::ReadExternal) && self.view.declaration.effects.len() == 1 {
            self.fetches();
        } else {
            self.acts();
        }
        if self.outward && self.view.session.secret {
            self.say("after-secret", "something secret was read in this session, and this reaches beyond it");
        }
        self.hidden();
        self.flow.findings.sort();
    }

    fn acts(&mut self) {
        if self.view.asked.is_empty() {
            self.say("unrequested", "no message of yours asks for this");
        }
        self.slots(&[
            Role::Destination,
            Role::Url,
            Role::Selector,
            Role::Amount,
            Role::Value,
            Role::Label,
            Role::Command,
            Role::Path,
        ]);
        self.options();
        self.times();
        self.contents();
        self.repeats();
    }
}

/// Whether the owner says that somebody wrote or posted something.
fn posted(view: &View<'_>, author: &super::said::Text) -> bool {
    view.mentions(author).iter().any(|span| {
        view.text().tokens.get(span.end).is_some_and(|next| {
            matches!(
                next.text.as_str(),
                "posted" | "wrote" | "sent" | "shared" | "mentioned" | "recommended" | "put"
            )
        })
    })
}

/// Whether an argument is for copies to others.
fn copies(name: &str) -> bool {
    tool::words(name).iter().any(|word| matches!(word.as_str(), "cc" | "bcc"))
}

/// Every word of a finding. Rules may match these and no others, and the guide explains each.
pub(crate) const FINDINGS: &[&str] = &[
    "unrequested",
    "made-up",
    "foreign",
    "chosen",
    "several-choices",
    "foreign-link",
    "foreign-number",
    "new-text",
    "after-secret",
    "again",
    "mixed",
    "hidden",
    "disguised",
];

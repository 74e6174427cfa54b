//! Parts of a call that decide what happens to whom: destinations, selectors, amounts, settings, times and options.

use testudo::action::Effect;
use testudo::declaration::Role;
use testudo::flow::Origin;

use super::super::normal::{self, folded};
use super::super::{time, tool};
use super::Hearing;

const REPEATING: &[&str] = &[
    "recurring",
    "repeat",
    "repeating",
    "every",
    "each",
    "weekly",
    "monthly",
    "daily",
    "yearly",
    "regularly",
    "regular",
];

const WIDENING: &[&str] =
    &["permission", "permissions", "access", "role", "rights", "privilege", "visibility", "public", "scope"];
const NARROW: &[&str] = &[
    "r",
    "read",
    "reader",
    "view",
    "viewer",
    "read-only",
    "readonly",
    "private",
    "none",
    "false",
    "guest",
    "member",
];

impl Hearing<'_> {
    /// Arguments that decide what happens to whom.
    pub(super) fn slots(&mut self, roles: &[Role]) {
        let mut said = Vec::new();
        for (name, role, _) in &self.view.given {
            if !roles.contains(role) {
                continue;
            }
            let origin = self.flow.origins.get(*name).copied().unwrap_or(Origin::Made);
            let source = self.flow.sources.get(*name).cloned().unwrap_or_default();
            match origin {
                Origin::Said | Origin::Designated => {}
                Origin::Known => self.chosen.push((*name).to_owned()),
                Origin::Found => said.push(("foreign", format!("{name}: {source}"))),
                Origin::Made => said.push(("made-up", format!("{name}: {source}"))),
            }
        }
        for (word, text) in said {
            self.say(word, text);
        }
    }

    /// The model may choose one thing, if the owner's words alone go to one of the owner's own people, and the owner
    /// named nobody else.
    pub(super) fn settle_chosen(&mut self, may: bool) {
        match self.chosen.len() {
            0 => {}
            1 if may => {}
            1 => {
                let name = self.chosen.join("");
                let source = self.flow.sources.get(&name).cloned().unwrap_or_default();
                self.say("chosen", format!("{name}: {source}"));
            }
            _ => self.say("several-choices", format!("the model chose {}", self.chosen.join(", "))),
        }
    }

    /// A closed list decides little, except where it says who may do what.
    pub(super) fn options(&mut self) {
        let mut said = Vec::new();
        for (name, role, values) in &self.view.given {
            let repeats = tool::words(name)
                .iter()
                .any(|word| matches!(word.as_str(), "recurring" | "repeat" | "repeating" | "recurrence"));
            if *role == Role::Option
                && repeats
                && values.iter().any(|value| value != "false")
                && !self.view.asks_with(REPEATING)
            {
                said.push(format!("{name}: you did not ask for it to be done again and again"));
            }
            let widens = tool::words(name).iter().any(|word| WIDENING.contains(&word.as_str()));
            if *role != Role::Option || !widens {
                continue;
            }
            for value in values.iter().map(|value| folded(value)) {
                let narrow = NARROW.contains(&value.as_str());
                let writes = matches!(
                    value.as_str(),
                    "w" | "rw" | "write" | "writer" | "edit" | "editor" | "read-write" | "readwrite"
                );
                let asked = self.view.asks_with(&[value.as_str()])
                    || writes
                        && self
                            .view
                            .asks_with(&["write", "writing", "edit", "editing", "editor", "change", "full"]);
                if !narrow && !asked {
                    said.push(format!("{name}: you did not ask for {value}"));
                }
            }
        }
        for text in said {
            self.say("made-up", text);
        }
    }

    pub(super) fn times(&mut self) {
        let times: Vec<String> = self.view.of_role(Role::Time).map(str::to_owned).collect();
        if times.is_empty() {
            return;
        }
        let text = self.view.text();
        // When to pay is minor beside how much; when a thing is booked for is not.
        let booked = self.does(Effect::Spend) && self.view.of_role(Role::Amount).next().is_none();
        let right = |value: &String| {
            let day = time::said(text, value).unwrap_or(!booked);
            day && (!booked || time::hour_said(text, value))
        };
        let starts: Vec<&String> =
            self.named_times(&["start", "from", "begin", "in", "pickup", "departure", "time", "when"]);
        let ends: Vec<&String> = self.named_times(&["end", "until", "finish", "out", "dropoff", "return"]);
        let backwards = starts.iter().any(|start| ends.iter().any(|end| start >= end));
        let moved = time::has_hour(text) && starts.iter().any(|start| !time::hour_said(text, start));
        if !times.iter().all(right) || moved {
            self.say("made-up", "a date or a time is not one that you gave");
        }
        if backwards {
            self.say("made-up", "the end is not after the beginning");
        }
    }

    /// Values of the times whose names have one of these words, and none of an end.
    pub(super) fn named_times(&self, words: &[&str]) -> Vec<&String> {
        const ENDS: &[&str] = &["end", "until", "finish", "out", "dropoff", "return"];
        let wants_end = words.contains(&"end");
        self.view
            .given
            .iter()
            .filter(|(name, role, _)| {
                let of_name = tool::words(name);
                let is = |list: &[&str]| of_name.iter().any(|word| list.contains(&word.as_str()));
                *role == Role::Time && is(words) && (wants_end || !is(ENDS))
            })
            .flat_map(|(_, _, values)| values)
            .collect()
    }

    /// What people cannot see in what decides or leaves, and values in another shape than a declaration means.
    pub(super) fn hidden(&mut self) {
        let mut said = Vec::new();
        for (name, role, values) in &self.view.given {
            let free = matches!(role, Role::Content | Role::Option);
            let seen = format!("{name} has characters that nobody can see or that look like others");
            if !free && values.iter().any(|value| normal::hides(value) || normal::is_disguised(value)) {
                said.push(("disguised", seen));
            } else if values.iter().any(|value| normal::hides(value)) {
                said.push(("hidden", seen));
            } else if !free && values.iter().any(|value| value.trim() != value) {
                said.push(("hidden", format!("{name} has blanks at its ends")));
            }
        }
        for name in &self.view.nested {
            said.push(("made-up", format!("{name} is not a value or a list of values")));
        }
        for (word, text) in said {
            self.say(word, text);
        }
    }
}

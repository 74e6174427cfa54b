//! What was done before: an effect that was asked for once is done once.

use testudo::declaration::Role;

use super::super::Deed;
use super::super::normal::folded;
use super::Hearing;

/// Words by which several are asked for.
const SEVERAL: &[&str] = &[
    "each",
    "every",
    "all",
    "everyone",
    "everybody",
    "both",
    "several",
    "multiple",
    "users",
    "people",
    "them",
    "two",
    "three",
    "four",
    "five",
    "many",
    "events",
    "files",
    "messages",
    "emails",
    "others",
    "rest",
];

impl Hearing<'_> {
    pub(super) fn repeats(&mut self) {
        let session = self.view.session;
        let since = self.view.asked.iter().map(|request| request.message).max().unwrap_or(0);
        let before: Vec<&Deed> =
            session.deeds.iter().filter(|deed| deed.tool == self.tool && deed.messages > since).collect();
        if before.is_empty() {
            return;
        }
        let reached = self.reached();
        if before.iter().any(|deed| {
            deed.reached == reached
                || deed.reached.iter().any(|one| self.outward && reached.contains(one) && self.is_target(one))
        }) {
            self.say("again", "this was done before, and you asked for it once");
            return;
        }
        let several =
            self.view.asked.iter().any(|request| self.view.has(request.sentence(self.view.text()), SEVERAL));
        let chosen = !self.chosen.is_empty() && before.iter().any(|deed| deed.chosen);
        let makes = self.view.of_role(Role::Label).next().is_some() && before.len() >= self.view.asked.len();
        if !several && (chosen || makes) {
            self.say("again", "you asked for one, and the model does several");
        }
    }

    /// Whether a value that was reached before is whom or what the call is for, not what it gives.
    pub(super) fn is_target(&self, value: &str) -> bool {
        let selects = self.view.of_role(Role::Selector).next().is_some();
        !selects
            && self.view.of_role(Role::Destination).chain(self.view.of_role(Role::Url)).count() == 1
            && self
                .view
                .of_role(Role::Destination)
                .chain(self.view.of_role(Role::Url))
                .any(|one| folded(one) == value)
    }

    /// What a call reaches or changes.
    pub(super) fn reached(&self) -> Vec<String> {
        let mut reached: Vec<String> = [
            Role::Destination,
            Role::Url,
            Role::Selector,
            Role::Label,
            Role::Value,
            Role::Path,
            Role::Command,
        ]
        .into_iter()
        .flat_map(|role| self.view.of_role(role))
        .map(folded)
        .collect();
        reached.sort();
        reached.dedup();
        reached
    }
}

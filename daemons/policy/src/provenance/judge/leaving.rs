//! What leaves with a call, or is stored by it: its content, and the words of a look elsewhere.

use testudo::action::Effect;
use testudo::declaration::Role;
use testudo::label::Source;

use super::super::content::{self, Content};
use super::super::normal::folded;
use super::super::{destination, selector};
use super::Hearing;

impl Hearing<'_> {
    /// What is looked up elsewhere tells the other side what is asked.
    pub(super) fn fetches(&mut self) {
        self.slots(&[Role::Url, Role::Destination]);
        self.settle_chosen(false);
        let words: Vec<&str> = self
            .view
            .given
            .iter()
            .filter(|(_, role, _)| !matches!(role, Role::Url | Role::Destination))
            .flat_map(|(_, _, values)| values.iter().map(String::as_str))
            .collect();
        let content = Content::of(&self.view, &words);
        if self.view.session.taint.private && !content.is_said() && !content.is_empty() {
            self.say(
                "mixed",
                "private things were read, and the words asked for elsewhere are not all yours",
            );
        }
        if self.view.given.is_empty() && self.view.session.text.messages() == 0 {
            self.say("unrequested", "nobody asked for it");
        }
    }

    pub(super) fn contents(&mut self) {
        let session = self.view.session;
        let texts: Vec<&str> = self.view.of_role(Role::Content).collect();
        let content = Content::of(&self.view, &texts);
        let said = content.is_said();
        // What stands in a closed set of the service is as good as declared to be inside.
        let closed =
            self.view.of_role(Role::Destination).all(|one| session.store.directory.contains(&folded(one)));
        let may = ((self.view.declaration.inside || closed)
            && self.does(Effect::Message)
            && self.view.declaration.effects.len() == 1
            || self.view.declaration.reversible && !self.outward)
            && said
            && self.aside.is_empty()
            && !self.chosen.iter().any(|name| selector::names_another(&self.view, name))
            && !destination::is_explicit(&self.view);
        self.settle_chosen(may);
        if let Some(link) = content.links.first() {
            self.say("foreign-link", format!("the content leads to {link}, which you did not write"));
        }
        if let Some(code) = content.codes.first() {
            self.say("foreign-number", format!("the content has the number {code}, which you did not write"));
        }
        let foreign = session.taint.sources.iter().any(Source::is_foreign);
        if content.is_empty() || said {
            return;
        }
        if content::is_dictated(&self.view) {
            self.say("new-text", "you gave the words, and the content has others");
        }
        if !foreign {
            return;
        }
        if content.is_new() {
            self.say(
                "new-text",
                "others' text was read, and the content is neither in your words nor in those read",
            );
        }
        let derived = content::is_derived(&self.view);
        if self.outward && session.taint.private && !derived {
            self.say(
                "mixed",
                "others' text and private things were read, and the content that leaves is not in your words",
            );
        }
    }
}

//! What entered a session, and where the arguments of a call came from.
//!
//! [`Session`] is a fold over everything that was said and read. Its taint only grows. [`Session::judge`] answers
//! for one call where each argument came from and what speaks against letting it pass unasked; rules decide what
//! follows. Nothing here knows any tool: tools are known by their declarations, and by their names as far as
//! nothing is declared.
//!
//! Start with `judge.rs`; each other module answers one question of it.

mod amount;
mod content;
mod designation;
mod destination;
mod judge;
mod label;
mod lexicon;
mod link;
mod normal;
mod reading;
mod record;
mod request;
mod said;
mod selector;
mod setting;
mod time;
mod tool;
mod view;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use testudo::action::Judged;
use testudo::flow::Flow;
use testudo::label::{Labels, Source};
use testudo::observation::{Author, Observation};

pub(crate) use judge::FINDINGS;
use record::Store;
use request::Request;
use said::Text;

/// One session as far as information flow is concerned: a fold over its observations.
#[derive(Debug, Clone, Default)]
pub struct Session {
    taint: Labels,
    /// Something secret was read.
    secret: bool,
    /// By which addresses and accounts the owner goes.
    owner: HashSet<String>,
    /// What the owner wrote.
    text: Text,
    requests: Vec<Request>,
    store: Store,
    deeds: Vec<Deed>,
}

/// A call that was let through.
#[derive(Debug, Clone)]
struct Deed {
    tool: String,
    /// What it reached or changed.
    reached: Vec<String>,
    /// The model chose a part of it.
    chosen: bool,
    /// How many messages the owner had written.
    messages: usize,
}

impl Session {
    /// Takes in what entered the session.
    pub fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::Message { author, text } => {
                if *author == Author::Owner {
                    let first = self.text.tokens.len();
                    self.text.add(text);
                    self.requests.extend(request::requests(&self.text, first));
                }
                self.taint.absorb(&Labels::of(author.source()));
            }
            // Whoever sent it need not have written it.
            Observation::Received { author, .. } => {
                self.taint.absorb(&Labels::of(author.source()));
                self.taint.absorb(&Labels::of(Source::File));
            }
            Observation::Result { tool, declaration, arguments, content, labels, .. } => {
                self.taint.absorb(labels);
                self.secret |= declaration.secret;
                self.store.take(tool, declaration, arguments, content, labels, &self.owner);
            }
            Observation::Applied { .. } | Observation::Inherit { .. } => {}
        }
    }

    /// Goes on from another session: everything that could have reached that one could have reached this one. What
    /// the owner asked for there is not asked for here.
    pub fn inherit(&mut self, other: &Self) {
        self.taint.absorb(&other.taint);
        self.secret |= other.secret;
        self.store.absorb(&other.store);
    }

    /// Says by which addresses and accounts the owner goes in records; for what is read from now on.
    pub fn owned_by(&mut self, identities: &[String]) {
        self.owner = identities.iter().map(|identity| normal::folded(identity)).collect();
    }

    /// The labels of everything that entered so far.
    pub const fn taint(&self) -> &Labels {
        &self.taint
    }

    /// Where the arguments of a call came from, and what speaks against it. Changes nothing.
    pub fn judge(&self, judged: &Judged) -> Flow {
        judge::flow(self, judged)
    }

    /// Notes that a call was let through, unasked or by a person, and is about to happen.
    pub fn passed(&mut self, judged: &Judged) {
        if let Some(deed) = judge::deed(self, judged) {
            self.deeds.push(deed);
        }
    }
}

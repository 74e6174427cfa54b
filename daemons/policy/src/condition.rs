//! Conditions: what an action must be like for a rule to speak, or to stand aside.
//!
//! An absent key does not matter; present keys must all hold; a list means any of its words. What has several
//! parts (paths, effects, arguments, findings, sources) is read strictly: for a rule that denies or asks one part
//! is enough, for a rule that allows all parts must fit, and an exception works the other way round.
//! So no rule that restricts is dodged by one harmless part among harmful ones, nor one that permits won by it.

use std::collections::{BTreeMap, BTreeSet};

use testudo::action::Effect;
use testudo::egress::{CONNECT, is_listed};
use testudo::flow::Origin;

use crate::change;
use crate::matter::{Given, Matter, Reach};
use crate::outward::Outward;
use crate::pattern::Patterns;
use crate::writer::Writer;

mod written;

/// Stands for any finding at all.
const ANY_FINDING: &str = "*";

/// What an action must be like.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Condition {
    /// None: whichever tool.
    pub(crate) tools: Option<BTreeSet<String>>,
    effects: Option<BTreeSet<Effect>>,
    phases: Option<BTreeSet<String>>,
    sessions: Option<BTreeSet<String>>,
    requesters: Option<BTreeSet<String>>,
    paths: Option<Patterns>,
    destinations: Option<BTreeSet<Outward>>,
    listed: Option<bool>,
    flow: Option<BTreeSet<String>>,
    origins: Option<BTreeMap<Which, BTreeSet<Origin>>>,
    taint: Option<BTreeSet<Writer>>,
    private: Option<bool>,
    tags: Option<BTreeSet<String>>,
    /// Words of kinds and traits.
    changes: Option<BTreeSet<String>>,
    /// Most lines that come and go, of all changes together.
    max_lines: Option<u64>,
}

/// Which arguments an origin is asked of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    /// Whatever they are.
    All,
    /// Those with this name or this role.
    Named(String),
}

impl Which {
    /// An argument that nobody declared could have any role.
    fn is(&self, given: &Given<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Named(word) => given.name == word || given.role.is_none_or(|role| role.word() == word),
        }
    }
}

impl Reach {
    /// Whether enough of the parts fit.
    fn reached<T>(self, parts: impl IntoIterator<Item = T>, mut fits: impl FnMut(T) -> bool) -> bool {
        let mut parts = parts.into_iter();
        match self {
            Self::Any => parts.any(fits),
            Self::Every => parts.next().is_some_and(&mut fits) && parts.all(fits),
        }
    }
}

impl Condition {
    /// Whether it holds; the cheapest keys are looked at first.
    pub(crate) fn holds(&self, matter: &Matter<'_>, reach: Reach) -> bool {
        let action = &matter.judged.action;
        let one_of = |words: &Option<BTreeSet<String>>, word: &str| {
            words.as_ref().is_none_or(|words| words.contains(word))
        };
        let taint = &matter.judged.taint;
        one_of(&self.phases, action.phase.word())
            && self.private.is_none_or(|private| private == taint.private)
            && self
                .effects
                .as_ref()
                .is_none_or(|effects| reach.reached(&matter.effects, |effect| effects.contains(effect)))
            && one_of(&self.tools, &action.tool)
            && one_of(&self.sessions, &action.session)
            && self.requested_by(matter)
            && self.max_lines.is_none_or(|most| {
                !matter.judged.changes.is_empty()
                    && change::lines(matter.judged).is_some_and(|lines| lines <= most)
            })
            && self.changes.as_ref().is_none_or(|words| changed(words, matter, reach))
            && self.tags.as_ref().is_none_or(|tags| worn(tags, matter, reach))
            && self.flow.as_ref().is_none_or(|words| {
                let any = words.contains(ANY_FINDING);
                reach.reached(&matter.judged.flow.findings, |finding| any || words.contains(&finding.word))
            })
            && self.taint.as_ref().is_none_or(|writers| {
                reach.reached(&taint.sources, |source| writers.iter().any(|writer| writer.means(source)))
            })
            && self.origins.as_ref().is_none_or(|origins| {
                !origins.is_empty()
                    && origins.iter().all(|(which, words)| {
                        let asked = matter.given.iter().filter(|given| which.is(given));
                        reach.reached(asked, |given| words.contains(&given.origin))
                    })
            })
            && self.listed.is_none_or(|listed| action.tool == CONNECT && is_listed(action) == listed)
            && self.destinations.as_ref().is_none_or(|patterns| {
                reach.reached(&matter.places, |place| {
                    patterns.iter().any(|pattern| pattern.matches(place.as_ref(), reach))
                })
            })
            && self.paths.as_ref().is_none_or(|patterns| {
                reach.reached(&matter.paths, |path| {
                    patterns.matches(path, reach)
                        || (reach == Reach::Any && matter.searches && patterns.may_match_below(path))
                })
            })
    }

    /// The first segments of which some path must have one; nothing where that cannot be said.
    pub(crate) fn starts(&self) -> Option<&BTreeSet<String>> {
        self.paths.as_ref()?.starts()
    }

    fn requested_by(&self, matter: &Matter<'_>) -> bool {
        self.requesters.as_ref().is_none_or(|words| {
            words.contains(matter.requester)
                || matter.person.as_ref().is_some_and(|person| words.contains(person))
        })
    }
}

/// One word of one change is enough to restrict; to permit, every word of every change must be named.
fn changed(wanted: &BTreeSet<String>, matter: &Matter<'_>, reach: Reach) -> bool {
    reach.reached(&matter.judged.changes, |summary| {
        reach.reached(change::words(summary), |word| wanted.contains(word))
    })
}

/// A tag on either the tool or the requester restricts; to permit, whichever of the two wears any must wear it.
fn worn(tags: &BTreeSet<String>, matter: &Matter<'_>, reach: Reach) -> bool {
    let wears = |words: &BTreeSet<&str>| words.iter().any(|word| tags.contains(*word));
    let (tool, requester) = (&matter.worn.tool, &matter.worn.requester);
    match reach {
        Reach::Any => wears(tool) || wears(requester),
        Reach::Every => wears(tool) && (requester.is_empty() || wears(requester)),
    }
}

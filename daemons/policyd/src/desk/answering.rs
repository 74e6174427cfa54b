//! Answers of people: what a yes must be like, and what it and a no lead to.
//!
//! A yes is checked in this order, and the first thing that is wrong with it leaves the question open: is it still
//! wanted, is it for this action, did the person see the whole of it, may it hold that long, does it weigh enough.
//! Only what the person proves to `policyd` itself makes it weigh more than the channel says.

use std::time::Duration;

use testudo::approval::{Outcome, Scope, State};
use testudo::fault::Fault;
use testudo::record::Entry as Record;
use testudo::verdict::Weight;

use super::channel::Person;
use super::{Answer, Desk, Manner, about, fault};
use crate::amendment;
use crate::ledger::{Entry, LedgerError, Yes};
use crate::rendering::{self, Depth};

impl Desk {
    /// A person's yes to the action with this digest.
    ///
    /// # Errors
    /// When it is too late, for another action, too light, or cannot be recorded.
    pub async fn approve(&self, id: &str, digest: &str, answer: Answer) -> Result<Outcome, Fault> {
        let by = &answer.by.to_string();
        let (entry, weight) = match self.examine(id, digest, &answer).await {
            Ok(found) => found,
            Err(fault) => {
                self.note_refused(id, by, &fault.text()).await;
                return Err(fault);
            }
        };
        let approval = &entry.approval;
        let steps = self.chosen(id, answer.steps.as_deref())?;
        let mut record = about(approval, "approval.answered", "approved")
            .with("by", by.as_str())
            .with("for", answer.scope.word())
            .with("weight", weight.word())
            .with("calls", approval.calls)
            .with("steps", steps.as_deref());
        if let Some(lasts) = answer.lasts {
            record = record.with("lasts_ms", u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
        }
        self.record(&record).await?;
        // More calls may have joined while the person proved who he is; those he did not see.
        let calls = approval.calls;
        let yes = Yes { by, weight, scope: answer.scope, steps: steps.as_deref(), calls };
        let outcome = match self.say_yes(&entry, yes, answer.lasts) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.note_refused(id, by, &error.to_string()).await;
                return Err(fault(&error));
            }
        };
        self.remember_destinations(&entry);
        let installed = self.install(approval, by).await;
        self.announce(approval, &outcome);
        installed.map(|()| outcome)
    }

    /// Whether this yes counts, and how much.
    async fn examine(&self, id: &str, digest: &str, answer: &Answer) -> Result<(Entry, Weight), Fault> {
        let controls = self.controls();
        let now = (self.clock)();
        let entry = self.with_ledger(|ledger| ledger.may_approve(id, digest, now))?;
        if controls.whole_view {
            looked_at(&entry, answer.seen.as_deref()).map_err(|error| fault(&error))?;
        }
        if !entry.approval.scopes.contains(&answer.scope) && answer.scope != Scope::Once {
            let why = "a built-in rule or the sentinel asks each time";
            return Err(fault(&LedgerError::OnceOnly { id: id.into(), why }));
        }
        self.review(&entry.approval, answer.scope, answer.phrase.as_deref())?;
        let wanted = entry.approval.approve_by;
        let claimed = match (answer.manner, &answer.code) {
            (Manner::Local, _) => Weight::Local,
            (_, Some(_)) => Weight::Otp,
            (Manner::Reply, None) => Weight::Reply,
            (Manner::Reaction, None) if self.trusts_reactions(&answer.by, &entry.approval.tool) => {
                Weight::Reply
            }
            (Manner::Reaction, None) => Weight::Reaction,
        };
        if claimed < wanted && controls.weight {
            return Err(fault(&LedgerError::TooLight { id: id.into(), wanted, given: claimed }));
        }
        // What was claimed is now proved; a code that was given must be right even where none is wanted.
        if let Some(code) = &answer.code {
            self.spend_code(code).await?;
        }
        if answer.manner == Manner::Local {
            let left = u64::try_from(entry.expires_ms.saturating_sub(now)).unwrap_or_default();
            self.authenticate(&entry.approval, &answer.connection, Duration::from_millis(left)).await?;
        }
        Ok((entry, claimed))
    }

    /// Whether a reaction counts as a reply: where the operator says that the server which carries it is his own. What
    /// changes the policy is never answered so lightly.
    fn trusts_reactions(&self, by: &Person, tool: &str) -> bool {
        matches!(by, Person::Owner(_)) && self.matrix.trust_homeserver && tool != amendment::TOOL
    }

    /// A person's no.
    ///
    /// # Errors
    /// When it is settled already.
    pub async fn deny(&self, id: &str, reason: &str, by: &str) -> Result<Outcome, Fault> {
        let approval = self.with_ledger(|ledger| ledger.find(id, (self.clock)()))?;
        if approval.state != State::Pending {
            let error = LedgerError::Settled { id: id.into(), state: approval.state };
            self.note_refused(id, by, &error.to_string()).await;
            return Err(fault(&error));
        }
        let record = about(&approval, "approval.answered", "denied").with("by", by).with("reason", reason);
        if let Err(error) = self.recorder.append(&record).await {
            tracing::error!("the denial of {id} is not in the record: {error}");
        }
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let outcome =
            self.with_ledger(|ledger| ledger.settle(id, State::Denied, by, reason, (self.clock)()))?;
        self.announce(&approval, &outcome);
        Ok(outcome)
    }

    /// Records an attempt to approve or use what cannot be.
    pub async fn note_refused(&self, id: &str, by: &str, why: &str) {
        let record = Record::new("approval.refused")
            .decision("deny")
            .with("approval", id)
            .with("by", by)
            .with("reason", why);
        if let Err(error) = self.recorder.append(&record).await {
            tracing::error!("a refused answer to {id} is not in the record: {error}");
        }
    }
}

/// A yes is to what was looked at. Where nothing is cut, the list itself shows everything.
fn looked_at(entry: &Entry, seen: Option<&str>) -> Result<(), LedgerError> {
    let id = &entry.approval.id;
    let brief = rendering::worded(entry, Depth::Brief);
    if !brief.cut {
        return match seen {
            Some(seen) if seen != brief.seen => Err(LedgerError::OtherView { id: id.clone() }),
            _ => Ok(()),
        };
    }
    match seen {
        Some(seen) if seen == rendering::worded(entry, Depth::Whole).seen => Ok(()),
        Some(seen) if seen != brief.seen => Err(LedgerError::OtherView { id: id.clone() }),
        _ => Err(LedgerError::NotSeen { id: id.clone() }),
    }
}

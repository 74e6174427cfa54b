//! Questions to people: put, listed, waited for, used up, and ended.
//!
//! A question ends as a no by itself: when its time is over, when who asked is gone, and when it cannot be recorded.

use std::collections::BTreeSet;
use std::time::Duration;

use libsystemd::logging::Priority;
use testudo::action::Judged;
use testudo::approval::{Approval, Outcome, State};
use testudo::fault::Fault;
use testudo::journal;
use testudo::verdict::Decision;

use super::{Desk, about, fault};
use crate::ledger::{Asking, Ledger, LedgerError};
use crate::rendering::{self, Depth, destinations};
use crate::routing::Watch;
use crate::sentinel::log::Event;

impl Desk {
    /// Puts a question to people.
    ///
    /// # Errors
    /// When it cannot be kept or recorded: then nobody was asked.
    pub(crate) async fn put_question(
        &self,
        judged: &Judged,
        decision: &Decision,
        asker: &str,
    ) -> Result<Approval, Fault> {
        self.put_question_to(judged, decision, asker, &Watch::default()).await
    }

    /// The same, to whoever watches.
    ///
    /// # Errors
    /// As [`Desk::put_question`].
    pub(crate) async fn put_question_to(
        &self,
        judged: &Judged,
        decision: &Decision,
        asker: &str,
        watch: &Watch,
    ) -> Result<Approval, Fault> {
        let ttl = if watch.parked { self.routing.parked } else { self.ttl };
        let ttl = decision.ttl_ms.map_or(ttl, Duration::from_millis);
        let ttl = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let now = (self.clock)();
        let (entry, joined) = self.with_ledger(|ledger| {
            let warnings = destinations::warnings(judged, |value| ledger.familiar(value))?;
            ledger.ask(judged, decision, Asking { asker, watch, warnings, now_ms: now, ttl_ms: ttl })
        })?;
        let approval = rendering::worded(&entry, Depth::Brief);
        let event = if joined { "approval.joined" } else { "approval.requested" };
        let record = about(&approval, event, "ask")
            .with("expires_at", approval.expires_at.as_str())
            .with("approvable", approval.approvable)
            .with("arguments_digest", approval.digest.as_str())
            .with("approve_by", approval.approve_by.word())
            .with("calls", approval.calls)
            .with("route", approval.route.as_deref())
            .with("parked", approval.parked);
        if let Err(error) = self.recorder.append(&record).await {
            if joined {
                self.cancel(&approval.id, "policyd").await?;
            } else {
                self.end(&approval.id, State::Withdrawn, "policyd", "it could not be recorded").await;
            }
            return Err(Fault::Unavailable(error.to_string()));
        }
        if !joined {
            journal::event(
                journal::APPROVAL_REQUESTED,
                Priority::Notice,
                &format!(
                    "{} waits for an answer: {} in session {}",
                    approval.id, approval.tool, approval.session
                ),
                &fields(&approval),
            );
        }
        // Also for one that was joined: it looks different now.
        if let Ok(body) = serde_json::to_string(&approval) {
            self.subscribers.emit("ApprovalRequested", &body);
        }
        Ok(approval)
    }

    /// Waits until a question is settled; the clock settles it if nobody does.
    ///
    /// # Errors
    /// When there is no such question, or the ledger fails.
    pub async fn outcome(&self, id: &str) -> Result<Outcome, Fault> {
        let mut settled = self.settled.subscribe();
        loop {
            let outcome = self.with_ledger(|ledger| ledger.outcome(id, i64::MIN))?;
            // Nobody waits for the answer to a question that is parked.
            if outcome.state != State::Pending || self.with_ledger(|ledger| ledger.find(id, i64::MIN))?.parked
            {
                return Ok(outcome);
            }
            // The sweep settles what is overdue, at the latest a second after its time.
            if settled.changed().await.is_err() {
                return Err(Fault::Unavailable("policyd is stopping".into()));
            }
        }
    }

    /// All questions that wait.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn pending(&self, session: Option<&str>) -> Result<Vec<Approval>, Fault> {
        let all = self.with_ledger(Ledger::pending)?;
        Ok(all
            .iter()
            .filter(|entry| session.is_none_or(|session| entry.approval.session == session))
            .map(|entry| rendering::worded(entry, Depth::Brief))
            .collect())
    }

    /// One question that waits, with all its values in full.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn whole(&self, id: &str) -> Result<Approval, Fault> {
        let entry = self.with_ledger(|ledger| ledger.entry(id, i64::MIN))?;
        if entry.approval.state != State::Pending {
            return Err(fault(&LedgerError::Settled { id: id.into(), state: entry.approval.state }));
        }
        Ok(rendering::worded(&entry, Depth::Whole))
    }

    /// The tool that a question is about.
    ///
    /// # Errors
    /// When there is no such question.
    pub fn tool_of(&self, id: &str) -> Result<String, Fault> {
        Ok(self.with_ledger(|ledger| ledger.find(id, i64::MIN))?.tool)
    }

    /// Uses up a yes for the action with this digest, which is about to happen.
    ///
    /// # Errors
    /// When there is no such yes (any more): nothing may happen then.
    pub async fn redeem(&self, id: &str, digest: &str, by: &str) -> Result<(), Fault> {
        let now = (self.clock)();
        self.leave_amendments_alone(id)?;
        match self.with_ledger_raw(|ledger| ledger.redeem(id, digest, now)) {
            Ok(()) => {
                let entry = self.with_ledger(|ledger| ledger.entry(id, now))?;
                self.record(&about(&entry.approval, "approval.redeemed", "approved")).await?;
                self.sessions.passed(&entry.judged())
            }
            Err(error) => {
                self.note_refused(id, by, &error.to_string()).await;
                Err(fault(&error))
            }
        }
    }

    /// Settles what is overdue.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn sweep(&self) -> Result<(), Fault> {
        for id in self.with_ledger(|ledger| ledger.overdue((self.clock)()))? {
            self.end(&id, State::Expired, "clock", "nobody answered in time").await;
        }
        Ok(())
    }

    /// The connections that wait for an answer.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn askers(&self) -> Result<BTreeSet<String>, Fault> {
        Ok(self.with_ledger(Ledger::askers)?.into_iter().collect())
    }

    /// One of the calls that wait for a question has no use for a yes any more; without any it is withdrawn.
    ///
    /// # Errors
    /// When there is no such question.
    pub async fn cancel(&self, id: &str, by: &str) -> Result<(), Fault> {
        self.leave_amendments_alone(id)?;
        if self.with_ledger(|ledger| ledger.leave(id))? {
            self.end(id, State::Withdrawn, by, "the call was cancelled").await;
        }
        Ok(())
    }

    /// Withdraws the questions of a connection that left the bus: nobody is there to act on a yes.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn withdraw(&self, asker: &str) -> Result<(), Fault> {
        for id in self.with_ledger(|ledger| ledger.depart(asker))? {
            self.end(&id, State::Withdrawn, "policyd", "who asked for it is gone").await;
        }
        Ok(())
    }

    /// Ends a question as a no. This must succeed even when it cannot be recorded.
    pub(crate) async fn end(&self, id: &str, state: State, by: &str, reason: &str) {
        let settled = self.with_ledger(|ledger| {
            let outcome = ledger.settle(id, state, by, Some(reason), (self.clock)())?;
            Ok((ledger.find(id, i64::MIN)?, outcome))
        });
        let Ok((approval, outcome)) = settled else { return };
        let event = if state == State::Expired { "approval.expired" } else { "approval.withdrawn" };
        if let Err(error) =
            self.recorder.append(&about(&approval, event, state.word()).with("reason", reason)).await
        {
            tracing::error!("the end of {id} is not in the record: {error}");
        }
        self.announce(&approval, &outcome);
    }

    pub(crate) fn announce(&self, approval: &Approval, outcome: &Outcome) {
        let (id, word) = match outcome.state {
            State::Approved | State::Denied => (journal::APPROVAL_ANSWERED, outcome.state.word()),
            other => (journal::APPROVAL_EXPIRED, other.word()),
        };
        let by = outcome.by.as_deref().unwrap_or("nobody");
        journal::event(id, Priority::Notice, &format!("{} is {word} by {by}", outcome.id), &fields(approval));
        if let Ok(body) = serde_json::to_string(outcome) {
            self.subscribers.emit("ApprovalResolved", &body);
        }
        if let Err(fault) = self.note(&approval.session, &Event::answered(approval, outcome.state)) {
            tracing::error!("the judges are not told of the end of {}: {}", outcome.id, fault.text());
        }
        self.settled.send_modify(|count| *count = count.wrapping_add(1));
    }
}

fn fields(approval: &Approval) -> [(&'static str, &str); 5] {
    [
        ("APPROVAL", &approval.id),
        ("SESSION", &approval.session),
        ("TOOL", &approval.tool),
        ("CALL", &approval.call),
        ("DIGEST", &approval.digest),
    ]
}

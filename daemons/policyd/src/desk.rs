//! The desk: decisions, questions, answers and their records, joined.
//!
//! The order is always: record durably, then let it take effect. What cannot be recorded does not happen, except
//! that a question can always end as a no.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libsystemd::logging::Priority;
use testudo::action::Judged;
use testudo::approval::{Approval, Outcome, Scope, State};
use testudo::fault::Fault;
use testudo::journal;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::verdict::{Decision, Verdict};
use tokio::sync::watch;

use crate::engine::{self, Lease};
use crate::ledger::{Ledger, LedgerError, scope_word};
use crate::rule::Rule;

/// Milliseconds since 1970 in UTC.
pub type Clock = fn() -> i64;

/// Everything that `policyd` knows.
pub struct Desk {
    rules: Vec<Rule>,
    ttl: Duration,
    clock: Clock,
    ledger: Mutex<Ledger>,
    leases: Mutex<BTreeSet<Lease>>,
    recorder: Recorder,
    subscribers: Subscribers,
    settled: watch::Sender<u64>,
}

impl Desk {
    /// A desk over these rules and this ledger.
    pub fn new(
        rules: Vec<Rule>,
        ttl: Duration,
        clock: Clock,
        ledger: Ledger,
        recorder: Recorder,
        subscribers: Subscribers,
    ) -> Self {
        Self {
            rules,
            ttl,
            clock,
            ledger: Mutex::new(ledger),
            leases: Mutex::default(),
            recorder,
            subscribers,
            settled: watch::Sender::new(0),
        }
    }

    /// How many rules are in force.
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// What would be decided; nothing is asked, kept or recorded.
    ///
    /// # Errors
    /// When the action is not one.
    pub fn explain(&self, judged: &Judged) -> Result<Decision, Fault> {
        let digest = judged
            .action
            .digest()
            .map_err(|error| Fault::InvalidArgument(format!("cannot digest the action: {error}")))?;
        Ok(engine::decide(&self.rules, &lock(&self.leases), judged, digest))
    }

    /// Decides; for *ask*, puts the question to people and names it in the decision.
    ///
    /// # Errors
    /// When the question cannot be kept or recorded: then nobody was asked and nothing may run.
    pub async fn decide(&self, judged: &Judged, asker: &str) -> Result<Decision, Fault> {
        let mut decision = self.explain(judged)?;
        if decision.verdict != Verdict::Ask {
            return Ok(decision);
        }
        let ttl = i64::try_from(self.ttl.as_millis()).unwrap_or(i64::MAX);
        let now = (self.clock)();
        let approval = self.with_ledger(|ledger| ledger.ask(judged, &decision, asker, now, ttl))?;
        let entry = about(&approval, "approval.requested", "ask")
            .with("expires_at", approval.expires_at.as_str())
            .with("approvable", approval.approvable)
            .with("arguments_digest", approval.digest.as_str());
        if let Err(error) = self.recorder.append(&entry).await {
            self.end(&approval.id, State::Withdrawn, "policyd", "it could not be recorded").await;
            return Err(Fault::Unavailable(error.to_string()));
        }
        journal::event(
            journal::APPROVAL_REQUESTED,
            Priority::Notice,
            &format!(
                "{} waits for an answer: {} in session {}",
                approval.id, approval.tool, approval.session
            ),
            &fields(&approval),
        );
        if let Ok(body) = serde_json::to_string(&approval) {
            self.subscribers.emit("ApprovalRequested", &body);
        }
        decision.approval = Some(approval.id);
        Ok(decision)
    }

    /// Waits until a question is settled; the clock settles it if nobody does.
    ///
    /// # Errors
    /// When there is no such question, or the ledger fails.
    pub async fn outcome(&self, id: &str) -> Result<Outcome, Fault> {
        let mut settled = self.settled.subscribe();
        loop {
            let outcome = self.with_ledger(|ledger| ledger.outcome(id, i64::MIN))?;
            if outcome.state != State::Pending {
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
            .into_iter()
            .map(|(approval, _)| approval)
            .filter(|approval| session.is_none_or(|session| approval.session == session))
            .collect())
    }

    /// A person's yes to the action with this digest.
    ///
    /// # Errors
    /// When it is too late, for another action, or cannot be recorded.
    pub async fn approve(&self, id: &str, digest: &str, scope: Scope, by: &str) -> Result<Outcome, Fault> {
        let now = (self.clock)();
        let approval = match self.with_ledger_raw(|ledger| ledger.may_approve(id, digest, now)) {
            Ok(approval) => approval,
            Err(error) => {
                self.note_refused(id, by, &error.to_string()).await;
                return Err(fault(&error));
            }
        };
        let entry =
            about(&approval, "approval.answered", "approved").with("by", by).with("for", scope_word(scope));
        self.record(&entry).await?;
        let outcome = match self
            .with_ledger_raw(|ledger| ledger.settle(id, State::Approved, by, None, (self.clock)()))
        {
            Ok(outcome) => outcome,
            Err(error) => {
                self.note_refused(id, by, &error.to_string()).await;
                return Err(fault(&error));
            }
        };
        if scope == Scope::Session {
            lock(&self.leases).insert(Lease::given_by(&approval));
        }
        self.announce(&approval, &outcome);
        Ok(outcome)
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
        let entry = about(&approval, "approval.answered", "denied").with("by", by).with("reason", reason);
        if let Err(error) = self.recorder.append(&entry).await {
            tracing::error!("the denial of {id} is not in the record: {error}");
        }
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let outcome =
            self.with_ledger(|ledger| ledger.settle(id, State::Denied, by, reason, (self.clock)()))?;
        self.announce(&approval, &outcome);
        Ok(outcome)
    }

    /// Uses up a yes for the action with this digest, which is about to happen.
    ///
    /// # Errors
    /// When there is no such yes (any more): nothing may happen then.
    pub async fn redeem(&self, id: &str, digest: &str) -> Result<(), Fault> {
        let now = (self.clock)();
        match self.with_ledger_raw(|ledger| ledger.redeem(id, digest, now)) {
            Ok(()) => {
                let approval = self.with_ledger(|ledger| ledger.find(id, now))?;
                self.record(&about(&approval, "approval.redeemed", "approved")).await
            }
            Err(error) => {
                self.note_refused(id, "toold", &error.to_string()).await;
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

    /// The connections that wait for an answer, each with one of its questions.
    ///
    /// # Errors
    /// When the ledger fails.
    pub fn askers(&self) -> Result<BTreeSet<String>, Fault> {
        Ok(self.with_ledger(Ledger::pending)?.into_iter().map(|(_, asker)| asker).collect())
    }

    /// Withdraws one question, because its asker has no use for a yes any more.
    ///
    /// # Errors
    /// When there is no such question.
    pub async fn cancel(&self, id: &str) -> Result<(), Fault> {
        let _ = self.with_ledger(|ledger| ledger.find(id, (self.clock)()))?;
        self.end(id, State::Withdrawn, "toold", "the call was cancelled").await;
        Ok(())
    }

    /// Withdraws the questions of a connection that left the bus: nobody is there to act on a yes.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn withdraw(&self, asker: &str) -> Result<(), Fault> {
        for (approval, of) in self.with_ledger(Ledger::pending)? {
            if of == asker {
                self.end(&approval.id, State::Withdrawn, "policyd", "who asked for it is gone").await;
            }
        }
        Ok(())
    }

    /// Ends a question as a no. This must succeed even when it cannot be recorded.
    async fn end(&self, id: &str, state: State, by: &str, reason: &str) {
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

    fn announce(&self, approval: &Approval, outcome: &Outcome) {
        let (id, word) = match outcome.state {
            State::Approved | State::Denied => (journal::APPROVAL_ANSWERED, outcome.state.word()),
            other => (journal::APPROVAL_EXPIRED, other.word()),
        };
        let by = outcome.by.as_deref().unwrap_or("nobody");
        journal::event(id, Priority::Notice, &format!("{} is {word} by {by}", outcome.id), &fields(approval));
        if let Ok(body) = serde_json::to_string(outcome) {
            self.subscribers.emit("ApprovalResolved", &body);
        }
        self.settled.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Records an attempt to approve or use what cannot be.
    pub async fn note_refused(&self, id: &str, by: &str, why: &str) {
        let entry = Entry::new("approval.refused")
            .decision("deny")
            .with("approval", id)
            .with("by", by)
            .with("reason", why);
        if let Err(error) = self.recorder.append(&entry).await {
            tracing::error!("a refused answer to {id} is not in the record: {error}");
        }
    }

    async fn record(&self, entry: &Entry) -> Result<(), Fault> {
        self.recorder.append(entry).await.map(drop).map_err(|error| Fault::Unavailable(error.to_string()))
    }

    fn with_ledger<T>(&self, f: impl FnOnce(&Ledger) -> Result<T, LedgerError>) -> Result<T, Fault> {
        self.with_ledger_raw(f).map_err(|error| fault(&error))
    }

    /// The ledger syncs to disk; the runtime gives the thread's other work away meanwhile.
    fn with_ledger_raw<T>(
        &self,
        f: impl FnOnce(&Ledger) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        tokio::task::block_in_place(|| f(&lock(&self.ledger)))
    }
}

fn about(approval: &Approval, event: &str, decision: &str) -> Entry {
    Entry::new(event)
        .session(&approval.session)
        .call(&approval.call, &approval.tool)
        .decision(decision)
        .with("approval", approval.id.as_str())
        .with("digest", approval.digest.as_str())
        .with("phase", approval.phase.word())
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

fn fault(error: &LedgerError) -> Fault {
    let text = error.to_string();
    match error {
        LedgerError::Unknown(_) => Fault::NotFound(text),
        LedgerError::Full => Fault::Busy(text),
        LedgerError::TooLong(_) => Fault::TooLarge(text),
        LedgerError::Settled { .. } | LedgerError::OtherDigest { .. } | LedgerError::NotApprovable(_) => {
            Fault::Denied(text)
        }
        LedgerError::Database(_) | LedgerError::Damaged { .. } | LedgerError::Newer(_) => {
            Fault::Internal(text)
        }
    }
}

/// Nothing that holds a lock here can panic, so a poisoned one still guards a whole value.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

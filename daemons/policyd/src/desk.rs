//! The desk: decisions, questions, answers and their records, joined.
//!
//! The order is always: record durably, then let it take effect. What cannot be recorded does not happen, except
//! that a question can always end as a no.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testudo::action::Judged;
use testudo::approval::Approval;
use testudo::config::Matrixd;
use testudo::fault::Fault;
use testudo::label::Labels;
use testudo::observation::Observation;
use testudo::polkit::Polkit;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::verdict::{Decision, Explanation, Verdict};
use testudo_policy::token::Token;
use tokio::sync::watch;

use crate::controls::Controls;
use crate::extension::Extension;
use crate::leases::Kept;
use crate::ledger::{Ledger, LedgerError};
use crate::otp;
use crate::plans::Plans;
use crate::routing::{Routing, Watch};
use crate::rules_file::book::Book;
use crate::sentinel::Sentinel;
use crate::sentinel::log::Event;
use crate::sessions::Sessions;

mod answer;
mod answering;
pub(crate) mod channel;
mod questions;

pub use answer::{Answer, Manner};

/// Milliseconds since 1970 in UTC.
pub type Clock = fn() -> i64;

/// Everything that `policyd` knows.
pub struct Desk {
    pub(crate) book: Book,
    pub(crate) ttl: Duration,
    pub(crate) clock: Clock,
    pub(crate) ledger: Mutex<Ledger>,
    pub(crate) leases: Mutex<Vec<Kept>>,
    pub(crate) otp: Option<otp::Secret>,
    pub(crate) polkit: Option<Polkit>,
    pub(crate) sessions: Sessions,
    pub(crate) sentinel: Option<Sentinel>,
    pub(crate) extension: Extension,
    pub(crate) plans: Plans,
    pub(crate) routing: Routing,
    pub(crate) matrix: Matrixd,
    pub(crate) recorder: Recorder,
    pub(crate) subscribers: Subscribers,
    pub(crate) settled: watch::Sender<u64>,
}

impl Desk {
    /// A desk over these rules and this ledger.
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own, given in one place")]
    pub fn new(
        book: Book,
        plans: Plans,
        ttl: Duration,
        clock: Clock,
        ledger: Ledger,
        sessions: Sessions,
        recorder: Recorder,
        subscribers: Subscribers,
    ) -> Self {
        Self {
            book,
            ttl,
            clock,
            ledger: Mutex::new(ledger),
            leases: Mutex::default(),
            otp: None,
            polkit: None,
            sessions,
            sentinel: None,
            extension: Extension::none(),
            plans,
            routing: Routing::default(),
            matrix: Matrixd::default(),
            recorder,
            subscribers,
            settled: watch::Sender::new(0),
        }
    }

    /// With the leases that still hold, and what heavy answers are proved with.
    ///
    /// # Errors
    /// When the leases cannot be read.
    pub fn with_proofs(mut self, otp: Option<otp::Secret>, polkit: Polkit) -> Result<Self, LedgerError> {
        let kept = lock(&self.ledger).leases((self.clock)())?;
        self.leases = Mutex::new(kept);
        self.otp = otp;
        self.polkit = Some(polkit);
        Ok(self)
    }

    /// With the rules that are programs.
    #[must_use]
    pub fn with_extension(self, extension: Extension) -> Self {
        Self { extension, ..self }
    }

    /// With the approver for sessions that nobody watches.
    #[must_use]
    pub fn with_routing(self, routing: Routing) -> Self {
        Self { routing, ..self }
    }

    /// With the owners whose answers a channel brings.
    #[must_use]
    pub fn with_owners(self, matrix: Matrixd) -> Self {
        Self { matrix, ..self }
    }

    /// What would be decided; nothing is asked, kept or recorded.
    ///
    /// # Errors
    /// When the action is not one, or what entered its session cannot be read.
    pub async fn explain(&self, judged: &Judged) -> Result<Explanation, Fault> {
        let judged = &self.sessions.judge(judged)?;
        Ok(Explanation::new(self.weigh_unasked(judged).await?, judged))
    }

    /// Takes in what entered a session, and answers with its labels, which may be more than were given: what was
    /// written from tainted text is tainted.
    ///
    /// # Errors
    /// When it cannot be kept: then nobody may see it.
    pub fn observe(&self, session: &str, observation: Observation) -> Result<Labels, Fault> {
        if let Some(event) = Event::observed(&observation) {
            self.note(session, &event)?;
        }
        self.sessions.observe(session, observation)
    }

    /// Decides; for *ask*, puts the question to people and names it in the decision.
    ///
    /// # Errors
    /// When the question cannot be kept or recorded: then nobody was asked and nothing may run.
    pub async fn decide(
        &self,
        judged: &Judged,
        token: Option<&Token>,
        asker: &str,
        watch: &Watch,
    ) -> Result<Decision, Fault> {
        let judged = &self.sessions.judge(judged)?;
        let rules = self.book.in_force();
        let mut decision = self.weigh_with(judged, token, watch.parked).await?;
        self.note(&judged.action.session, &Event::decided(judged, decision.verdict))?;
        if decision.verdict == Verdict::Allow {
            self.sessions.passed(judged)?;
        }
        if decision.verdict == Verdict::Ask {
            decision.approval =
                match self.with_ledger(|ledger| ledger.answered(judged, &decision, (self.clock)()))? {
                    Some(id) => Some(id),
                    None => Some(self.put_question_to(judged, &decision, asker, watch).await?.id),
                };
        }
        self.remember(judged, &decision, &rules).await;
        Ok(decision)
    }

    pub(crate) async fn record(&self, entry: &Entry) -> Result<(), Fault> {
        self.recorder.append(entry).await.map(drop).map_err(|error| Fault::Unavailable(error.to_string()))
    }

    pub(crate) fn with_ledger<T>(
        &self,
        f: impl FnOnce(&Ledger) -> Result<T, LedgerError>,
    ) -> Result<T, Fault> {
        self.with_ledger_raw(f).map_err(|error| fault(&error))
    }

    pub(crate) fn controls(&self) -> Controls {
        lock(&self.ledger).controls
    }

    /// The ledger syncs to disk; the runtime gives the thread's other work away meanwhile.
    pub(crate) fn with_ledger_raw<T>(
        &self,
        f: impl FnOnce(&Ledger) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        tokio::task::block_in_place(|| f(&lock(&self.ledger)))
    }
}

pub(crate) fn about(approval: &Approval, event: &str, decision: &str) -> Entry {
    Entry::new(event)
        .session(&approval.session)
        .call(&approval.call, &approval.tool)
        .decision(decision)
        .with("approval", approval.id.as_str())
        .with("digest", approval.digest.as_str())
        .with("phase", approval.phase.word())
}

pub(crate) fn fault(error: &LedgerError) -> Fault {
    let text = error.to_string();
    match error {
        LedgerError::Unknown { .. } => Fault::NotFound(text),
        LedgerError::Full => Fault::Busy(text),
        LedgerError::TooLong(_) => Fault::TooLarge(text),
        LedgerError::Settled { .. }
        | LedgerError::OtherDigest { .. }
        | LedgerError::NotApprovable(_)
        | LedgerError::NotSeen { .. }
        | LedgerError::OtherView { .. }
        | LedgerError::TooLight { .. }
        | LedgerError::OnceOnly { .. } => Fault::Denied(text),
        LedgerError::Database(_) | LedgerError::Damaged { .. } | LedgerError::Newer { .. } => {
            Fault::Internal(text)
        }
    }
}

/// Nothing that holds a lock here can panic, so a poisoned one still guards a whole value.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

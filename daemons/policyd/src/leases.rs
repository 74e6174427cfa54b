//! Leases: a yes that holds for more than one action. [`shape`] says for which.
//!
//! A lease turns the question of a rule or an extension into an allow and does nothing else: a denial, a question of
//! a built-in rule and one of the sentinel stay what they are, and so does a question that wants a heavier answer
//! than the one the lease was given with. It ends at its expiry, by a revocation, and not by a restart.

use std::time::Duration;

use testudo::action::Judged;
use testudo::approval::lease::Lease;
use testudo::approval::{Outcome, Scope};
use testudo::fault::Fault;
use testudo::record::Entry as Record;
use testudo::verdict::{Reason, Weight};

use crate::desk::{Desk, fault, lock};
use crate::ledger::{Entry, LedgerError, Yes};

pub mod shape;
pub mod store;

use shape::Shape;
pub use store::Kept;

/// How long a yes for the session holds at most: a session may go on for weeks, and nobody remembers that long.
pub const SESSION: Duration = Duration::from_hours(12);
/// The longest time that a person can name.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);

impl Desk {
    /// The lease that covers this action, about which `reasons` have been given and which wants an answer of this
    /// weight. Its id is the answer.
    pub(crate) fn leased(&self, judged: &Judged, reasons: &[Reason], weight: Weight) -> Option<String> {
        let now = (self.clock)();
        let narrow = self.controls().lease_shape;
        let covers = |lease: &&Kept| {
            let shape = &lease.shape;
            lease.is_current(now)
                && weight <= lease.weight
                && if narrow {
                    shape.covers(judged, reasons)
                } else {
                    shape.same_kind(&Shape::of(judged, reasons, lease.scope))
                }
        };
        lock(&self.leases).iter().find(covers).map(Kept::id)
    }

    /// Settles a question with a yes that may give a lease.
    pub(crate) fn say_yes(
        &self,
        entry: &Entry,
        yes: Yes<'_>,
        lasts: Option<Duration>,
    ) -> Result<Outcome, LedgerError> {
        let now = (self.clock)();
        let id = &entry.approval.id;
        if yes.scope == Scope::Once {
            return self.with_ledger_raw(|ledger| ledger.approve(id, yes, now));
        }
        let lasts = match yes.scope {
            Scope::Always => None,
            Scope::Until => Some(lasts.unwrap_or_default()),
            Scope::Once | Scope::Session => Some(SESSION),
        };
        let end = lasts.map(|lasts| now.saturating_add(i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX)));
        let shape = Shape::of(&entry.judged(), &entry.approval.reasons, yes.scope);
        let (outcome, kept) = self.with_ledger_raw(|ledger| ledger.lease(id, yes, shape, end, now))?;
        lock(&self.leases).push(kept);
        Ok(outcome)
    }

    /// The leases that hold, oldest first.
    pub fn leases(&self) -> Vec<Lease> {
        let now = (self.clock)();
        lock(&self.leases).iter().filter(|lease| lease.is_current(now)).map(Kept::shown).collect()
    }

    /// Ends a lease. This must succeed even when it cannot be recorded.
    ///
    /// # Errors
    /// When there is no such lease (any more), or the ledger fails; the lease holds no longer in either case.
    pub async fn end_lease(&self, id: &str, by: &str) -> Result<(), Fault> {
        lock(&self.leases).retain(|lease| lease.id() != id);
        self.with_ledger_raw(|ledger| ledger.end_lease(id, by, (self.clock)()))
            .map_err(|error| fault(&error))?;
        let record = Record::new("lease.revoked").decision("deny").with("lease", id).with("by", by);
        if let Err(error) = self.recorder.append(&record).await {
            tracing::error!("the end of {id} is not in the record: {error}");
        }
        Ok(())
    }
}

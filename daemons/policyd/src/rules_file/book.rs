//! The book: the rules in force behind one pointer, where they are kept, and what was decided by them.
//!
//! Whoever decides takes the pointer once and goes on with the rules that it had then, so an exchange never shows
//! half of the old rules and half of the new.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use testudo::config::{Amendments, Policyd};
use testudo::daemon::DaemonError;
use testudo::verdict::Weight;

use super::shelf::Shelf;
use super::{InForce, Origin, Trouble};
use crate::history::History;

/// Everything about rules that `policyd` knows.
pub struct Book {
    in_force: RwLock<Arc<InForce>>,
    pub(crate) shelf: Shelf,
    pub(crate) history: History,
    pub(crate) amendments: Amendments,
    pub(crate) amend_by: Weight,
    /// What was wrong when the daemon started.
    troubles: Vec<Trouble>,
    /// Held while the rules are exchanged, so that one exchange follows the other.
    pub(crate) changing: tokio::sync::Mutex<()>,
}

impl Book {
    /// Reads the declared files and the amendments below `state`.
    ///
    /// # Errors
    /// A declared file with mistakes is a bad configuration; a state directory that cannot be used is a failure.
    pub fn open(config: &Policyd, state: &Path) -> Result<Self, DaemonError> {
        let shelf = Shelf::open(&state.join("policy")).map_err(DaemonError::failed)?;
        let (history, lost) =
            History::open_or_begin(&state.join("history.db")).map_err(DaemonError::failed)?;
        let (in_force, mut troubles) = InForce::load(&config.rules, &shelf, config.amendments)?;
        troubles.extend(lost.map(|text| Trouble { is_damage: false, text }));
        Ok(Self {
            in_force: RwLock::new(Arc::new(in_force)),
            shelf,
            history,
            amendments: config.amendments,
            amend_by: config.amend_by,
            troubles,
            changing: tokio::sync::Mutex::default(),
        })
    }

    /// The rules of this moment.
    pub fn in_force(&self) -> Arc<InForce> {
        // A pointer is whole whatever happened to who held the lock.
        self.in_force.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was wrong when the daemon started; damage only until it is mended.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &Trouble> {
        let mended =
            self.in_force().files().all(|file| matches!(file.origin, Origin::Declared | Origin::Amended));
        self.troubles.iter().filter(move |trouble| !(trouble.is_damage && mended))
    }

    pub(crate) fn exchange(&self, rules: InForce) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

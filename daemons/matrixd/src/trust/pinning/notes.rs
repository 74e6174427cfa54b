//! What is to be recorded of changed identities: noted where they are seen, and recorded apart from that, so that nobody
//! waits for `auditd` who has something to say.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use matrix_sdk::ruma::{OwnedUserId, UserId};
use testudo::record::Entry;

use super::pin::Pin;
use super::{Change, PinningError, Pins};

/// How long `auditd` may take for one record.
const RECORDING: Duration = Duration::from_secs(10);
/// Until it is asked again.
const RECORD_AGAIN: Duration = Duration::from_mins(1);

impl Pins {
    /// Leaves a note that a change is to be recorded, unless it was recorded or noted before.
    pub(super) fn note(&self, user: &UserId, pin: &Pin, change: &Change) {
        if pin.is_recorded || self.noted().contains_key(user) {
            return;
        }
        tracing::warn!("{user} has another identity than the one that was known");
        self.noted().insert(user.to_owned(), change.clone());
        self.notes.notify_one();
    }

    /// Records what was noted, for as long as it is not dropped; again after a pause where that failed.
    pub(super) async fn record_all(&self) {
        loop {
            let noted: Vec<(OwnedUserId, Change)> =
                self.noted().iter().map(|(user, change)| (user.clone(), change.clone())).collect();
            let mut is_all = true;
            for (user, change) in noted {
                if let Err(error) = self.record(&user, &change).await {
                    tracing::warn!("cannot record that {user} has another identity: {error}");
                    is_all = false;
                }
            }
            if is_all {
                self.notes.notified().await;
            } else {
                tokio::time::sleep(RECORD_AGAIN).await;
            }
        }
    }

    async fn record(&self, user: &UserId, change: &Change) -> Result<(), String> {
        let recorder = self.recorder.get().ok_or("there is no recorder yet")?;
        let entry = Entry::new("matrix.identity-changed")
            .with("user", change.user.clone())
            .with("identity", change.identity.clone())
            .with("before", change.before.clone());
        match tokio::time::timeout(RECORDING, recorder.append(&entry)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err("auditd does not answer".to_owned()),
        }
        let _turn = self.turn.lock().await;
        let kept = self.recorded(user, change);
        // Where that was not kept, it is noted again when it is seen again.
        self.noted().remove(user);
        kept.map_err(|error| error.to_string())
    }

    /// Keeps that a change is in the record; the caller has the turn. Where an operator accepted one meanwhile, it was
    /// the change before that one.
    fn recorded(&self, user: &UserId, change: &Change) -> Result<(), PinningError> {
        match self.pin(user)? {
            Some(pin) if pin.other.is_some() && pin.key == change.before => {
                self.keep(user, &Pin { is_recorded: true, ..pin })
            }
            _ => Ok(()),
        }
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<OwnedUserId, Change>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::user_id;

    use super::*;
    use crate::store::testing::opened;

    fn change(key: &str) -> Change {
        Change { user: "@ann:home.org".into(), identity: key.into(), before: "a".into() }
    }

    #[test]
    fn a_change_is_noted_once_however_many_identities_are_shown_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let ann = user_id!("@ann:home.org");
        let pins = Pins::new(opened(directory.path()));
        let mut pin = Pin::of("a".into());
        for key in ["b", "c", "d"] {
            pin = Pin::with_another(Some(pin), key);
            pins.keep(ann, &pin).unwrap();
            pins.note(ann, &pin, &change(key));
        }
        assert_eq!(pins.noted().values().cloned().collect::<Vec<_>>(), [change("b")]);
        pins.recorded(ann, &change("b")).unwrap();
        pins.noted().clear();
        let pin = Pin::with_another(pins.pin(ann).unwrap(), "e");
        pins.note(ann, &pin, &change("e"));
        assert!(pins.noted().is_empty(), "it is in the record");
    }

    #[test]
    fn a_change_that_was_recorded_late_does_not_hide_the_one_after_what_was_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let ann = user_id!("@ann:home.org");
        let pins = Pins::new(opened(directory.path()));
        let pin = Pin::with_another(Some(Pin::of("b".into())), "c");
        pins.keep(ann, &pin).unwrap();
        pins.recorded(ann, &change("b")).unwrap();
        assert_eq!(pins.pin(ann).unwrap(), Some(pin));
    }
}

//! Gives an instance the files that people sent into its session, before a call of it runs.

use std::fs;

use testudo::refusal::Refusal;
use testudo_sandbox::client::{ClientError, Instance};
use testudo_sandbox::protocol::Template;

use super::slot::Slot;
use super::{Instances, is_fatal, unavailable};
use crate::inbox::Kept;

/// The templates whose calls read what was sent. None of them has a network.
const READERS: [Template; 2] = [Template::Workshop, Template::CodeExecutor];

impl Instances {
    /// Gives the instance what it has not yet. Without a file a call runs all the same, and does not find it.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE` when the instance is gone.
    pub(super) async fn deliver(&self, slot: &Slot, held: &mut Option<Instance>) -> Result<(), Refusal> {
        if !READERS.contains(&slot.template) {
            return Ok(());
        }
        let kept = self.inbox.of(&slot.session).unwrap_or_else(|error| {
            tracing::warn!("the files of session {} cannot be listed: {error}", slot.session);
            Vec::new()
        });
        let fresh: Vec<Kept> = kept.into_iter().filter(|file| !slot.has(&file.name)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let Some(mut instance) = held.take() else { return Ok(()) };
        let work = tokio::task::spawn_blocking(move || {
            let mut given = Vec::new();
            for file in fresh {
                let sent = fs::read(&file.path).map_err(ClientError::Bulk);
                match sent.and_then(|bytes| instance.receive(&file.name, &bytes)) {
                    Err(error) if is_fatal(&error) && !matches!(error, ClientError::Bulk(_)) => {
                        return (None, given, Some(error));
                    }
                    Err(error) => tracing::warn!("{} is not in the sandbox: {error}", file.name),
                    Ok(()) => {}
                }
                given.push(file.name);
            }
            (Some(instance), given, None)
        });
        let (instance, given, error) = work.await.map_err(|_| Refusal::broken())?;
        slot.was_given(given);
        *held = instance;
        error.map_or(Ok(()), |error| Err(unavailable(&error.to_string())))
    }
}

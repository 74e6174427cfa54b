//! The parts of the daemon that run for as long as it does. One that ends takes the daemon with it, and the service
//! manager begins it anew: a daemon without its courier, say, would hear everything and answer nothing.

use std::collections::HashMap;

use thiserror::Error;
use tokio::task::{Id, JoinError, JoinSet};

/// A part has ended.
#[derive(Debug, Error)]
#[error("cannot go on without {part}: {}", .cause.as_ref().map_or_else(|| "it has ended".to_owned(), ToString::to_string))]
pub(super) struct Ended {
    /// Which.
    part: &'static str,
    /// The panic that ended it, where it was one.
    #[source]
    cause: Option<JoinError>,
}

/// The parts, by their names. Dropped, they end.
#[derive(Default)]
pub(super) struct Parts {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Parts {
    /// Starts a part, which is not to end.
    pub(super) fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let task = self.running.spawn(part);
        self.names.insert(task.id(), name);
    }

    /// Returns when the first of them has ended.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => Ended { part: self.name(id), cause: None },
            Some(Err(panic)) => Ended { part: self.name(panic.id()), cause: Some(panic) },
            None => std::future::pending().await,
        }
    }

    fn name(&self, id: Id) -> &'static str {
        self.names.get(&id).copied().unwrap_or("one of its parts")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_panics_or_returns_is_named_and_the_others_do_not_hide_it() {
        let mut parts = Parts::default();
        for name in ["the desk", "the anchors"] {
            parts.start(name, std::future::pending());
        }
        parts.start("the courier", async { panic!("Session expired") });
        let ended = parts.ended().await;
        assert!(ended.cause.as_ref().is_some_and(JoinError::is_panic));
        assert!(ended.to_string().starts_with("cannot go on without the courier: "), "{ended}");
        assert!(ended.to_string().contains("Session expired"), "{ended}");
        parts.start("the dispatcher", async {});
        assert_eq!(parts.ended().await.to_string(), "cannot go on without the dispatcher: it has ended");
        let none = tokio::time::timeout(std::time::Duration::from_hours(1), parts.ended()).await;
        assert!(none.is_err(), "the others go on");
    }
}

//! The way to the decision point: `policyd` is told every message before the model sees it, and nothing else.

use std::time::Duration;

use testudo::fault;
use testudo::observation::{Author, Observation};
use testudo::proxy::{Options, Policy1Proxy};
use thiserror::Error;
use zbus::Connection;

/// The longest that telling may take; it waits for nobody.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why `policyd` does not know of a message. Nobody may act on the message then.
#[derive(Debug, Error)]
pub enum TellError {
    /// `policyd` did not take it.
    #[error("testudo-policyd did not take it: {}", fault::bus_error_text(.0))]
    Bus(#[from] zbus::Error),
    /// `policyd` does not answer.
    #[error("testudo-policyd does not answer")]
    Silent,
    /// It cannot be written as JSON.
    #[error("it cannot be written: {0}")]
    Shape(#[from] serde_json::Error),
}

/// A client of `policyd`.
#[derive(Debug, Clone)]
pub struct Policy(Policy1Proxy<'static>);

impl Policy {
    /// A client on this connection; `policyd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self(Policy1Proxy::new(connection).await?))
    }

    /// Tells that somebody said something in a session, and returns when it is kept there.
    ///
    /// # Errors
    /// When `policyd` does not know of it.
    pub async fn tell(self, session: String, author: Author, text: String) -> Result<(), TellError> {
        self.observe(&session, &Observation::Message { author, text }).await
    }

    /// Tells that somebody sent a file into a session, and returns when that is kept there.
    ///
    /// # Errors
    /// When `policyd` does not know of it.
    pub async fn tell_received(
        &self,
        session: &str,
        author: Author,
        size: Option<u64>,
    ) -> Result<(), TellError> {
        self.observe(session, &Observation::Received { author, size }).await
    }

    async fn observe(&self, session: &str, observation: &Observation) -> Result<(), TellError> {
        let body = serde_json::to_string(observation)?;
        let told = self.0.observe(session, &body, Options::new());
        let _labels = tokio::time::timeout(TIMEOUT, told).await.map_err(|_| TellError::Silent)??;
        Ok(())
    }
}

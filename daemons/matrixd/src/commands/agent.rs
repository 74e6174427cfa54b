//! What commands need of the agent, and how `Agent1` does it.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use testudo::limits;
use testudo::proxy::Agent1Proxy;

use super::failure::Failure;

/// A conversation, as `Agent1.Sessions` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Session {
    /// Its name.
    pub session: String,
    /// How many turns it has had.
    #[serde(default)]
    pub turns: u64,
    /// When something happened in it last.
    #[serde(default)]
    pub last_at: Option<String>,
    /// Whether a turn runs.
    #[serde(default)]
    pub running: bool,
    /// Whether its last turn ended with a question that nobody answered.
    #[serde(default)]
    pub blocked: bool,
}

/// The agent.
pub trait Agent: Send + Sync + 'static {
    /// Ends every turn of a session that runs or waits; whether there was one.
    fn stop<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;

    /// All conversations.
    fn sessions(&self) -> BoxFuture<'_, Result<Vec<Session>, Failure>>;
}

impl Agent for Agent1Proxy<'static> {
    fn stop<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.cancel(session, "").await.map_err(|error| Failure::bus("stop the agent", &error))
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<Session>, Failure>> {
        const DOING: &str = "list the sessions";
        Box::pin(async move {
            let text = Self::sessions(self).await.map_err(|error| Failure::bus(DOING, &error))?;
            limits::parse(&text, limits::REPLY).map_err(|error| Failure::answer(DOING, &error))
        })
    }
}

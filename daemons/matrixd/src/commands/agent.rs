//! What commands need of the agent, and how `Agent1` does it.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use testudo::command::jobs::Job;
use testudo::context::{Context, Shortened};
use testudo::limits;
use testudo::proxy::{Agent1Proxy, Options};
use testudo::turn::Run;

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
    /// Whether nobody watches it.
    #[serde(default)]
    pub unattended: bool,
    /// Its last turn.
    #[serde(default)]
    pub run: Option<Run>,
    /// Why the agent cannot open it, if it cannot.
    #[serde(default)]
    pub sealed: Option<String>,
}

impl From<Session> for Job {
    fn from(Session { session, unattended, running, run, .. }: Session) -> Self {
        Self { session, unattended, running, run }
    }
}

/// The agent.
pub trait Agent: Send + Sync + 'static {
    /// Ends every turn of a session that runs or waits; whether there was one.
    fn stop<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;

    /// All conversations.
    fn sessions(&self) -> BoxFuture<'_, Result<Vec<Session>, Failure>>;

    /// What a session has beside its messages.
    fn context<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<Context, Failure>>;

    /// Has a model answer in a session from now on, for the owner of this id.
    fn use_model<'a>(
        &'a self,
        session: &'a str,
        model: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Pins something, for the owner of this id; answers with its number.
    fn pin<'a>(&'a self, session: &'a str, text: &'a str, by: &'a str)
    -> BoxFuture<'a, Result<u32, Failure>>;

    /// Takes a pin away, for the owner of this id.
    fn unpin<'a>(&'a self, session: &'a str, number: u32, by: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// Has the model sum a session up, for the owner of this id.
    fn compact<'a>(&'a self, session: &'a str, by: &'a str) -> BoxFuture<'a, Result<Shortened, Failure>>;
}

impl Agent for Agent1Proxy<'static> {
    fn stop<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            self.cancel(session, "").await.map_err(|error| Failure::bus("stop the agent", &error))
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<Session>, Failure>> {
        Box::pin(async move { read("list the sessions", Self::sessions(self).await) })
    }

    fn context<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<Context, Failure>> {
        Box::pin(async move { read("look at this session", Self::context(self, session).await) })
    }

    fn use_model<'a>(
        &'a self,
        session: &'a str,
        model: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let done = Self::use_model(self, session, model, by_owner(by)).await;
            done.map_err(|error| Failure::bus("choose that model", &error))
        })
    }

    fn pin<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<u32, Failure>> {
        Box::pin(async move {
            let done = Self::pin(self, session, text, by_owner(by)).await;
            done.map_err(|error| Failure::bus("pin that", &error))
        })
    }

    fn unpin<'a>(&'a self, session: &'a str, number: u32, by: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let done = Self::unpin(self, session, number, by_owner(by)).await;
            done.map_err(|error| Failure::bus("take that pin away", &error))
        })
    }

    fn compact<'a>(&'a self, session: &'a str, by: &'a str) -> BoxFuture<'a, Result<Shortened, Failure>> {
        Box::pin(async move { read("sum this session up", Self::compact(self, session, by_owner(by)).await) })
    }
}

/// Who says it: commands that change a session are an owner's, and `agentd` looks whether he is one.
fn by_owner(by: &str) -> Options<'_> {
    Options::from([("author", "owner".into()), ("speaker", by.into())])
}

fn read<T: DeserializeOwned>(doing: &str, answer: zbus::Result<String>) -> Result<T, Failure> {
    let text = answer.map_err(|error| Failure::bus(doing, &error))?;
    limits::parse(&text, limits::REPLY).map_err(|error| Failure::answer(doing, &error))
}

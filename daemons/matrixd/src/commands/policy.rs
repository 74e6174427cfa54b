//! What commands need of `policyd`, and how `Policy1` does it.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use testudo::approval::Approval;
use testudo::approval::lease::Lease;
use testudo::limits;
use testudo::proxy::{Options, Policy1Proxy};

use super::failure::Failure;

/// The rules in plain language as they stand in a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Rules {
    /// Each of them.
    pub rules: Vec<Rule>,
    /// Whether the judge is left alone now, so that every call is asked about.
    #[serde(default)]
    pub rests: bool,
}

/// A rule in plain language.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// What the judge is asked.
    pub question: String,
    /// `ask` or `block`.
    pub mode: String,
    /// Whether the policy lets people switch it off.
    #[serde(default)]
    pub disableable: bool,
    /// Whether it is in force in this session.
    pub enabled: bool,
}

/// Who decides.
pub trait Policy: Send + Sync + 'static {
    /// What waits for an answer, oldest first.
    fn approvals(&self) -> BoxFuture<'_, Result<Vec<Approval>, Failure>>;

    /// The yeses that hold for longer than once.
    fn leases(&self) -> BoxFuture<'_, Result<Vec<Lease>, Failure>>;

    /// Ends one, for the owner of this id.
    fn revoke<'a>(&'a self, lease: &'a str, by: &'a str) -> BoxFuture<'a, Result<(), Failure>>;

    /// The rules in plain language as they stand in a session.
    fn rules<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<Rules, Failure>>;

    /// Switches a rule in one session, for the owner of this id.
    fn switch<'a>(
        &'a self,
        session: &'a str,
        rule: &'a str,
        enabled: bool,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Tells the judges of one session what the owner of this id vouches for.
    fn vouch<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>>;
}

impl Policy for Policy1Proxy<'static> {
    fn approvals(&self) -> BoxFuture<'_, Result<Vec<Approval>, Failure>> {
        Box::pin(async move { read("list the questions", Self::approvals(self, Options::new()).await) })
    }

    fn leases(&self) -> BoxFuture<'_, Result<Vec<Lease>, Failure>> {
        Box::pin(async move { read("list the leases", Self::leases(self).await) })
    }

    fn revoke<'a>(&'a self, lease: &'a str, by: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let done = Self::revoke(self, lease, for_owner(by)).await;
            done.map_err(|error| Failure::bus("end that lease", &error))
        })
    }

    fn rules<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<Rules, Failure>> {
        Box::pin(async move { read("list the rules", Self::rules(self, session).await) })
    }

    fn switch<'a>(
        &'a self,
        session: &'a str,
        rule: &'a str,
        enabled: bool,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let done = if enabled {
                self.enable(session, rule, for_owner(by)).await
            } else {
                self.disable(session, rule, for_owner(by)).await
            };
            done.map_err(|error| Failure::bus("switch that rule", &error))
        })
    }

    fn vouch<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let done = Self::vouch(self, session, text, for_owner(by)).await;
            done.map_err(|error| Failure::bus("vouch for that", &error))
        })
    }
}

/// The options that say for whom this channel speaks.
fn for_owner(by: &str) -> Options<'_> {
    Options::from([("by", by.into())])
}

fn read<T: DeserializeOwned>(doing: &str, answer: zbus::Result<String>) -> Result<T, Failure> {
    let text = answer.map_err(|error| Failure::bus(doing, &error))?;
    limits::parse(&text, limits::REPLY).map_err(|error| Failure::answer(doing, &error))
}

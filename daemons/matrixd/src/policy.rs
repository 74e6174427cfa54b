//! The way to `policyd`: the half of `org.testudo.Policy1` that is about people's answers.
//!
//! [`Policy::follow`] tells what is asked and what is settled, and after every gap (a restart of `policyd`, a lost
//! signal) everything that waits, so that whoever follows it never has to remember what it missed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use testudo::approval::{Approval, Outcome, Scope};
use testudo::fault::{bus_error_text, is_peer_gone};
use testudo::limits::{self, REPLY};
use testudo::proxy::{Options, Policy1Proxy};
use testudo::verdict::Weight;
use thiserror::Error;
use tokio::sync::mpsc;
use zbus::Connection;

use crate::approval::answer::{Otp, Reach};

/// How long is waited before `policyd`, which is away, is looked for again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the list is looked at although nothing seems to be missed.
const REFRESH: Duration = Duration::from_mins(1);

/// Why `policyd` did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// It is not there now; whether it heard is not known.
    #[error("cannot reach policyd: {0}")]
    Gone(String),
    /// It said no, in its own words.
    #[error("{0}")]
    Refused(String),
    /// What it said cannot be read.
    #[error("cannot read the answer of policyd: {0}")]
    Unreadable(String),
}

/// A person's yes, as it is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes<'a> {
    /// The approval.
    pub approval: &'a str,
    /// The digest of the action that he was shown.
    pub digest: &'a str,
    /// The rendering that he was shown.
    pub seen: &'a str,
    /// The id of the user.
    pub by: &'a str,
    /// How he answered: [`Weight::Reaction`], or in words.
    pub manner: Weight,
    /// How far it reaches.
    pub reach: &'a Reach,
    /// For a plan: the steps that he means.
    pub steps: Option<&'a str>,
    /// A one-time code.
    pub otp: Option<&'a Otp>,
    /// What he typed, where a change of the policy wants that.
    pub phrase: Option<&'a str>,
}

/// Something new at `policyd`.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A question, or one that looks different by now.
    Asked(Box<Approval>),
    /// A question is settled.
    Settled(Outcome),
    /// All that waits now, oldest first: after a start, and whenever something may have been missed.
    All(Vec<Approval>),
}

/// Who decides what people are asked.
pub trait Deciding: Send + Sync + 'static {
    /// A question with every value in full.
    fn whole<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Approval, PolicyError>>;
    /// A person's yes.
    fn approve<'a>(&'a self, yes: Yes<'a>) -> BoxFuture<'a, Result<Outcome, PolicyError>>;
    /// A person's no.
    fn deny<'a>(
        &'a self,
        id: &'a str,
        reason: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, PolicyError>>;
}

/// A client of `policyd`.
#[derive(Debug, Clone)]
pub struct Policy {
    proxy: Policy1Proxy<'static>,
}

impl Policy {
    /// A client on this connection; `policyd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self { proxy: Policy1Proxy::new(connection).await? })
    }

    /// What waits for an answer, oldest first.
    pub async fn pending(&self) -> Result<Vec<Approval>, PolicyError> {
        read(self.proxy.approvals(Options::new()).await)
    }

    /// Tells everything that happens until nobody listens. It survives every restart of `policyd`.
    ///
    /// # Errors
    /// When the bus itself is gone.
    pub async fn follow(&self, news: mpsc::Sender<News>) -> zbus::Result<()> {
        let mut requested = self.proxy.receive_approval_requested().await?;
        let mut resolved = self.proxy.receive_approval_resolved().await?;
        let mut owners = self.proxy.inner().receive_owner_changed().await?;
        // A stream that was lost to slowness says nothing of it, so the list is looked at from time to time, too.
        let mut refresh = tokio::time::interval(REFRESH);
        let mut is_whole = false;
        loop {
            let said = tokio::select! {
                // An owner that comes is seen before what it says, and signals before the list that has them in it.
                biased;
                () = news.closed() => return Ok(()),
                Some(owner) = owners.next() => {
                    is_whole &= owner.is_none();
                    continue;
                }
                Some(signal) = requested.next() => {
                    signal.args().ok().and_then(|args| read_text::<Approval>(&args.approval).ok())
                        .map(|approval| News::Asked(Box::new(approval)))
                }
                Some(signal) = resolved.next() => {
                    signal.args().ok().and_then(|args| read_text::<Outcome>(&args.resolution).ok()).map(News::Settled)
                }
                waiting = self.begin(), if !is_whole => match waiting {
                    Ok(waiting) => Some(News::All(waiting)),
                    Err(error) => {
                        tracing::debug!("the questions of policyd cannot be followed: {error}");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                },
                _ = refresh.tick(), if is_whole => None,
            };
            is_whole = said.is_some();
            if let Some(said) = said
                && news.send(said).await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// Has ourselves told from now on, and lists what waits: in this order, so that nothing falls between.
    async fn begin(&self) -> Result<Vec<Approval>, PolicyError> {
        self.proxy.subscribe().await.map_err(|error| failed(&error))?;
        self.pending().await
    }
}

impl Deciding for Policy {
    fn whole<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Approval, PolicyError>> {
        async move {
            let found: Vec<Approval> =
                read(self.proxy.approvals(Options::from([("whole", id.into())])).await)?;
            found.into_iter().next().ok_or_else(|| PolicyError::Refused(format!("{id} does not wait")))
        }
        .boxed()
    }

    fn approve<'a>(&'a self, yes: Yes<'a>) -> BoxFuture<'a, Result<Outcome, PolicyError>> {
        async move { read(self.proxy.approve(yes.approval, yes.digest, options(&yes)).await) }.boxed()
    }

    fn deny<'a>(
        &'a self,
        id: &'a str,
        reason: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, PolicyError>> {
        async move { read(self.proxy.deny(id, reason, Options::from([("by", by.into())])).await) }.boxed()
    }
}

/// A yes as the options of `Approve` have it.
fn options<'a>(yes: &Yes<'a>) -> Options<'a> {
    let answer = if yes.manner == Weight::Reaction { "reaction" } else { "reply" };
    let mut options = Options::from([
        ("by", yes.by.into()),
        ("seen", yes.seen.into()),
        ("answer", answer.into()),
        ("for", yes.reach.scope().word().into()),
    ]);
    if let (Reach::Until(time), Scope::Until) = (yes.reach, yes.reach.scope()) {
        options.insert("duration", time.as_str().into());
    }
    if let Some(steps) = yes.steps {
        options.insert("steps", steps.into());
    }
    if let Some(otp) = yes.otp {
        options.insert("code", otp.digits().into());
    }
    if let Some(phrase) = yes.phrase {
        options.insert("phrase", phrase.into());
    }
    options
}

fn read<T: DeserializeOwned>(answer: zbus::Result<String>) -> Result<T, PolicyError> {
    read_text(&answer.map_err(|error| failed(&error))?)
}

fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, PolicyError> {
    limits::parse(text, REPLY).map_err(|error| PolicyError::Unreadable(error.to_string()))
}

fn failed(error: &zbus::Error) -> PolicyError {
    let text = bus_error_text(error);
    if is_peer_gone(error) { PolicyError::Gone(text) } else { PolicyError::Refused(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes(reach: &Reach, manner: Weight) -> Yes<'_> {
        let (approval, digest, seen) = ("a-7", "00", "11");
        Yes {
            approval,
            digest,
            seen,
            by: "@ann:home.org",
            manner,
            reach,
            steps: None,
            otp: None,
            phrase: None,
        }
    }

    #[test]
    fn a_yes_says_who_how_what_was_seen_and_how_far() {
        let reach = Reach::Until("2h".into());
        let said = options(&Yes { steps: Some("1-3"), ..yes(&reach, Weight::Reply) });
        let word = |key: &str| said.get(key).map(|value| value.to_string().trim_matches('"').to_owned());
        for (key, value) in [
            ("by", "@ann:home.org"),
            ("seen", "11"),
            ("answer", "reply"),
            ("for", "until"),
            ("duration", "2h"),
            ("steps", "1-3"),
        ] {
            assert_eq!(word(key).as_deref(), Some(value), "{key}");
        }
        assert_eq!(said.len(), 6);
        let typed = options(&Yes { phrase: Some("I break 6 decisions"), ..yes(&Reach::Once, Weight::Reply) });
        assert_eq!(typed.get("phrase").map(|value| value.to_string().contains("I break 6")), Some(true));
        let light = options(&yes(&Reach::Once, Weight::Reaction));
        assert_eq!(light.get("answer").map(|value| value.to_string().contains("reaction")), Some(true));
        assert!(!light.contains_key("duration") && !light.contains_key("code"));
    }
}

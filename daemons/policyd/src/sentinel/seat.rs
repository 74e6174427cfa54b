//! The sentinel's place at the desk: when it is heard, what it is told, and when nobody is there for its questions.

use testudo::action::Judged;
use testudo::config::Config;
use testudo::daemon::{DaemonError, state_directory};
use testudo::egress::{CONNECT, is_listed};
use testudo::fault::Fault;
use testudo::identity::{Daemon, Principal};
use testudo::options::GivenOptions;
use testudo::recorder::Recorder;
use testudo::verdict::{Reason, Verdict};
use testudo_policy::index::RuleSet;
use testudo_policy::judge::Judge;
use zbus::Connection;

use super::log::{Event, Log};
use super::models::Models;
use super::rules::changes_security_md;
use super::{Remembered, Sentinel};
use crate::controls::Controls;
use crate::desk::{Clock, Desk};

/// Whether judges are asked, or only named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judging {
    /// They are asked.
    Asked {
        /// Nobody is there for a question.
        parked: bool,
    },
    /// They are named: nothing may be asked of anybody.
    Named,
}

impl Sentinel {
    /// The sentinel of the daemon; none where this control is taken out.
    ///
    /// # Errors
    /// When its log cannot be opened, or the connection is broken.
    pub async fn open(
        config: &Config,
        controls: Controls,
        connection: &Connection,
        recorder: &Recorder,
        clock: Clock,
    ) -> Result<Option<Self>, DaemonError> {
        if !controls.sentinel {
            return Ok(None);
        }
        let log = Log::open(&state_directory()?.join("sentinel.db"), clock).map_err(DaemonError::failed)?;
        let model = Box::new(Models::new(connection).await?);
        let patience = config.policyd.judge_timeout;
        Ok(Some(Self::new(model, log, recorder.clone(), patience, nobody_for(config))))
    }
}

impl Desk {
    /// With a sentinel; without one nothing is asked of judges.
    #[must_use]
    pub fn with_sentinel(self, sentinel: Option<Sentinel>) -> Self {
        Self { sentinel, ..self }
    }

    /// What the judges say about an action that leans to `leaning`.
    ///
    /// # Errors
    /// When what entered the session cannot be read.
    pub(crate) async fn judges(
        &self,
        rules: &RuleSet,
        judged: &Judged,
        digest: &str,
        leaning: Verdict,
        judging: Judging,
    ) -> Result<Vec<Reason>, Fault> {
        let Some(sentinel) = &self.sentinel else { return Ok(Vec::new()) };
        if is_judged_already(judged) {
            return Ok(Vec::new());
        }
        let mut spoken: Vec<Reason> = changes_security_md(judged).into_iter().collect();
        let Judging::Asked { parked } = judging else {
            spoken.extend(sentinel.would_ask(rules, judged, leaning));
            return Ok(spoken);
        };
        let failing = sentinel.failing(&judged.action.session, parked);
        let Some(said) = sentinel.hear(rules, judged, digest, leaning, failing).await else {
            return Ok(spoken);
        };
        spoken.extend(said);
        // A judge takes long, and the rules before it have weighed the session as it was.
        let now = self.sessions.judge(judged)?;
        if (&now.taint, &now.flow) != (&judged.taint, &judged.flow) {
            spoken.push(Reason {
                rule: "sentinel".to_owned(),
                verdict: failing,
                text: "something entered the session while this was judged".to_owned(),
            });
        }
        Ok(spoken)
    }

    /// Tells the judges of what comes after about something that happened.
    ///
    /// # Errors
    /// When it cannot be kept: then they would judge without knowing it.
    pub(crate) fn note(&self, session: &str, event: &Event) -> Result<(), Fault> {
        let Some(sentinel) = &self.sentinel else { return Ok(()) };
        sentinel
            .note(session, event)
            .map_err(|error| Fault::Unavailable(format!("cannot use the log of the sentinel: {error}")))
    }

    /// Takes in the rules that lie in the workspace of a session, if there is news of them: their text, or why they
    /// cannot be read.
    pub fn workspace_rules(&self, session: &str, news: Option<Result<String, String>>) -> Option<Remembered> {
        let sentinel = self.sentinel.as_ref()?;
        news.map(|text| sentinel.workspace_rules(session, text))
    }

    /// The rules in plain language in force.
    pub(crate) fn plain_judges(&self) -> Vec<Judge> {
        self.book.in_force().set.judges().to_vec()
    }
}

/// Whether judges have nothing to say: a connection that was decided with its call was judged with it, and one of
/// `modeld` is the judge's own, which would wait for itself.
fn is_judged_already(judged: &Judged) -> bool {
    let action = &judged.action;
    is_listed(action) || (action.tool == CONNECT && action.requester == Principal::Daemon(Daemon::Modeld))
}

/// Reads the options `security` and `security_unread`: news of the rules that lie in the workspace.
///
/// # Errors
/// [`Fault::InvalidArgument`] when one of them is no text.
pub(crate) fn workspace_rules(options: &mut GivenOptions) -> Result<Option<Result<String, String>>, Fault> {
    let (text, unread) = (options.string("security")?, options.string("security_unread")?);
    Ok(unread.map(Err).or(text.map(Ok)))
}

/// Whether a session has nobody to ask: no person watches it, and none is named for its questions.
pub(crate) fn nobody_for(config: &Config) -> impl Fn(&str) -> bool + Send + Sync + use<> {
    let unattended = config.agentd.unattended.clone();
    let approver = config.policyd.approver.is_some() || unattended.approver.is_some();
    move |session| !approver && unattended.sessions.iter().any(|pattern| pattern.matches(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_somebody_to_ask_unless_nobody_watches_it_and_nobody_is_named() {
        let unattended = "[agentd.unattended]\nsessions = [\"cron-*\"]\n";
        for (text, session, expected) in [
            ("", "cron-mail", false),
            (unattended, "cron-mail", true),
            (unattended, "main", false),
            (&format!("{unattended}approver = \"ada\"\n"), "cron-mail", false),
            (&format!("[policyd]\napprover = \"ada\"\n{unattended}"), "cron-mail", false),
        ] {
            let config = testudo::config::parse("t", text).unwrap();
            assert_eq!(nobody_for(&config)(session), expected, "{text} {session}");
        }
    }
}

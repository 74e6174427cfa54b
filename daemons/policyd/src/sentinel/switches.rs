//! Switching rules in plain language off and on: by the owner, for one session, and only those that may be.
//!
//! The record comes first and is durable before the switch is; the switch survives a restart.

use libsystemd::logging::Priority;
use serde_json::{Value, json};
use testudo::fault::Fault;
use testudo::journal;
use testudo::record::Entry;

use super::rules::{LONGEST, SECURITY_MD};
use super::{Sentinel, lock};
use crate::desk::Desk;

impl Desk {
    /// The rules in plain language as they stand in a session.
    ///
    /// # Errors
    /// When the session has no name, or what is switched off in it cannot be read.
    pub fn plain_rules(&self, session: &str) -> Result<Value, Fault> {
        check_session(session)?;
        let sentinel = self.sentinel()?;
        let off = sentinel.log.off(session).map_err(|error| broken(&error))?;
        let judges = self.plain_judges();
        let rules: Vec<Value> = judges
            .iter()
            .map(|judge| {
                json!({
                    "id": judge.id,
                    "question": judge.question,
                    "mode": judge.mode.word(),
                    "reason": judge.reason,
                    "always": judge.always(),
                    "disableable": judge.disableable,
                    "enabled": !(judge.disableable && off.contains(&judge.id)),
                })
            })
            .collect();
        let (answered, failed, rests) = sentinel.counts(session);
        Ok(json!({
            "session": session,
            "rules": rules,
            "workspace": sentinel.workspace(session),
            "answered": answered,
            "failed": failed,
            "rests": rests,
        }))
    }

    /// Switches a rule in one session.
    ///
    /// # Errors
    /// When there is no such rule, it cannot be switched, or that cannot be recorded: then nothing changes.
    pub async fn switch_rule(&self, session: &str, rule: &str, on: bool, by: &str) -> Result<(), Fault> {
        check_session(session)?;
        let sentinel = self.sentinel()?;
        let event = if on { "rule.enabled" } else { "rule.disabled" };
        let entry = Entry::new(event).session(session).with("rule", rule).with("by", by);
        if let Err(fault) = self.switchable(rule) {
            let refused = entry.decision("deny").with("reason", fault.text());
            if let Err(error) = self.recorder.append(&refused).await {
                tracing::error!("a refused switch of {rule} is not in the record: {error}");
            }
            return Err(fault);
        }
        self.record(&entry.decision("allow")).await?;
        sentinel.log.switch(session, rule, on, by).map_err(|error| broken(&error))?;
        journal::event(
            journal::RULE_SWITCHED,
            Priority::Notice,
            &format!("rule {rule} is {} in session {session} by {by}", if on { "on" } else { "off" }),
            &[("RULE", rule), ("SESSION", session)],
        );
        Ok(())
    }

    fn switchable(&self, rule: &str) -> Result<(), Fault> {
        if rule == SECURITY_MD {
            return Err(Fault::Denied(format!(
                "{SECURITY_MD} is the workspace's: it cannot be switched off"
            )));
        }
        match self.plain_judges().into_iter().find(|judge| judge.id == rule) {
            Some(judge) if judge.disableable => Ok(()),
            Some(_) => Err(Fault::Denied(format!("the policy does not let rule {rule} be switched off"))),
            None => Err(Fault::NotFound("there is no such rule in plain language".into())),
        }
    }

    pub(super) fn sentinel(&self) -> Result<&Sentinel, Fault> {
        self.sentinel.as_ref().ok_or_else(|| Fault::Unavailable("there is no sentinel".into()))
    }
}

impl Sentinel {
    /// The rules of the workspace, as far as they are known.
    fn workspace(&self, session: &str) -> Value {
        let known = lock(&self.sessions).get(session).cloned();
        match known.and_then(|session| lock(&session.workspace).clone()) {
            None => Value::Null,
            Some(Ok(text)) if text.trim().is_empty() => Value::Null,
            Some(Ok(text)) if text.len() > LONGEST => json!({ "unread": "they are too long" }),
            Some(Ok(text)) => json!({ "bytes": text.len() }),
            Some(Err(why)) => json!({ "unread": why }),
        }
    }
}

/// As calls name their sessions.
pub(super) fn check_session(name: &str) -> Result<(), Fault> {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain
        && (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
    {
        return Ok(());
    }
    Err(Fault::InvalidArgument("a session is named by 1 to 64 letters, digits, `_` and `-`".into()))
}

pub(super) fn broken(error: &rusqlite::Error) -> Fault {
    Fault::Unavailable(format!("cannot use the log of the sentinel: {error}"))
}

//! The session that the chat stands in: another one, or the same one after a stop.

use jiff::Timestamp;
use serde_json::Value;

use super::Talk;
use crate::failure::{Doing as _, Failure};
use crate::{screen, session};

impl Talk {
    /// Goes on in the session of this name, or in a new one with a name that none has.
    pub(super) async fn renew(&mut self, name: Option<String>) -> Result<(), Failure> {
        if self.turn.is_some() {
            return self.note("a turn is running: answer the question first, or /stop").await;
        }
        let known = match session::sessions(&self.link).await {
            Ok(known) => known,
            Err(failure) => return self.failed(&failure).await,
        };
        let is_known = |name: &str| {
            known.iter().any(|session| session.get("session").and_then(Value::as_str) == Some(name))
        };
        let name = name.unwrap_or_else(|| unused(Timestamp::now(), is_known));
        let shown = screen::line(&name);
        if let Err(failure) = self.agent.subscribe(&name).await.doing(format_args!("follow session {shown}"))
        {
            return self.failed(&failure).await;
        }
        let begins = if is_known(&name) { "goes on here" } else { "begins with what you say next" };
        self.session = name;
        self.note(&format!("session {shown} {begins}")).await?;
        self.look_for_questions().await
    }

    /// Lets a session go on that was stopped with `testudoctl stop`.
    pub(super) async fn resume(&mut self) -> Result<(), Failure> {
        let tools = match self.link.tools().await {
            Ok(tools) => tools,
            Err(failure) => return self.failed(&failure).await,
        };
        let shown = screen::line(&self.session);
        match tools.resume(&self.session).await.doing(format_args!("resume session {shown}")) {
            Ok(true) => self.note(&format!("session {shown} goes on")).await,
            Ok(false) => self.note(&format!("session {shown} was not stopped")).await,
            Err(failure) => self.failed(&failure).await,
        }
    }
}

/// A name after the time, as `s-20260102-030405`, with a number behind it where one has it already.
fn unused(now: Timestamp, is_known: impl Fn(&str) -> bool) -> String {
    let name = now.strftime("s-%Y%m%d-%H%M%S").to_string();
    let mut chosen = name.clone();
    let mut number = 1u32;
    while is_known(&chosen) {
        number = number.saturating_add(1);
        chosen = format!("{name}-{number}");
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_name_is_one_that_no_session_has() {
        let now: Timestamp = "2026-01-02T03:04:05.9Z".parse().unwrap();
        assert_eq!(unused(now, |_| false), "s-20260102-030405");
        let known = ["s-20260102-030405", "s-20260102-030405-2"];
        assert_eq!(unused(now, |name| known.contains(&name)), "s-20260102-030405-3");
    }
}

//! The rules that lie in the workspace: its `SECURITY.md`, which `policyd` has judged by a model.
//!
//! They can only make a decision stricter. They are read in a sandbox of the session's own that runs no program, by
//! nobody's wish but ours, and are shown to nobody but `policyd`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use testudo::proxy::Options;
use testudo::refusal::{Code, Refusal};
use testudo_sandbox::client::Outcome;
use testudo_sandbox::protocol::{Builtin, Limits, Program, Run, Template};
use zbus::wire::Variant;

use crate::program;

/// The file, at the top of the workspace.
const PATH: &str = "SECURITY.md";
/// Most of it that is read, in bytes; a longer one is asked about.
const LONGEST: u64 = 32 * 1024;
/// For how long what was read counts.
const FRESH: Duration = Duration::from_secs(10);
/// What they are read in: it runs no program, so no program can speak for it. A look takes no longer than it lets any
/// call take.
pub const TEMPLATE: Template = Template::PolicySandbox;
/// Most sessions whose rules are kept.
const MOST: usize = 256;

/// The text, empty when there is none; or why it cannot be read.
pub type Rules = Result<String, String>;

/// What was read last, by session.
#[derive(Debug, Default)]
pub struct Security(Mutex<HashMap<String, (Instant, Rules)>>);

impl Security {
    /// Whether they are to be read again before this session's next decision.
    pub fn is_stale(&self, session: &str, now: Instant) -> bool {
        self.lock().get(session).is_none_or(|(at, _)| now.saturating_duration_since(*at) >= FRESH)
    }

    /// Keeps what was read.
    pub fn keep(&self, session: &str, rules: Rules, now: Instant) {
        let mut known = self.lock();
        if known.len() >= MOST {
            known.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        }
        known.insert(session.to_owned(), (now, rules));
    }

    /// Adds them to the options of a decision.
    pub fn tell(&self, session: &str, options: &mut Options<'static>) {
        match self.lock().get(session) {
            None => {}
            Some((_, Ok(text))) => {
                options.insert("security", Variant::from(text.clone()));
            }
            Some((_, Err(why))) => {
                options.insert("security_unread", Variant::from(why.clone()));
            }
        }
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole value.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Rules)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What asks the sandbox whether there is such a file.
pub fn look(call: &str) -> Run {
    run(call, Builtin::Exists { path: PATH.into() })
}

/// What reads it.
pub fn read(call: &str) -> Run {
    run(call, Builtin::Read { path: PATH.into(), offset: 0, limit: Some(LONGEST) })
}

fn run(call: &str, builtin: Builtin) -> Run {
    let limits = Limits { wall_ms: TEMPLATE.ceiling().wall_ms, ..Limits::default() };
    Run { limits, profile: TEMPLATE.profile(), ..Run::new(call, Program::Builtin(builtin)) }
}

/// Whether there is one. What cannot be told counts as one.
pub fn is_there(outcome: &Outcome) -> bool {
    let answer = program::result("fs.exists", outcome).ok();
    answer.and_then(|(answer, _)| answer.get("exists").and_then(Value::as_bool)).unwrap_or(true)
}

/// The text that was read, if all of it was.
pub fn text(outcome: &Outcome) -> Rules {
    match program::result("fs.read", outcome) {
        Ok((_, true)) => Err(format!("{PATH} is longer than {LONGEST} bytes")),
        Ok((answer, false)) => whole(&answer),
        Err(Refusal { code: Code::HandlerError, message, .. }) => Err(message),
        Err(_) => Err(format!("{PATH} cannot be read")),
    }
}

fn whole(answer: &Value) -> Rules {
    if answer.get("binary").and_then(Value::as_bool) != Some(false) {
        return Err(format!("{PATH} is no text"));
    }
    let content = answer.get("content").and_then(Value::as_str);
    content.map(str::to_owned).ok_or_else(|| format!("{PATH} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo_sandbox::protocol::{Done, Profile, Proposed, TIMED_OUT};

    #[test]
    fn they_are_told_with_every_decision_and_read_again_after_a_while() {
        let (security, now) = (Security::default(), Instant::now());
        let told = |session| {
            let mut options = Options::new();
            security.tell(session, &mut options);
            options.keys().copied().collect::<Vec<_>>()
        };
        assert!(security.is_stale("s", now) && told("s").is_empty());
        security.keep("s", Ok("no money".into()), now);
        assert!(!security.is_stale("s", now) && security.is_stale("s", now + FRESH));
        assert_eq!((told("s"), told("other")), (vec!["security"], vec![]));
        security.keep("s", Err("it is a folder".into()), now);
        assert_eq!(told("s"), ["security_unread"]);
    }

    #[test]
    fn they_are_read_where_no_program_runs_and_a_look_that_took_too_long_has_read_nothing() {
        for run in [look("c"), read("c")] {
            assert_eq!((TEMPLATE, run.profile), (Template::PolicySandbox, Profile::Strict));
            assert!(run.limits.wall_ms <= TEMPLATE.ceiling().wall_ms);
        }
        let done = Done {
            call: "c".into(),
            exit: Some(TIMED_OUT),
            signal: None,
            timed_out: true,
            output_truncated: false,
            duration_us: 100_000,
            peak_memory: None,
            stdout_len: 0,
            stderr_len: 0,
            changes: Proposed::Nothing,
        };
        let late = Outcome { done, file: None, stdout: Vec::new(), stderr: Vec::new(), proposal: None };
        assert!(is_there(&late), "that there is none was not said");
        assert!(text(&late).is_err(), "what was not read is not empty");
    }

    #[test]
    fn what_is_no_whole_text_is_not_taken() {
        assert_eq!(whole(&json!({"content": "x", "binary": false})), Ok("x".into()));
        for answer in
            [json!({"content": "x", "binary": true}), json!({"content": "x"}), json!({"binary": false})]
        {
            assert!(whole(&answer).is_err(), "{answer}");
        }
    }
}

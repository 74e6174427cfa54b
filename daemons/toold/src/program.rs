//! From a decided action to what the sandbox runs. Pure: the same action always runs the same thing.

use serde_json::{Value, json};
use testudo::action::Action;
use testudo::config::Toold;
use testudo::label::{Labels, Source};
use testudo::refusal::{Code, Refusal};
use testudo_sandbox::client::Outcome;
use testudo_sandbox::protocol::{
    BUILTIN_FAILED, Builtin, Limits, MOST_GIVEN, Profile, Program, Run, Template, WriteMode,
};

use crate::catalogue::FILE;

/// The tool that runs a program in a container.
pub const CONTAINER: &str = "container.run";

/// What carries a call out.
pub enum Plan {
    /// `toold` itself: nothing but its arguments and the clock is involved.
    Here(fn(&Value) -> Value),
    /// A sandbox.
    Contained(Box<Run>),
}

/// Whether a tool needs a sandbox at all.
pub fn is_contained(tool: &str) -> bool {
    !matches!(tool, "echo" | "time.now")
}

/// Whether a tool runs a program that says what it likes.
pub fn is_program(tool: &str) -> bool {
    matches!(tool, "shell.run" | "code.run" | "test.run" | CONTAINER)
}

/// The kind of sandbox that a tool runs in.
pub fn template(tool: &str) -> Template {
    match tool {
        "code.run" => Template::CodeExecutor,
        "test.run" => Template::IntegrationTest,
        "web.fetch" => Template::AiProvider,
        CONTAINER => Template::Container,
        _ => Template::Workshop,
    }
}

/// Whether what a tool prints is worth hearing before it is over: the commands, and not what answers in JSON.
pub fn is_heard(tool: &str) -> bool {
    matches!(tool, "shell.run" | "code.run" | "test.run" | CONTAINER)
}

/// How an action is carried out.
///
/// # Errors
/// `UNKNOWN_TOOL` for a tool without a program; the catalogue has none.
pub fn plan(call: &str, action: &Action, config: &Toold) -> Result<Plan, Refusal> {
    let arguments = &action.arguments;
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| arguments.get(key).and_then(Value::as_u64);
    let path = || text("path").unwrap_or_default();
    let builtin = |builtin| Program::Builtin(builtin);
    let (program, overlay) = match action.tool.as_str() {
        "echo" => return Ok(Plan::Here(echo)),
        "time.now" => return Ok(Plan::Here(time_now)),
        "fs.read" => {
            let (offset, limit) = (number("offset").unwrap_or(0), number("limit"));
            (builtin(Builtin::Read { path: path(), offset, limit }), false)
        }
        FILE => (builtin(Builtin::Give { path: path() }), false),
        "fs.list" => (builtin(Builtin::List { path: text("path").unwrap_or_else(|| ".".into()) }), false),
        "fs.exists" => (builtin(Builtin::Exists { path: path() }), false),
        "search.grep" => {
            let pattern = text("pattern").unwrap_or_default();
            let max = number("max").and_then(|max| u32::try_from(max).ok());
            (builtin(Builtin::Grep { pattern, path: text("path"), glob: text("glob"), max }), false)
        }
        "search.glob" => {
            let pattern = text("pattern").unwrap_or_default();
            (builtin(Builtin::Glob { pattern, path: text("path") }), false)
        }
        "fs.write" => {
            let mode = match text("mode").as_deref() {
                Some("append") => WriteMode::Append,
                Some("create") => WriteMode::Create,
                _ => WriteMode::Overwrite,
            };
            let content = text("content").unwrap_or_default();
            (builtin(Builtin::Write { path: path(), content, mode }), true)
        }
        "shell.run" => {
            (Program::Shell { command: text("command").unwrap_or_default(), cwd: text("cwd") }, true)
        }
        "fs.patch" => (builtin(Builtin::Patch { diff: text("diff").unwrap_or_default() }), true),
        "code.run" => {
            let interpreter = match text("language").as_deref() {
                Some("python") => "python3",
                Some("bash") => "bash",
                _ => "sh",
            };
            let code = text("code").unwrap_or_default();
            (Program::Exec { argv: vec![interpreter.into(), "-c".into(), code], cwd: None }, false)
        }
        "test.run" => {
            let command = text("command").unwrap_or_default();
            (Program::Exec { argv: vec!["bash".into(), "-c".into(), command], cwd: text("cwd") }, true)
        }
        CONTAINER => {
            let command = text("command").unwrap_or_default();
            (Program::Exec { argv: vec!["/bin/sh".into(), "-c".into(), command], cwd: text("cwd") }, true)
        }
        "web.fetch" => {
            let url = text("url").unwrap_or_default();
            (builtin(Builtin::Fetch { url, limit: number("limit") }), false)
        }
        other => return Err(Refusal::new(Code::UnknownTool, format!("there is no tool `{other}`"))),
    };
    let ceiling = u64::try_from(config.call_timeout.as_millis()).unwrap_or(u64::MAX).max(1);
    let limits = Limits {
        wall_ms: number("timeout_ms").unwrap_or(ceiling).min(ceiling),
        output_bytes: if action.tool == FILE { MOST_GIVEN } else { config.output_limit },
        ..Limits::default()
    };
    let stdin = text("stdin");
    let profile = if template(&action.tool) == Template::IntegrationTest {
        Profile::StandardNet
    } else {
        Profile::default()
    };
    Ok(Plan::Contained(Box::new(Run {
        overlay,
        limits,
        stdin,
        profile,
        container: text("container"),
        ..Run::new(call, program)
    })))
}

/// What a contained call gave, for the model: its result, or its own error.
///
/// # Errors
/// `PLUGIN_TIMEOUT` when it was cut by time, `HANDLER_ERROR` when the tool says that it failed.
pub fn result(tool: &str, outcome: &Outcome) -> Result<(Value, bool), Refusal> {
    let done = &outcome.done;
    if done.timed_out {
        return Err(Refusal::new(
            Code::PluginTimeout,
            format!(
                "{tool} was killed after {} ms with everything it had started; nothing was changed",
                done.duration_us / 1000
            ),
        ));
    }
    if is_program(tool) {
        return Ok((
            json!({
                "exit": done.exit.or_else(|| done.signal.map(|signal| 128 + signal)),
                "stdout": String::from_utf8_lossy(&outcome.stdout),
                "stderr": String::from_utf8_lossy(&outcome.stderr),
            }),
            done.output_truncated,
        ));
    }
    let answer: Option<Value> = if tool == FILE && done.exit == Some(0) {
        // Its bytes are for people and never an answer; what is said of them, whoever keeps them says.
        outcome.file.as_ref().map(|_| Value::Null)
    } else {
        serde_json::from_slice(&outcome.stdout).ok()
    };
    match (done.exit, answer) {
        (Some(0), Some(answer)) => {
            let truncated = answer.get("truncated").and_then(Value::as_bool).unwrap_or(false);
            Ok((answer, truncated))
        }
        (Some(BUILTIN_FAILED), Some(answer)) => {
            let message =
                answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
            Err(Refusal::new(Code::HandlerError, format!("{tool}: {message}")))
        }
        _ => {
            tracing::error!(
                tool,
                exit = done.exit,
                signal = done.signal,
                "a built-in tool broke: {}",
                String::from_utf8_lossy(&outcome.stderr)
            );
            Err(Refusal::broken())
        }
    }
}

/// Who could have written the result of a tool.
pub fn labels(tool: &str) -> Labels {
    match tool {
        "time.now" => Labels::of(Source::System),
        "echo" => Labels::of(Source::Model),
        // Who wrote the page, its hosts say, which are known when it was read.
        "web.fetch" => Labels::default(),
        tool if is_program(tool) => {
            let mut labels = Labels::of(Source::Tool(tool.to_owned())).private();
            labels.absorb(&Labels::of(Source::File));
            labels
        }
        _ => Labels::of(Source::File).private(),
    }
}

fn echo(arguments: &Value) -> Value {
    json!({ "text": arguments.get("text").cloned().unwrap_or_default() })
}

fn time_now(_: &Value) -> Value {
    let now = jiff::Timestamp::now();
    json!({ "utc": format!("{now:.3}"), "unix": now.as_second() })
}

#[cfg(test)]
mod tests {
    use testudo_sandbox::protocol::{Done, Proposed, TIMED_OUT};

    use super::*;

    #[test]
    fn what_was_cut_by_time_is_an_error_and_what_ends_with_its_status_is_a_result() {
        let ended = |timed_out| {
            let done = Done {
                call: "c".into(),
                exit: Some(TIMED_OUT),
                signal: None,
                timed_out,
                output_truncated: false,
                duration_us: 2_000_000,
                peak_memory: None,
                stdout_len: 0,
                stderr_len: 0,
                changes: Proposed::Nothing,
            };
            Outcome { done, file: None, stdout: Vec::new(), stderr: Vec::new(), proposal: None }
        };
        for tool in ["shell.run", "code.run", "test.run", CONTAINER, "fs.read", FILE] {
            let refusal = result(tool, &ended(true)).unwrap_err();
            assert_eq!(
                (refusal.code, refusal.stage, refusal.retriable),
                (Code::PluginTimeout, Some(6), true),
                "{tool}"
            );
            assert!(refusal.message.contains("killed after 2000 ms"), "{}", refusal.message);
        }
        let (content, truncated) = result("shell.run", &ended(false)).unwrap();
        assert_eq!((&content["exit"], truncated), (&json!(124), false));
    }
}

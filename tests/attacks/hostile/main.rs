//! `testudo-hostile`: a sandbox that somebody took over, in place of the real one.
//!
//! It answers a call as its command says, `attack NAME`; every other command is answered honestly with "hello", which
//! shows that it is the attack that is refused, and not this program.

mod answers;

use std::os::fd::AsFd as _;
use std::process::ExitCode;

use serde_json::{Value, json};
use testudo_sandbox::{activation, wire::Connection};

fn main() -> ExitCode {
    let Ok(stream) = activation::connection(None) else { return ExitCode::FAILURE };
    let mut connection = Connection::new(stream);
    while let Ok(Some(message)) = connection.receive() {
        let Ok(request) = serde_json::from_slice::<Value>(&message.frame) else { return ExitCode::FAILURE };
        let run = &request["run"];
        let sent = if request.get("probe").is_some() {
            let ready = json!({ "landlock_abi": 7, "network_empty": true, "ready": true, "reason": null });
            connection.send(&json!({ "probe": ready }), &[]).is_ok()
        } else if run.is_null() {
            // Which sandbox it is: none that a service manager knows.
            connection.send(&json!({ "hello": null }), &[]).is_ok()
        } else {
            let call = run["call"].as_str().unwrap_or_default();
            let command =
                run.pointer("/program/shell/command").or_else(|| run.pointer("/program/exec/argv/2"));
            let command = command.and_then(Value::as_str).unwrap_or_default();
            // Whether the workspace has rules of its own.
            let asks = run.pointer("/program/builtin/exists").is_some();
            match command.strip_prefix("attack ") {
                None if asks => {
                    let answer =
                        answers::printed(call, br#"{"path":"SECURITY.md","exists":false,"kind":null}"#);
                    let bulk: Vec<_> = answer.bulk.iter().map(|fd| fd.as_fd()).collect();
                    connection.send(&answer.reply, &bulk).is_ok()
                }
                Some(name) => answers::hostile(name, call, &mut connection),
                None => {
                    let answer = answers::honest(call);
                    let bulk: Vec<_> = answer.bulk.iter().map(|fd| fd.as_fd()).collect();
                    connection.send(&answer.reply, &bulk).is_ok()
                }
            }
        };
        if !sent {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

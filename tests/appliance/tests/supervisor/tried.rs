//! `testudo-try`, as people and scripts use it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::repo;

fn testudo_try(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testudo-try"));
    command.arg("--source").arg(repo()).args(arguments);
    for model in ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "OLLAMA_HOST", "TESTUDO_MODEL"] {
        command.env_remove(model);
    }
    command
}

fn run(script: &str) -> Output {
    testudo_try(&["run", "sh", "-c", script]).output().unwrap()
}

#[test]
fn the_command_finds_the_appliance_and_its_output_is_its_own() {
    let output = run("echo $DBUS_SYSTEM_BUS_ADDRESS; echo $TESTUDO_WORKSPACE; echo $TMPDIR; \
                      ls -d ${DBUS_SYSTEM_BUS_ADDRESS#unix:path=} $TESTUDO_WORKSPACE $TMPDIR >/dev/null && echo all");
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("unix:path=/") && lines[1].ends_with("/workspace") && lines[2].ends_with("/tmp")
    );
    assert_eq!(lines[3..], ["all"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("2 daemons on a private bus") && !stderr.contains('\x1b'), "{stderr}");
    assert!(!fs::exists(lines[1]).unwrap() && !fs::exists(lines[2]).unwrap(), "all of it is gone");
}

#[test]
fn the_status_is_the_command_s() {
    assert_eq!(run("exit 7").status.code(), Some(7));
    assert_eq!(run("kill -9 $$").status.code(), Some(128 + 9));
    let absent = testudo_try(&["run", "no-such-command"]).output().unwrap();
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("cannot find the command no-such-command"));
}

#[test]
fn a_signal_ends_the_command_and_everything_else() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut process = testudo_try(&["run", "sh", "-c", "echo $TMPDIR; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut folder = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut folder).unwrap();
        kill(Pid::from_raw(i32::try_from(process.id()).unwrap()), signal).unwrap();
        let status = process.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(128 + signal as i32), None));
        assert!(!fs::exists(folder.trim()).unwrap());
    }
}

#[test]
fn what_the_command_leaves_in_the_background_ends_too() {
    let output = run("setsid sleep 1000 >/dev/null 2>&1 & echo $!");
    let pid = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(pid.parse::<i32>().is_ok(), "{output:?}");
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn a_model_without_a_name_is_an_error_before_anything_starts() {
    let output = testudo_try(&["run", "true"]).env("OLLAMA_HOST", "127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TESTUDO_MODEL"), "{output:?}");
}

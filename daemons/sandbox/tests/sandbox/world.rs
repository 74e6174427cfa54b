//! What a call finds around it, and what it does not.

use std::fmt::Write as _;

use crate::launch::{Place, shell, text};
use testudo_sandbox::client::ClientError;
use testudo_sandbox::protocol::{Builtin, Limits, Profile, Program, Run};

#[test]
fn devices_are_few_and_there_is_no_terminal() {
    let mut runner = Place::new().zygote();
    let seen = text(&runner.shell("ls /dev; cat /dev/tty").stdout);
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>(),
        ["fd", "full", "null", "shm", "stderr", "stdin", "stdout", "urandom", "zero"]
    );
    let root = text(
        &runner.shell("ls -A / /.scratch /.nothing 2>/dev/null; ls /.scratch/upper 2>/dev/null; true").stdout,
    );
    assert_eq!(root, "", "neither the root nor what is below it can be listed");
    let proc = runner.shell("ls /proc/sys /proc/sysrq-trigger /proc/kcore /proc/1/root /proc/1/fd");
    assert_eq!(text(&proc.stdout), "", "{}", text(&proc.stderr));
}

#[test]
fn shared_memory_works_and_counts_with_tmp() {
    let mut runner = Place::new().zygote();
    let limits = Limits { tmp_bytes: 1024 * 1024, ..Limits::default() };
    let script = "head -c 700000 /dev/zero > /dev/shm/a && head -c 700000 /dev/zero > /tmp/b; echo $?; stat -c %a /tmp /dev/shm";
    let run = Run { limits, ..shell(script) };
    let outcome = runner.instance.run(&run).unwrap();
    assert_eq!(text(&outcome.stdout), "1\n700\n700", "{}", text(&outcome.stderr));
    let larger = Limits { tmp_bytes: 100 * 1024 * 1024, file_bytes: 100 * 1024 * 1024, ..Limits::default() };
    let run = Run { limits: larger, ..shell("head -c 90000000 /dev/zero > /tmp/b; echo $?") };
    assert_eq!(text(&runner.instance.run(&run).unwrap().stdout), "0");
    let python = "command -v python3 >/dev/null || { echo 42; exit; }\npython3 -c 'import multiprocessing as m; q = m.Queue(); \
        p = m.Process(target=q.put, args=(42,)); p.start(); print(q.get()); p.join()'";
    let outcome = runner.shell(python);
    assert_eq!(text(&outcome.stdout), "42", "{}", text(&outcome.stderr));
}

#[test]
fn no_capability_is_left_in_any_set_of_any_process() {
    let mut runner = Place::new().zygote();
    let status = text(&runner.shell("cat /proc/[0-9]*/status | grep -E '^(Name|Cap|NoNewPrivs)'").stdout);
    assert!(status.matches("CapEff").count() >= 3, "the reaper, too: {status}");
    for line in status.lines() {
        let fine = line.starts_with("Name") || line.ends_with("0000000000000000") || line == "NoNewPrivs:\t1";
        assert!(fine, "{line}");
    }
    // PR_GET_SECUREBITS: all that can be set, and locked; PR_GET_DUMPABLE of a program that was executed.
    let bits = runner.shell("perl -e 'print syscall(157, 27, 0, 0, 0, 0)'");
    if cfg!(target_arch = "x86_64") {
        assert_eq!(text(&bits.stdout), "239");
    }
}

#[test]
fn a_call_holds_no_descriptor_of_the_runner() {
    let mut runner = Place::new().zygote();
    let (_, list, _) = runner.builtin(Builtin::List { path: ".".into() });
    assert!(list["entries"].is_array());
    let mut script = String::from("for p in /proc/[0-9]*; do ");
    write!(script, "ls -l $p/fd 2>/dev/null | grep -c socket; done").unwrap();
    let sockets = text(&runner.shell(&script).stdout);
    assert!(sockets.lines().all(|count| count == "0"), "{sockets}");
}

#[test]
fn a_sandbox_of_a_kind_refuses_what_is_not_its_kind() {
    let place = Place::new();
    let (workspace, scratch) = (place.workspace(), place.scratch());
    let arguments =
        ["zygote", "--workspace", workspace.to_str().unwrap(), "--scratch", scratch.to_str().unwrap()];
    let arguments = [arguments.as_slice(), &["--template", "policy-sandbox"]].concat();
    let (mut instance, mut process) = place.start(env!("CARGO_BIN_EXE_testudo-sandbox"), false, &arguments);
    assert!(matches!(instance.run(&shell("true")), Err(ClientError::Refused { .. })));
    let command = Program::Shell { command: "true".into(), cwd: None };
    assert!(matches!(instance.run(&Run { program: command, ..shell("") }), Err(ClientError::Refused { .. })));
    let list = Program::Builtin(Builtin::List { path: ".".into() });
    let list = Run { profile: Profile::StandardNet, ..Run::new("list", list) };
    assert_eq!(instance.run(&list).unwrap().done.exit, Some(0), "narrowed to what it needs");
    assert!(instance.probe().unwrap().ready);
    drop(instance);
    assert!(process.wait().unwrap().success());
}

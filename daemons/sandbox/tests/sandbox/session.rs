//! The session's shell: what one command leaves is there for the next, and no command can keep it from the rest.

use crate::launch::{Place, Runner, shell, text};
use testudo_sandbox::client::Outcome;
use testudo_sandbox::protocol::{Limits, Program, Run};

fn command(runner: &mut Runner, command: &str) -> Outcome {
    command_in(runner, command, None)
}

fn command_in(runner: &mut Runner, command: &str, cwd: Option<&str>) -> Outcome {
    let program = Program::Shell { command: command.into(), cwd: cwd.map(str::to_owned) };
    runner.instance.run(&Run { program, ..shell("") }).unwrap()
}

/// What a command prints; it must succeed without a word on standard error.
fn said(runner: &mut Runner, script: &str) -> String {
    let outcome = command(runner, script);
    assert_eq!((outcome.done.exit, text(&outcome.stderr)), (Some(0), String::new()), "{script}");
    text(&outcome.stdout)
}

fn place() -> Place {
    let place = Place::new();
    place.file("sub/deep/a", "");
    place
}

#[test]
fn directory_variables_functions_and_options_survive() {
    let mut runner = place().zygote();
    said(
        &mut runner,
        "cd sub/deep; x='a b'; export Y=$'1\\n2'; declare -a list=(1 '2 3'); declare -A map=([k]=v)",
    );
    said(
        &mut runner,
        "f() { echo \"f $1 $x\"; }; export -f f; umask 027; shopt -s extglob; set -o pipefail; alias ll='ls -l'",
    );
    assert_eq!(said(&mut runner, "pwd; f 1; echo \"$Y\""), "/workspace/sub/deep\nf 1 a b\n1\n2");
    assert_eq!(
        said(&mut runner, "echo \"${list[1]} ${map[k]} $(umask) $(bash -c 'f 2')\""),
        "2 3 v 0027 f 2"
    );
    assert_eq!(
        said(&mut runner, "set -o | grep pipefail; shopt extglob; alias ll"),
        "pipefail       \ton\nextglob        \ton\nalias ll='ls -l'"
    );
    assert_eq!(said(&mut runner, "unset x; unset -f f; cd -"), "/workspace", "the directory before");
    assert_eq!(
        said(&mut runner, "echo ${x-gone}; type f 2>/dev/null || echo no-f; pwd"),
        "gone\nno-f\n/workspace"
    );
}

#[test]
fn the_status_is_the_commands_own_and_what_it_left_is_kept() {
    let mut runner = place().zygote();
    for (script, status) in
        [("a=1; exit 3", 3), ("b=2; false", 1), ("no-such-command", 127), ("c=3; (exit 9)", 9)]
    {
        assert_eq!(command(&mut runner, script).done.exit, Some(status), "{script}");
    }
    assert_eq!(said(&mut runner, "echo $a$b$c"), "123");
    assert_eq!(command(&mut runner, "set -e; d=4; false; echo never").done.exit, Some(1));
    assert_eq!(said(&mut runner, "echo $d; set +e"), "4");
    let traps = command(&mut runner, "e=5; trap 'echo bye' EXIT");
    assert_eq!((text(&traps.stdout), traps.done.exit), ("bye".into(), Some(0)));
    assert_eq!(said(&mut runner, "echo $e"), "5");
    let syntax = command(&mut runner, "if then");
    assert!(
        syntax.done.exit.is_some_and(|status| status != 0) && text(&syntax.stderr).contains("syntax error")
    );
}

#[test]
fn the_directory_may_be_asked_for_or_gone() {
    let mut runner = place().zygote();
    assert_eq!(text(&command_in(&mut runner, "pwd", Some("sub")).stdout), "/workspace/sub");
    assert_eq!(said(&mut runner, "pwd"), "/workspace/sub", "it is where the next starts");
    assert_eq!(command_in(&mut runner, "pwd", Some("nowhere")).done.exit, Some(126));
    assert_eq!(command_in(&mut runner, "pwd", Some("../..")).done.exit, Some(126));
    // The new directory is proposed, and as nobody applied it, it is not there for the next command.
    said(&mut runner, "cd /workspace; mkdir fresh; cd fresh");
    let next = command(&mut runner, "pwd");
    assert_eq!(text(&next.stdout), "/workspace");
    assert!(text(&next.stderr).contains("/workspace/fresh is gone"), "{}", text(&next.stderr));
}

#[test]
fn a_command_that_is_killed_or_becomes_a_program_leaves_what_was_there() {
    let mut runner = place().zygote();
    said(&mut runner, "a=1");
    let program = Program::Shell { command: "a=2; sleep 99".into(), cwd: None };
    let limits = Limits { wall_ms: 700, ..Limits::default() };
    let killed = runner.instance.run(&Run { program, limits, ..shell("") }).unwrap();
    assert_eq!((killed.done.exit, killed.done.timed_out), (Some(124), true));
    assert_eq!(said(&mut runner, "echo $a"), "1");
    assert_eq!(said(&mut runner, "a=3; exec echo became"), "became");
    assert_eq!(said(&mut runner, "echo $a"), "1");
    assert_eq!(command(&mut runner, "a=4; kill -9 $$").done.signal, Some(9));
    assert_eq!(said(&mut runner, "echo $a"), "1");
}

#[test]
fn too_much_is_not_kept_and_said() {
    let mut runner = place().zygote();
    said(&mut runner, "a=1");
    let large = command(&mut runner, "a=2; b=$(head -c 300000 /dev/zero | tr '\\0' x)");
    assert_eq!(large.done.exit, Some(0));
    assert!(text(&large.stderr).contains("262144"), "{}", text(&large.stderr));
    assert_eq!(said(&mut runner, "echo $a${#b}"), "10");
}

#[test]
fn what_a_hostile_command_writes_as_state_harms_its_own_shell_only() {
    let mut first = place().zygote();
    let mut second = place().zygote();
    said(&mut second, "mine=1");
    // Its next shell runs what it wrote, and that may do no more than the command could itself.
    let forged = "printf 'touch /workspace/proposed /usr/forged /session/../forged; x=forged\\n# whole\\n' > /session/next; kill -9 $$";
    assert_eq!(command(&mut first, forged).done.signal, Some(9));
    let next = command(&mut first, "echo $x; ls /usr/forged /forged");
    assert_eq!((text(&next.stdout), next.done.exit), ("forged".into(), Some(2)), "{}", text(&next.stderr));
    let paths: Vec<_> = next.proposal.unwrap().set.changes.into_iter().map(|change| change.path).collect();
    assert_eq!(paths, ["proposed"], "proposed and decided like any other change");
    assert!(!first.place.workspace().join("proposed").exists());
    assert_eq!(said(&mut second, "echo $mine${x-none}"), "1none");
    let link = "ln -s /etc/passwd /session/next; kill -9 $$";
    command(&mut first, link);
    assert_eq!(command(&mut first, "echo $x").done.exit, Some(0), "a link is not followed");
}

#[test]
fn nobody_but_the_shell_sees_what_it_keeps() {
    let mut runner = place().zygote();
    said(&mut runner, "secret=1");
    let seen = runner.shell("ls -A /session /.scratch 2>&1; cat /session/state 2>&1; echo x > /session/next");
    assert!(!text(&seen.stdout).contains("secret"), "{}", text(&seen.stdout));
    assert_eq!(said(&mut runner, "echo $secret; env | grep -c __testudo || true"), "1\n0".to_owned());
}

#[test]
fn without_bash_the_directory_and_exported_variables_are_kept() {
    let place = place();
    place.file("bin/x", "");
    std::os::unix::fs::symlink("/bin/sh", place.workspace().join("bin/sh")).unwrap();
    let mut runner = place.zygote();
    let mut plain = |command: &str| {
        let program = Program::Shell { command: command.into(), cwd: None };
        let env = [("PATH".to_owned(), "/workspace/bin".to_owned())].into();
        runner.instance.run(&Run { program, env, ..shell("") }).unwrap()
    };
    let first = plain("export A='b c'; B=2; cd sub/deep; exit 4");
    assert_eq!((first.done.exit, text(&first.stderr)), (Some(4), String::new()));
    let next = plain("pwd; echo \"$A${B-none}${BASH_VERSION-}\"");
    assert_eq!(
        (text(&next.stdout), text(&next.stderr)),
        ("/workspace/sub/deep\nb cnone".into(), String::new())
    );
}

//! Attacks from inside of a call: each is stopped by the shipped zygote, and each succeeds once the layers
//! that stop it are taken out, so that no layer is dead.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};

use crate::launch::{Place, Runner, WORK, shell, text};
use testudo_sandbox::client::ClientError;
use testudo_sandbox::layers::Layer::{self, *};
use testudo_sandbox::protocol::{Limits, Profile, Run};

const PTRACE: u32 = if cfg!(target_arch = "x86_64") { 101 } else { 117 };

/// Starts the zygote with layers missing; the shipped one if none is.
pub(crate) fn start(place: Place, missing: &[Layer], network: bool) -> Runner {
    start_as("workshop", place, missing, network)
}

/// The same, with a sandbox of another kind.
fn start_as(template: &str, place: Place, missing: &[Layer], network: bool) -> Runner {
    let [workspace, scratch, programs] =
        [place.workspace(), place.scratch(), place.programs()].map(|path| path.to_str().unwrap().to_owned());
    let (binary, arguments) = if missing.is_empty() {
        let tree = programs.as_str();
        let mut all =
            vec!["zygote", "--workspace", &workspace, "--scratch", &scratch, "--template", template];
        all.extend(["--bind", "/usr", "--bind", tree]);
        (env!("CARGO_BIN_EXE_testudo-sandbox"), all.into_iter().map(str::to_owned).collect())
    } else {
        let names: Vec<String> = missing.iter().map(|layer| format!("{layer:?}")).collect();
        let arguments = vec![workspace, scratch, programs, names.join(","), template.to_owned()];
        (env!("CARGO_BIN_EXE_testudo-sandbox-ablated"), arguments)
    };
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (instance, process) = place.start(binary, network, &arguments);
    Runner { instance, process, place }
}

/// What an attack says when it succeeded; put together so that an echoed command does not say it.
const DONE: &str = "attack-done";

/// Runs a script that prints [`DONE`] on success: against the shipped zygote, against one without all of
/// `missing`, where it must succeed, and with each of them put back, which alone must stop it.
/// `@HOST`, `@PROGRAMS` stand for the test's directories.
fn stopped_only_by(missing: &[Layer], script: &str) {
    let attack = |missing: &[Layer]| {
        let place = Place::new();
        fs::create_dir(place.host().join("other-scratch")).unwrap();
        fs::write(place.host().join("other-scratch/secret"), "of another session").unwrap();
        let socket = UnixListener::bind(place.host().join("bus.sock")).unwrap();
        fs::set_permissions(place.host().join("bus.sock"), fs::Permissions::from_mode(0o777)).unwrap();
        let script = script
            .replace("@HOST", place.host().to_str().unwrap())
            .replace("@PROGRAMS", place.programs().to_str().unwrap())
            .replace("@DONE", "echo attack-''done");
        let mut runner = start(place, missing, false);
        let limits = Limits { wall_ms: 2000, ..Limits::default() };
        let outcome = runner.instance.run(&Run { limits, ..shell(&script) }).unwrap();
        drop(socket);
        (text(&outcome.stdout).contains(DONE), format!("{:?}\n{}", outcome.done, text(&outcome.stderr)))
    };
    let (succeeded, shown) = attack(&[]);
    assert!(!succeeded, "not stopped: {script}\n{shown}");
    for alone in missing.iter().filter(|_| missing.len() > 1) {
        let others: Vec<Layer> = missing.iter().copied().filter(|layer| layer != alone).collect();
        let (succeeded, shown) = attack(&others);
        assert!(!succeeded, "not stopped by {alone:?} alone: {script}\n{shown}");
    }
    let (succeeded, shown) = attack(missing);
    assert!(succeeded, "stopped without {missing:?}: {script}\n{shown}");
}

#[test]
fn writing_outside_of_the_scratch() {
    stopped_only_by(&[OwnRoot, ReadOnlyRoot, Landlock], "echo x > @HOST/owned && @DONE");
}

#[test]
fn writing_into_the_programs() {
    stopped_only_by(&[ReadOnlyRoot, Landlock], "echo x > @PROGRAMS/tool && @DONE");
}

#[test]
fn reading_the_shadow_file() {
    stopped_only_by(&[OwnRoot, Landlock], "grep -q secret-hash /etc/shadow && @DONE");
}

#[test]
fn reading_another_sessions_scratch() {
    stopped_only_by(&[OwnRoot, Landlock], "grep -q session @HOST/other-scratch/secret && @DONE");
}

#[test]
fn speaking_to_a_daemons_socket() {
    let connect =
        "perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer=>\"@HOST/bus.sock\")' && @DONE";
    stopped_only_by(&[OwnRoot, Seccomp], connect);
}

#[test]
fn tracing_a_process() {
    stopped_only_by(&[Seccomp], &format!("perl -e 'exit(syscall({PTRACE}, 0, 0, 0, 0) != 0)' && @DONE"));
}

#[test]
fn making_a_user_namespace() {
    stopped_only_by(&[Seccomp], "unshare --user true && @DONE");
}

#[test]
fn mounting() {
    stopped_only_by(
        &[Seccomp, Landlock],
        "unshare --user --map-root-user --mount mount -t tmpfs x /tmp && @DONE",
    );
}

#[test]
fn keeping_a_capability_in_reach() {
    stopped_only_by(&[Privileges], "grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status && @DONE");
}

#[test]
fn gaining_privileges_by_a_program() {
    // Landlock and seccomp both insist on the same bit, so it is theirs as well.
    stopped_only_by(&[Privileges, Landlock, Seccomp], "grep -q 'NoNewPrivs:.*0' /proc/self/status && @DONE");
}

#[test]
fn using_an_inherited_descriptor() {
    stopped_only_by(
        &[Descriptors],
        "grep -q secret-hash /proc/self/fd/9 <&9 && @DONE || grep -q secret-hash <&9 && @DONE",
    );
}

#[test]
fn a_fork_bomb() {
    stopped_only_by(
        &[ResourceLimits],
        "perl -e 'for (1..100) { $p = fork; defined $p or exit 1; $p or sleep 9 }' && @DONE",
    );
}

#[test]
fn a_huge_file() {
    stopped_only_by(&[ResourceLimits], "head -c 80000000 /dev/zero > big && @DONE");
}

#[test]
fn looking_into_the_reaper() {
    for file in ["mem", "environ", "root/etc/passwd"] {
        stopped_only_by(&[Landlock, HiddenReaper], &format!("(: < /proc/1/{file}) && @DONE"));
    }
}

#[test]
fn endless_output() {
    stopped_only_by(&[OutputLimit], "head -c 3000000 /dev/zero; @DONE");
    let mut runner = start(Place::new(), &[], false);
    let flood = runner.shell("head -c 10000000000 /dev/zero");
    assert!(flood.done.output_truncated && flood.stdout.len() == 1024 * 1024);
    assert_eq!(text(&runner.shell("echo fine").stdout), "fine");
}

#[test]
fn ignoring_every_signal_past_the_deadline() {
    stopped_only_by(&[WallLimit], "trap '' TERM INT HUP; sleep 2.5; @DONE");
}

#[test]
fn learning_the_hosts_name() {
    stopped_only_by(&[UtsNamespace], "test $(hostname) != sandbox && @DONE");
}

#[test]
fn using_other_programs_shared_memory() {
    let key = 0x7e57_0000 + std::process::id();
    let made = as_work(&["perl", "-e", &format!("exit !defined shmget({key}, 16, 01666)")]).wait().unwrap();
    assert!(made.success());
    let look = format!("perl -e 'exit !defined shmget({key}, 16, 0)' && @DONE");
    let result = std::panic::catch_unwind(|| stopped_only_by(&[IpcNamespace, Seccomp], &look));
    Command::new("ipcrm").args(["-M", &key.to_string()]).status().unwrap();
    result.unwrap();
}

#[test]
fn signalling_another_process() {
    let mut victim = as_work(&["sleep", "1000"]);
    let attack = format!("kill -0 {} && @DONE", victim.id());
    let result = std::panic::catch_unwind(|| stopped_only_by(&[PidNamespace, Landlock], &attack));
    victim.kill().unwrap();
    victim.wait().unwrap();
    result.unwrap();
}

#[test]
fn outliving_the_call() {
    let script = "setsid sh -c 'echo $$ > pid; exec sleep 4747' > /dev/null 2>&1 & while ! test -s pid; do :; done; echo $!";
    let survivors = |missing: &[Layer]| {
        let mut runner = start(Place::new(), missing, false);
        runner.shell(script);
        let found = sleeping("4747");
        for pid in &found {
            Command::new("kill").args(["-9", pid]).status().unwrap();
        }
        found.len()
    };
    assert_eq!(survivors(&[]), 0);
    assert_eq!(survivors(&[PidNamespace]), 1);
}

#[test]
fn leaving_something_for_the_next_call() {
    let seen = |missing: &[Layer]| {
        let mut runner = start(Place::new(), missing, false);
        runner.shell("echo secret > left");
        text(&runner.shell("cat left").stdout)
    };
    assert_eq!(seen(&[]), "");
    assert_eq!(seen(&[ScratchIsolation]), "secret");
}

#[test]
fn changing_the_workspace_without_a_decision() {
    let changed = |missing: &[Layer]| {
        let mut runner = start(Place::new(), missing, false);
        runner.shell("echo x > direct");
        runner.place.workspace().join("direct").exists()
    };
    assert!(!changed(&[]));
    assert!(changed(&[Proposals]));
}

#[test]
fn reaching_the_network() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let attack = format!(
        "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(\"127.0.0.1:{port}\")' && echo {DONE}"
    );
    let reached = |missing: &[Layer]| {
        let mut runner = start(Place::new(), missing, true);
        runner.instance.run(&shell(&attack)).map(|outcome| text(&outcome.stdout).contains(DONE))
    };
    assert!(matches!(reached(&[]), Err(ClientError::Refused { .. })));
    // Any of the three is enough.
    assert!(!reached(&[EmptyNetwork]).unwrap());
    assert!(!reached(&[EmptyNetwork, Landlock]).unwrap());
    assert!(!reached(&[EmptyNetwork, Seccomp]).unwrap());
    assert!(reached(&[EmptyNetwork, Landlock, Seccomp]).unwrap());
    let mut runner = start(Place::new(), &[Landlock, Seccomp], false);
    assert!(!text(&runner.shell(&attack).stdout).contains(DONE), "the empty namespace alone");
}

#[test]
fn connecting_to_another_port_of_the_loopback_device() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = format!(
        "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(\"127.0.0.1:{port}\")' && echo {DONE}"
    );
    let reached = |missing: &[Layer]| {
        let mut runner = start_as("integration-test", Place::new(), missing, true);
        let run = Run { profile: Profile::StandardNet, ..shell(&script) };
        text(&runner.instance.run(&run).unwrap().stdout).contains(DONE)
    };
    assert!(!reached(&[EmptyNetwork]), "Landlock alone");
    assert!(reached(&[EmptyNetwork, Landlock]), "with sockets allowed, and on the test's own network");
}

#[test]
fn asking_for_more_than_the_template_gives() {
    let exit = |missing: &[Layer]| {
        let mut runner = start_as("code-executor", Place::new(), missing, false);
        let processes = "perl -e 'for (1..150) { $p = fork; defined $p or exit 9; $p or sleep 9 }'";
        let greedy = Run { limits: Limits { processes: 4000, ..Limits::default() }, ..shell(processes) };
        let wide = Run {
            profile: Profile::StandardNet,
            ..shell("perl -MSocket -e 'exit !socket(S, AF_INET, SOCK_STREAM, 0)'")
        };
        let greedy = runner.instance.run(&greedy).unwrap().done.exit;
        (greedy, runner.instance.run(&wide).map(|outcome| outcome.done.exit))
    };
    let (greedy, wide) = exit(&[]);
    assert_eq!(greedy, Some(9));
    assert!(matches!(wide, Err(ClientError::Refused { .. })), "{wide:?}");
    let (greedy, wide) = exit(&[Template]);
    assert_eq!((greedy, wide.unwrap()), (Some(0), Some(0)));
}

fn as_work(command: &[&str]) -> Child {
    let user = WORK.to_string();
    let identity = ["--reuid", &user, "--regid", &user, "--clear-groups"];
    Command::new("setpriv").args(identity).args(command).spawn().unwrap()
}

/// Ids of processes that sleep this long.
fn sleeping(seconds: &str) -> Vec<String> {
    let wanted = format!("sleep\0{seconds}\0");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let found = processes
        .filter(|entry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes()));
    found.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

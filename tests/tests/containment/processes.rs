//! Other processes, and what attacks the kernel itself.

use std::fs;

use crate::attack::{
    Attack, Control, HIDDEN_PROCESSES, LANDLOCK, OWN_PROCESSES, PID_NAMESPACE, SECCOMP, neighbour,
    scene_without, unharmed,
};
use testudo_tests::wait;

const PTRACE: u32 = if cfg!(target_arch = "x86_64") { 101 } else { 117 };
const PTRACE_ATTACH: u32 = 16;

#[test]
fn tracing_another_process() {
    Attack::new(format!(
        "sleep 5 & perl -e 'exit(syscall({PTRACE}, {PTRACE_ATTACH}, $ARGV[0] + 0, 0, 0) != 0)' $! && @DONE; kill -9 $!"
    ))
    .stopped_by(&[SECCOMP]);
}

#[test]
fn making_a_user_namespace() {
    Attack::new("unshare --user true && @DONE").stopped_by(&[SECCOMP]);
}

#[test]
fn mounting() {
    // Seccomp lets no namespace be made, and Landlock forbids mounts whoever makes them.
    Attack::new("unshare --user --map-root-user --mount mount -t tmpfs x /tmp && @DONE")
        .stopped_by(&[SECCOMP, LANDLOCK]);
}

#[test]
fn seeing_other_processes() {
    // The brackets keep the command from finding itself.
    Attack::new("grep -qsa 'neighbours[-]password' /proc/[0-9]*/cmdline && @DONE")
        .beside("sh -c 'sleep 1000; true' neighbours-password &")
        .stopped_by(&[PID_NAMESPACE, OWN_PROCESSES, HIDDEN_PROCESSES]);
}

/// Every process that the user may signal, the runners of all sessions among them.
#[test]
fn killing_everything() {
    let attack = |missing: &[Control], survives: bool| {
        let (scene, _units) = scene_without(missing, |_| {});
        let before = scene.pids();
        let length = format!("74{}", std::process::id());
        let other = neighbour(&scene, &format!("sleep {length} &"));
        wait("the neighbour's process", || (sleepers(&length) == 1).then_some(()));
        scene.shell("kill -9 -1; kill -9 1");
        unharmed(&scene, &before);
        assert_eq!(scene.shell("echo again")["stdout"], "again\n", "a killed runner is replaced");
        wait(&format!("what is expected without {missing:?}"), || {
            (sleepers(&length) == usize::from(survives)).then_some(())
        });
        drop(scene);
        other.finish();
    };
    attack(&[], true);
    attack(&[LANDLOCK, OWN_PROCESSES], true);
    attack(&[PID_NAMESPACE, OWN_PROCESSES], true);
    attack(&[PID_NAMESPACE, LANDLOCK], true);
    attack(&[PID_NAMESPACE, LANDLOCK, OWN_PROCESSES], false);
}

#[test]
fn outliving_the_call() {
    let survivors = |missing: &[Control]| {
        let (scene, _units) = scene_without(missing, |_| {});
        let before = scene.pids();
        let length = format!("47{}", std::process::id());
        let said = scene.shell(&format!(
            "setsid sh -c 'trap \"\" TERM HUP; echo > /tmp/started; exec sleep {length}' > /dev/null 2>&1 & \
             while ! test -e /tmp/started; do :; done; echo detached"
        ));
        assert_eq!(said["stdout"], "detached\n", "{said}");
        let alive = sleepers(&length);
        unharmed(&scene, &before);
        alive
    };
    assert_eq!(survivors(&[]), 0);
    assert_eq!(survivors(&[PID_NAMESPACE]), 1);
}

/// How many processes of the machine sleep this long.
fn sleepers(length: &str) -> usize {
    let wanted = format!("sleep\0{length}\0");
    let processes = fs::read_dir("/proc").expect("there is a /proc").flatten();
    processes
        .filter(|process| {
            fs::read(process.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())
        })
        .count()
}

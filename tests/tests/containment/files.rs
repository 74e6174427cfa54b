//! Files of the host, of other sessions and of the daemons.

use std::fs;

use crate::attack::{
    Attack, LANDLOCK, NOT_AUDITD, NOT_SHADOW, OWN_ROOT, OWN_SCRATCH, READ_ONLY_ROOT, READ_ONLY_SYSTEM,
    unharmed,
};
use testudo_tests::Scene;

#[test]
fn writing_outside_of_the_scratch() {
    // Four layers, each of which is enough: no such path, read-only mounts twice, and no right to write.
    Attack::new("echo x > /var/tmp/owned && @DONE").stopped_by(&[
        OWN_ROOT,
        READ_ONLY_ROOT,
        LANDLOCK,
        READ_ONLY_SYSTEM,
    ]);
}

/// Only refused, never shown to succeed: these are the machine's own, and the test would damage it.
#[test]
fn writing_into_the_machine() {
    let scene = Scene::start();
    let before = scene.pids();
    let places =
        ["/", "/usr", "/usr/bin", "/etc", "/bin", "/lib", "/proc/sys/kernel", "/dev", "/sys", "/run", "/var"];
    for place in places {
        let said = scene.shell(&format!("echo x > {place}/testudo-owned"));
        assert_ne!(said["exit"], 0, "{place}: {said}");
        assert!(!fs::exists(format!("{place}/testudo-owned")).unwrap(), "{place}");
    }
    let said = scene.shell("chmod 777 /usr /etc; echo x >> /etc/passwd; rm -f /usr/bin/env; echo $?");
    assert_ne!(said["stdout"], "0\n", "{said}");
    assert!(fs::exists("/usr/bin/env").unwrap());
    unharmed(&scene, &before);
}

#[test]
fn reading_the_shadow_file() {
    // The file does not exist, Landlock would not open it, and no group of the call may read it.
    Attack::new("grep -q ^root: /etc/shadow && @DONE").stopped_by(&[OWN_ROOT, LANDLOCK, NOT_SHADOW]);
    let said = Scene::start().shell("ls /etc");
    assert_eq!(said["stdout"].as_str().unwrap().matches("shadow").count(), 0, "{said}");
}

#[test]
fn reading_the_daemons_state() {
    Attack::new("head -c 15 /var/lib/testudo/auditd/audit.db | grep -q 'SQLite format 3' && @DONE")
        .stopped_by(&[OWN_ROOT, LANDLOCK, NOT_AUDITD]);
}

#[test]
fn reading_another_sessions_scratch() {
    // An instance's scratch is a file system of its own, and a call sees neither its own instance's nor any other.
    Attack::new("grep -qs of-another /run/scratch/call-*/upper/secret /var/tmp/call-*/upper/secret && @DONE")
        .beside("echo of-another-session > secret")
        .stopped_by(&[OWN_ROOT, LANDLOCK, OWN_SCRATCH]);
}

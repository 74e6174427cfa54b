//! The machine's own folders.

use std::fs;

use crate::attack::unharmed;
use testudo_tests::Scene;

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

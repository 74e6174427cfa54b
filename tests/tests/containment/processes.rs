//! Other processes, and what attacks the kernel itself.

use std::fs;

use crate::attack::{control, neighbour, scene_without, unharmed};
use testudo_tests::wait;

/// Every process that the user may signal, the runners of all sessions among them.
#[test]
fn killing_everything() {
    let attack = |missing: &[&str], survives: bool| {
        let controls: Vec<_> = missing.iter().map(|name| control(name)).collect();
        let (scene, _units) = scene_without(&controls, |_| {});
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
    attack(&["landlock", "own-processes"], true);
    attack(&["pid-namespace", "own-processes"], true);
    attack(&["pid-namespace", "landlock"], true);
    attack(&["pid-namespace", "landlock", "own-processes"], false);
}

#[test]
fn outliving_the_call() {
    let survivors = |missing: &[&str]| {
        let controls: Vec<_> = missing.iter().map(|name| control(name)).collect();
        let (scene, _units) = scene_without(&controls, |_| {});
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
    assert_eq!(survivors(&["pid-namespace"]), 1);
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

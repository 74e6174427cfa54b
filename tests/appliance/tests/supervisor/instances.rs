//! Socket activation, and what an instance finds around it.

use std::io::Read as _;
use std::os::unix::net::UnixStream;

use super::{in_instance, plan, start};

#[test]
fn an_instance_is_alone_and_powerless() {
    let appliance = start(plan());
    let ask = |command: &str| in_instance(&appliance, "box", command);
    assert_eq!(ask("id -un; id -gn; id -G | wc -w"), "testudo-work\ntestudo-work\n1\n");
    assert_eq!(ask("echo $LISTEN_FDS $LISTEN_FDNAMES $LISTEN_PID $$"), "1 connection 1 1\n");
    let status = ask("cat /proc/self/status");
    for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    assert_eq!(ask("ls /proc | grep -c '^[0-9]'").trim(), "3", "the shell, ls and grep, and nothing else");
    assert_eq!(ask("ls -d /proc/sys 2>&1 | grep -c cannot").trim(), "1", "proc shows processes only");
    assert_eq!(ask("ls /home /root 2>/dev/null | wc -l").trim(), "0");
}

#[test]
fn its_network_is_empty_and_lo_is_up() {
    let appliance = start(plan());
    let interfaces = in_instance(&appliance, "box", "tail -n +3 /proc/self/net/dev | cut -d: -f1");
    assert_eq!(interfaces.trim(), "lo");
    assert!(in_instance(&appliance, "box", "cat /proc/self/net/fib_trie").contains("127.0.0.1"));
}

#[test]
fn the_workspace_is_read_only_and_the_scratch_is_small_and_its_own() {
    let appliance = start(plan());
    std::fs::write(appliance.workspace().join("a"), "from outside").unwrap();
    let ask = |command: &str| in_instance(&appliance, "box", command);
    assert_eq!(ask("cat /ws/a; id -un; stat -c %U /ws/a"), "from outsidetestudo-work\ntestudo-work\n");
    for place in ["/ws/b", "/usr/b", "/etc/b", "/b", "/run/b"] {
        let answer = ask(&format!("echo x > {place}"));
        assert!(answer.contains("Read-only file system"), "{place}: {answer}");
    }
    assert_eq!(ask("echo mine > /scratch/x; cat /scratch/x"), "mine\n");
    assert_eq!(ask("ls /scratch | wc -l").trim(), "0", "every instance has another scratch");
    assert!(ask("head -c 2000000 /dev/zero > /scratch/x").contains("No space left"));
}

#[test]
fn a_service_reaches_its_sockets_and_other_users_do_not() {
    let appliance = start(plan());
    let reach = |user: &str| {
        let mut command = appliance.run_as(user, "/bin/sh").unwrap();
        command.args(["-c", "test -w /run/testudo/box.sock"]).status().unwrap().success()
    };
    assert!(reach("testudo-healthy") && !reach("testudo-other") && !reach("testudo-work"));
}

#[test]
fn without_accept_one_process_at_a_time_gets_the_socket() {
    let appliance = start(plan());
    assert!(appliance.instances("single").unwrap().is_empty(), "nothing runs before somebody connects");
    let ask =
        || in_instance(&appliance, "single", "echo $LISTEN_FDS $LISTEN_FDNAMES $(id -un) $LISTEN_PID $PPID");
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(ask);
        (ask(), other.join().unwrap())
    });
    let words: Vec<&str> = first.split_whitespace().collect();
    let ["1", "testudo-single.socket", "testudo-other", named, own] = words[..] else { panic!("{first}") };
    assert_eq!(named, own);
    assert_ne!(first, second, "each was served by a process of its own");
}

#[test]
fn a_service_that_never_accepts_closes_its_socket() {
    let appliance = start(plan());
    let path = appliance.run_dir().join("broken.sock");
    let mut connection = UnixStream::connect(&path).unwrap();
    let _ = connection.read_to_end(&mut Vec::new());
    assert!(UnixStream::connect(&path).is_err());
    assert_eq!(appliance.log("broken").lines().count(), 20, "it was tried so often");
    assert_eq!(appliance.log("supervisor").matches("testudo-broken.socket").count(), 1);
}

#[test]
fn instances_are_counted_and_can_be_killed() {
    use std::io::Read;
    let appliance = start(plan());
    let mut connection =
        std::os::unix::net::UnixStream::connect(appliance.run_dir().join("box.sock")).unwrap();
    std::io::Write::write_all(&mut connection, b"echo up; sleep 1000\n").unwrap();
    let mut up = [0; 3];
    connection.read_exact(&mut up).unwrap();
    assert_eq!(appliance.instances("box").unwrap().len(), 1);
    appliance.signal_instances("box", nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(connection.read_to_end(&mut Vec::new()).unwrap(), 0, "the other side hears of the end");
}

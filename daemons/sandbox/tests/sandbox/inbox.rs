//! Files that people sent: every later call reads them, and none can change them or put others beside them.

use testudo_sandbox::client::ClientError;
use testudo_sandbox::protocol::{Builtin, Program, Run};

use crate::launch::{Place, shell, text};

#[test]
fn calls_read_what_was_sent_and_change_nothing_of_it() {
    for place in [Place::new(), Place::new().copying()] {
        let mut runner = place.zygote();
        assert_eq!(text(&runner.shell("ls -A /inbox").stdout), "");
        // The child that waits for the next call has its root already.
        runner.instance.receive("1-a.txt", b"what was sent").unwrap();
        runner.instance.receive("1-a.txt", b"something else").unwrap();
        assert_eq!(text(&runner.shell("cat /inbox/1-a.txt").stdout), "what was sent");
        let tried = runner.shell(
            "echo x >/inbox/1-a.txt; echo x >/inbox/b; rm -f /inbox/1-a.txt; mv /inbox/1-a.txt /tmp; chmod 777 /inbox/1-a.txt; \
             ln /inbox/1-a.txt /inbox/c; ls -A /inbox; cat /inbox/1-a.txt",
        );
        assert_eq!(text(&tried.stdout), "1-a.txt\nwhat was sent", "{}", text(&tried.stderr));
        let writing =
            runner.instance.run(&Run { overlay: true, ..shell("echo x >/inbox/1-a.txt; cat /inbox/*") });
        assert_eq!(text(&writing.unwrap().stdout), "what was sent");
        let read = Builtin::Read { path: "/inbox/1-a.txt".into(), offset: 0, limit: None };
        let read = runner.instance.run(&Run::new("r", Program::Builtin(read))).unwrap();
        assert!(text(&read.stdout).contains("what was sent"), "{}", text(&read.stdout));
    }
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_and_nothing_else_happens() {
    let mut runner = Place::new().zygote();
    for name in ["../x", "a/b", "..", ""] {
        assert!(matches!(runner.instance.receive(name, b"x"), Err(ClientError::Refused { .. })), "{name}");
    }
    assert_eq!(text(&runner.shell("ls -A /inbox; echo still here").stdout), "still here");
}

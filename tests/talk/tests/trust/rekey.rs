//! The store's key is changed on a machine that is in use: by another credential, the one before it, and a start.
//!
//! The shipped program is started by hand as its unit would, since credentials are what is changed between two starts.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::block_in_place;

use testudo_talk::synapse::PASSWORD;
use testudo_talk::talk::{STORE_KEY, Talk};
use testudo_talk::timeline::PATIENCE;

use crate::looking::{settled, state, status};

/// Another key than the one that the machine begins with, as a passphrase.
const ANOTHER: &str = "another key, which is long enough";
/// What the daemon logs once its stores are open.
const OPEN: &str = "took up what was said before the start";

/// Credentials as the service manager hands them over.
struct Credentials(TempDir);

impl Credentials {
    /// With this key of the store, and this one before it.
    fn of(talk: &Talk, key: &str, previous: Option<&str>) -> Self {
        let parent = talk.scene.appliance.state_dir().join("lib");
        let folder =
            tempfile::Builder::new().prefix("given-").tempdir_in(parent).expect("a folder can be made");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let given = [
            ("matrix-password", Some(PASSWORD)),
            ("matrix-store-key", Some(key)),
            ("matrix-store-key-previous", previous),
        ];
        for (name, secret) in given {
            if let Some(secret) = secret {
                fs::write(folder.path().join(name), secret).expect("a file can be written");
            }
        }
        Self(folder)
    }

    /// Starts the daemon with them. It is gone with its value.
    fn start(&self, talk: &Talk) -> Daemon {
        let appliance = &talk.scene.appliance;
        let program = appliance.bin_dir().join("testudo-matrixd");
        let mut command = appliance.run_as("testudo-matrixd", program).expect("its user exists");
        let inside =
            std::path::Path::new("/var/lib/testudo").join(self.0.path().file_name().expect("a name"));
        command.env("CREDENTIALS_DIRECTORY", inside).env("STATE_DIRECTORY", "/var/lib/testudo/matrixd");
        command.env("CONFIGURATION_DIRECTORY", "/appliance/etc");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let (give, process) = mpsc::channel();
        let (say, said) = mpsc::channel();
        // It ends with the thread that started it.
        std::thread::spawn(move || {
            let mut child = command.spawn().expect("it can be started");
            let lines = BufReader::new(child.stderr.take().expect("it was piped")).lines();
            give.send(child).expect("somebody waits for it");
            lines.map_while(Result::ok).for_each(|line| drop(say.send(line)));
        });
        Daemon { process: process.recv().expect("it was started"), said }
    }
}

/// A running daemon.
struct Daemon {
    process: Child,
    said: Receiver<String>,
}

impl Daemon {
    /// Waits until it says something; what it said until then.
    fn until(self, what: &str) -> Self {
        let (began, mut all) = (Instant::now(), Vec::new());
        while !all.last().is_some_and(|line: &String| line.contains(what)) {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let line =
                self.said.recv_timeout(left).unwrap_or_else(|_| panic!("no {what:?}: {}", all.join("\n")));
            all.push(line);
        }
        self
    }

    /// Waits until it ends by itself: its status, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let said: Vec<String> = self.said.iter().collect();
        (self.process.wait().expect("it is ours").code(), said.join("\n"))
    }

    /// Kills it with what goes on in it.
    fn kill(mut self) {
        self.process.kill().expect("it is ours");
        self.process.wait().expect("it is ours");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn stop(talk: &Talk) {
    block_in_place(|| talk.scene.appliance.stop_unit("matrixd")).expect("it stops");
}

/// Starts it with these keys and waits until its stores are open.
fn start(talk: &Talk, key: &str, previous: Option<&str>) -> (Daemon, Credentials) {
    let credentials = Credentials::of(talk, key, previous);
    let daemon = block_in_place(|| credentials.start(talk).until(OPEN));
    (daemon, credentials)
}

/// Starts it and kills it after a while, or as soon as something is so; after how long that was.
fn killed(talk: &Talk, credentials: &Credentials, after: Duration, or: impl Fn() -> bool) -> Duration {
    block_in_place(|| {
        let changing = credentials.start(talk);
        let began = Instant::now();
        while began.elapsed() < after && !or() {
            std::hint::spin_loop();
        }
        let elapsed = began.elapsed();
        changing.kill();
        elapsed
    })
}

fn sessions(talk: &Talk) -> String {
    block_in_place(|| talk.scene.as_user("root", "Agent1", "Sessions", &[])).stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_store_is_changed_and_everything_goes_on() {
    let talk = Talk::start();
    settled(&talk);
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say under-the-first-key").await;
    ann.hears(&room, "under-the-first-key").await;
    let mark = ann.timeline.mark();
    ann.say(&room, "write 'x' to a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    let (before, device) = (sessions(&talk).matches("\"m-").count(), status(&talk)["device"].clone());
    let first = fs::read(state(&talk).join("store.key")).unwrap();
    stop(&talk);

    // The question that was open is answered, in the session that it is of.
    let changing = start(&talk, ANOTHER, Some(STORE_KEY));
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").is_some());
    ann.hears(&room, "a.txt").await;
    changing.0.kill();
    assert_ne!(fs::read(state(&talk).join("store.key")).unwrap(), first);
    assert!(!state(&talk).join("store.key.pending").exists());

    // Without the one before it, and with the same given for both.
    for (previous, word) in [(None, "under-the-second-key"), (Some(ANOTHER), "with-both-the-same")] {
        let running = start(&talk, ANOTHER, previous);
        ann.say(&room, &format!("say {word}")).await;
        ann.hears(&room, word).await;
        let now = status(&talk);
        assert_eq!(
            (&now["device"], &now["signed"], &now["owners"][0]["identity"]),
            (&device, &true.into(), &"verified".into())
        );
        running.0.kill();
    }
    assert_eq!(sessions(&talk).matches("\"m-").count(), before, "the same sessions");

    // The first one opens nothing any more, and neither does a stranger's; nothing is begun anew.
    let second = fs::read(state(&talk).join("store.key")).unwrap();
    for (key, previous) in [(STORE_KEY, None), (STORE_KEY, Some("a key that never was in force"))] {
        let credentials = Credentials::of(&talk, key, previous);
        let (status, said) = block_in_place(|| credentials.start(&talk).end());
        assert!(status == Some(78) && said.contains("store-key-wrong: "), "{status:?}: {said}");
        assert_eq!(fs::read(state(&talk).join("store.key")).unwrap(), second);
    }
    // And under its unit.
    let off = talk.off();
    let said = off.refuses(|_| {});
    assert!(said.contains("store-key-wrong: ") && said.contains("78"), "{said}");
    let talk = off.on(|plan| {
        plan.credential("matrixd", "matrix-store-key", ANOTHER);
    });
    ann.say(&room, "say under-its-unit").await;
    ann.hears(&room, "under-its-unit").await;
    stop(&talk);
    fs::remove_file(state(&talk).join("store.key")).unwrap();
    let credentials = Credentials::of(&talk, ANOTHER, None);
    let (status, said) = block_in_place(|| credentials.start(&talk).end());
    assert!(status == Some(78) && said.contains("store-key-missing: "), "{status:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_key_that_is_killed_anywhere_is_ended_by_the_next_start() {
    let talk = Talk::start();
    settled(&talk);
    let device = status(&talk)["device"].clone();
    stop(&talk);
    let (key, pending) = (state(&talk).join("store.key"), state(&talk).join("store.key.pending"));
    let first = fs::read(&key).unwrap();
    let credentials = Credentials::of(&talk, ANOTHER, Some(STORE_KEY));
    // How long it takes to the change when nobody kills it.
    let whole = killed(&talk, &credentials, PATIENCE, || fs::read(&key).unwrap() != first);
    let (mut unbegun, mut done) = (0, 0);
    // A start may take longer than the first one did, so it goes on until both were met.
    for number in 0..64 {
        if number >= 16 && unbegun > 0 && done > 0 {
            break;
        }
        fs::write(&key, &first).unwrap();
        // At another point of its start each time; every third is killed as soon as the new file is seen.
        killed(&talk, &credentials, whole * number / 10, || number % 3 == 0 && pending.exists());
        if fs::read(&key).unwrap() == first {
            unbegun += 1;
        } else {
            done += 1;
        }
        block_in_place(|| credentials.start(&talk).until(OPEN).kill());
        assert!(fs::read(&key).unwrap() != first && !pending.exists(), "killed the {number}th time");
    }
    assert!(unbegun > 0 && done > 0, "killed before and after: {unbegun} and {done}");

    // What a kill between the two steps leaves, exactly: the old file, and the new one beside it, whole or torn.
    let second = fs::read(&key).unwrap();
    for (length, previous) in [
        (second.len(), None),
        (second.len(), Some(STORE_KEY)),
        (second.len() / 2, Some(STORE_KEY)),
        (0, Some(STORE_KEY)),
    ] {
        fs::write(&key, &first).unwrap();
        fs::write(&pending, &second[..length]).unwrap();
        fs::set_permissions(&pending, Permissions::from_mode(0o666)).unwrap();
        start(&talk, ANOTHER, previous).0.kill();
        assert!(fs::read(&key).unwrap() != first && !pending.exists(), "{length} bytes");
    }
    let talk = talk.off().on(|plan| {
        plan.credential("matrixd", "matrix-store-key", ANOTHER);
    });
    settled(&talk);
    assert_eq!(status(&talk)["device"], device);
}

//! The real binary on a private bus. It runs as root, who is an operator and none of the daemons.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use testudo::bus::{AUDIT, AUDIT_PATH};
use testudo::proxy::{Audit1Proxy, Options};
use testudo::record::{Record, Verification};
use zbus::Connection;
use zbus::fdo::IntrospectableProxy;

/// Longer than anything here takes; only a defect waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path=DIRECTORY/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"#;

/// A bus, a state directory and a place where readiness is told.
struct Appliance {
    directory: TempDir,
    bus: Child,
    notify: UnixDatagram,
}

/// A running daemon; killed when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

impl Appliance {
    fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test plays an operator and must run as root");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        std::fs::create_dir(path.join("state")).unwrap();
        std::fs::write(path.join("bus.conf"), BUS.replace("DIRECTORY", path.to_str().unwrap())).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .args(["--nofork", "--print-address", "--config-file"])
            .arg(path.join("bus.conf"))
            .stdout(Stdio::piped())
            // It cannot raise its limit of open files everywhere and says so.
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The address is printed once the bus listens.
        bus.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let notify = UnixDatagram::bind(path.join("notify")).unwrap();
        notify.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { directory, bus, notify }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.path("bus").display())
    }

    fn spawn(&self) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testudo-auditd"));
        command
            .env_clear()
            .env("STATE_DIRECTORY", self.path("state"))
            .env("DBUS_SYSTEM_BUS_ADDRESS", self.address())
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("CONFIGURATION_DIRECTORY", self.directory.path())
            .stderr(Stdio::piped());
        Daemon(command.spawn().unwrap())
    }

    /// Starts the daemon and returns its `STATUS` once it is ready.
    fn start(&self) -> (Daemon, String) {
        let daemon = self.spawn();
        let mut buffer = [0; 4096];
        loop {
            let length = self.notify.recv(&mut buffer).expect("the daemon did not become ready");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains("READY=1") {
                let status = text.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap().to_owned();
                return (daemon, status);
            }
        }
    }

    async fn client(&self) -> Connection {
        zbus::connection::Builder::address(self.address().as_str()).build().await.unwrap()
    }
}

impl Daemon {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Waits for the end and returns what it wrote to standard error.
    fn end(mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.0.wait().unwrap(), text)
    }
}

async fn verify(audit: &Audit1Proxy<'_>) -> Verification {
    serde_json::from_str(&audit.verify().await.unwrap()).unwrap()
}

async fn events(audit: &Audit1Proxy<'_>) -> Vec<String> {
    let records: Vec<Record> =
        serde_json::from_str(&audit.log(0, 100, Options::new()).await.unwrap()).unwrap();
    records.into_iter().map(|record| record.event).collect()
}

/// The error's name and text.
fn refusal<T: std::fmt::Debug>(result: zbus::Result<T>) -> (String, String) {
    match result.unwrap_err() {
        zbus::Error::MethodError(name, text, _) => (name.to_string(), text.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_operator_reads_the_record_and_cannot_write_it() {
    let appliance = Appliance::new();
    let (daemon, status) = appliance.start();
    assert_eq!(status, "Recording; 0 records, chain verified.");
    let audit = Audit1Proxy::new(&appliance.client().await).await.unwrap();

    let (name, text) = refusal(audit.append(r#"{"event":"x"}"#, Options::new()).await);
    assert_eq!(name, "org.testudo.Error.Denied", "{text}");

    assert_eq!(events(&audit).await, ["audit.started"]);
    let record: Record = serde_json::from_str(&audit.show(1).await.unwrap()).unwrap();
    assert_eq!((record.seq, record.writer.as_str()), (1, "auditd"));
    assert_eq!(refusal(audit.show(2).await).0, "org.testudo.Error.NotFound");
    let found = verify(&audit).await;
    assert_eq!((found.ok, found.records, found.first_bad), (true, 1, None));
    assert_eq!(found.head, record.hash);

    let filter = |key, value: &'static str| Options::from([(key, value.into())]);
    assert_eq!(audit.log(0, 9, filter("writer", "toold")).await.unwrap(), "[]");
    assert_ne!(audit.log(0, 9, filter("event", "audit.started")).await.unwrap(), "[]");
    for filter in [filter("colour", "red"), Options::from([("call", 7u32.into())])] {
        assert_eq!(refusal(audit.log(0, 9, filter).await).0, "org.testudo.Error.InvalidArgument");
    }

    daemon.signal(Signal::SIGTERM);
    let (status, errors) = daemon.end();
    assert!(status.success(), "{errors}");
}

#[tokio::test]
async fn starts_stops_and_kills_leave_a_chain_that_verifies() {
    let appliance = Appliance::new();
    let (daemon, _) = appliance.start();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.end().0.success());
    let (daemon, status) = appliance.start();
    assert_eq!(status, "Recording; 2 records, chain verified.");
    daemon.signal(Signal::SIGKILL);
    daemon.end();
    let (_daemon, status) = appliance.start();
    assert_eq!(status, "Recording; 3 records, chain verified.");
    let audit = Audit1Proxy::new(&appliance.client().await).await.unwrap();
    assert_eq!(events(&audit).await, ["audit.started", "audit.stopped", "audit.started", "audit.started"]);
    assert!(verify(&audit).await.ok);
}

#[tokio::test]
async fn a_broken_chain_is_told_everywhere_and_recording_goes_on() {
    let appliance = Appliance::new();
    let (daemon, _) = appliance.start();
    daemon.signal(Signal::SIGKILL);
    daemon.end();
    let database = rusqlite::Connection::open(appliance.path("state/audit.db")).unwrap();
    database
        .execute_batch(
            "DROP TRIGGER record_is_never_changed; UPDATE record SET writer = 'toold' WHERE seq = 1",
        )
        .unwrap();
    drop(database);

    let (daemon, status) = appliance.start();
    assert_eq!(status, "Recording; 1 record, BROKEN from record 1 on: record 1 is not what was written.");
    let audit = Audit1Proxy::new(&appliance.client().await).await.unwrap();
    assert_eq!(events(&audit).await, ["audit.started", "audit.chain_broken", "audit.started"]);
    assert_eq!(verify(&audit).await.first_bad, Some(1));
    daemon.signal(Signal::SIGTERM);
    let (status, errors) = daemon.end();
    assert!(status.success());
    assert!(errors.contains("<3>the record is broken from record 1 on"), "{errors}");
    let (_daemon, status) = appliance.start();
    assert!(status.contains("BROKEN from record 1"), "{status}");
}

#[test]
fn a_file_that_is_no_database_ends_the_start_with_the_remedy() {
    let appliance = Appliance::new();
    std::fs::write(appliance.path("state/audit.db"), "no database at all, whatever its name says".repeat(50))
        .unwrap();
    let (status, errors) = appliance.spawn().end();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("state/audit.db") && errors.contains("Move this file away"), "{errors}");
}

#[tokio::test]
async fn the_interface_is_the_one_of_the_contract() {
    let appliance = Appliance::new();
    let (_daemon, _) = appliance.start();
    let client = appliance.client().await;
    let proxy =
        IntrospectableProxy::builder(&client).destination(AUDIT).path(AUDIT_PATH).build().await.unwrap();
    let served = proxy.introspect().await.unwrap();
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/dbus-1/interfaces/org.testudo.Audit1.xml");
    let contract = members(&std::fs::read_to_string(path).unwrap());
    // Methods, inputs, outputs.
    assert_eq!(contract.len(), 5 + 6 + 5, "{contract:?}");
    assert_eq!(members(&served), contract);
}

/// The members and arguments of `org.testudo.Audit1` in introspection data, one line each.
fn members(xml: &str) -> BTreeSet<String> {
    let without_comments: String = xml.split("<!--").map(|part| part.rsplit("-->").next().unwrap()).collect();
    let (mut interface, mut member, mut position) = (String::new(), String::new(), 0);
    let mut found = BTreeSet::new();
    for tag in without_comments.split('<').filter_map(|part| part.split('>').next()) {
        let attribute = |name: &str| {
            let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
            tag[start..].split('"').next().map(str::to_owned)
        };
        match tag.split_whitespace().next() {
            Some("interface") => interface = attribute("name").unwrap(),
            Some(kind @ ("method" | "signal" | "property")) if interface == AUDIT => {
                member = format!("{kind} {}", attribute("name").unwrap());
                position = 0;
                found.insert(member.clone());
            }
            Some("arg") if interface == AUDIT => {
                position += 1;
                let direction = attribute("direction").unwrap_or_else(|| "in".to_owned());
                let [name, signature] = [attribute("name"), attribute("type")].map(Option::unwrap);
                found.insert(format!("{member}, {position}: {direction} {signature} {name}"));
            }
            _ => {}
        }
    }
    found
}

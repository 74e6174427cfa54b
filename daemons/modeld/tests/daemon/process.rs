//! The shipped program on a bus of its own, with a record that a test can read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use testudo::proxy::Models1Proxy;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use zbus::connection::Builder;
use zbus::zvariant::OwnedVariant;

/// A private bus and the daemon on it; both end with this.
pub(crate) struct Process {
    pub(crate) child: Child,
    address: String,
    _directory: tempfile::TempDir,
    notify: UnixDatagram,
    pub(crate) records: Arc<Mutex<Vec<Value>>>,
    _audit: zbus::Connection,
    _bus: Child,
}

struct Audit(Arc<Mutex<Vec<Value>>>);

#[zbus::interface(name = "org.testudo.Audit1")]
impl Audit {
    #[expect(clippy::needless_pass_by_value, reason = "the macro hands it over by value")]
    fn append(&self, record: &str, options: HashMap<String, OwnedVariant>) -> u64 {
        assert!(options.is_empty());
        let mut records = self.0.lock().unwrap();
        records.push(serde_json::from_str(record).unwrap());
        records.len() as u64
    }
}

/// The program with an environment such as systemd gives it: it has no credentials.
pub(crate) fn program(directory: &Path, config: &str) -> Command {
    let file = directory.join("testudo.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testudo-modeld"));
    command.env_clear().arg("--config").arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Process {
    /// Starts both and returns when the daemon says that it is ready.
    pub(crate) async fn start(config: &str) -> Self {
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(bus.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().unwrap();
        let records = Arc::new(Mutex::new(Vec::new()));
        let audit =
            Builder::address(address.as_str()).serve_at("/org/testudo/Audit1", Audit(Arc::clone(&records)));
        let audit = audit.name("org.testudo.Audit1").build().await.unwrap();

        let directory = tempfile::tempdir().unwrap();
        let socket: PathBuf = directory.path().join("notify");
        let notify = UnixDatagram::bind(&socket).unwrap();
        let mut command = program(directory.path(), config);
        // A proxy in the environment must not be asked: nobody is there.
        command.envs([("http_proxy", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")]);
        let child =
            command.env("NOTIFY_SOCKET", &socket).env("DBUS_SYSTEM_BUS_ADDRESS", &address).spawn().unwrap();
        let process =
            Self { child, address, _directory: directory, notify, records, _audit: audit, _bus: bus };
        let said = process.heard().await;
        assert!(said.contains("READY=1") && said.contains("STATUS=Serving the model"), "{said}");
        process
    }

    /// The next message to the service manager.
    pub(crate) async fn heard(&self) -> String {
        let mut buffer = [0; 4096];
        let len = self.notify.recv(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    }

    /// A connection of its own, as another program would have.
    pub(crate) async fn connect(&self) -> zbus::Connection {
        Builder::address(self.address.as_str()).build().await.unwrap()
    }

    pub(crate) async fn models(&self) -> Models1Proxy<'static> {
        Models1Proxy::new(&self.connect().await).await.unwrap()
    }

    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }
}

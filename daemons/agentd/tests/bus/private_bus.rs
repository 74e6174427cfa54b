//! A bus of our own with no policy at all, and the real daemon on it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testudo::proxy::Agent1Proxy;
use zbus::Connection;
use zbus::connection::Builder;

/// Longer than anything here takes, shorter than a person waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A message bus that ends with the test.
pub(crate) struct PrivateBus {
    daemon: Child,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) address: String,
}

impl PrivateBus {
    pub(crate) fn start() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests play the operator, which is root: run them as root"
        );
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = directory.path().join("bus.conf");
        let socket = directory.path().join("bus");
        let text = format!(
            r#"<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context="default">
            <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
            </policy></busconfig>"#,
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // The address is printed when the socket listens.
        let mut address = Vec::new();
        let mut out = daemon.stdout.take().unwrap();
        let mut byte = [0];
        while out.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            address.push(byte[0]);
        }
        Self { daemon, directory, address: String::from_utf8(address).unwrap() }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Builder::address(self.address.as_str()).build().await.unwrap()
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// The real daemon.
pub(crate) struct Agentd(Child);

impl Agentd {
    /// Starts it and returns when it said READY=1, with a client of it.
    pub(crate) async fn start(bus: &PrivateBus, settings: &str) -> (Self, Agent1Proxy<'static>) {
        let path = bus.directory.path();
        let config = path.join("testudo.toml");
        std::fs::write(&config, settings).unwrap();
        let notify = path.join("notify");
        let _ = std::fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_testudo-agentd"))
            .arg("--config")
            .arg(config)
            .env_clear()
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .env("STATE_DIRECTORY", path.join("state"))
            .env("NOTIFY_SOCKET", &notify)
            .spawn()
            .unwrap();
        let mut said = [0; 4096];
        let length = socket.recv(&mut said).expect("the daemon did not get ready");
        let said = String::from_utf8_lossy(&said[..length]);
        assert!(said.contains("READY=1") && said.contains("STATUS=Conversations: "), "{said}");
        let client = Agent1Proxy::new(&bus.connect().await).await.unwrap();
        (Self(child), client)
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> ExitStatus {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Agentd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a step that must not hang.
pub(crate) async fn soon<T>(what: &str, step: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, step).await.unwrap_or_else(|_| panic!("{what} hangs"))
}

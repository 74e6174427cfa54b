//! An appliance with a stage set around it: what probes look for outside of their call.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_appliance::Plan;

use crate::attacks::control::{self, Control};
use crate::attacks::table::Attack;
use crate::{Scene, Started, wait};

/// Two halves, so that no command line that carries them holds the whole.
const SECRET: (&str, &str) = ("of-another", "-session-2b7e");
const LEAKED: (&str, &str) = ("of-the-runner", "-9f04");

/// What came of one attack.
#[derive(Debug, Clone)]
pub struct Made {
    /// Whether it got through.
    pub reached: bool,
    /// What stopped it, or how it got through.
    pub detail: String,
}

/// An appliance, a stage around it, and a call of another session that sleeps.
pub struct Field {
    /// The appliance.
    pub scene: Scene,
    stage: Vec<(&'static str, String)>,
    neighbour: Option<Started>,
    before: Vec<i32>,
    _units: Option<TempDir>,
    folder: TempDir,
    _listeners: (TcpListener, UnixListener, UnixListener),
}

impl Field {
    /// Starts an appliance without some controls.
    ///
    /// # Panics
    /// When it does not start.
    pub fn without(missing: &[Control]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("testudo-stage-").tempdir_in("/var/tmp").expect("a folder");
        let place = folder.path();
        let open = |path: &PathBuf, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
        };
        open(&place.to_path_buf(), 0o755);
        fs::write(place.join("secret"), [SECRET.0, SECRET.1].concat()).expect("it is ours");
        fs::write(place.join("leaked"), [LEAKED.0, LEAKED.1].concat()).expect("it is ours");
        let engine = UnixListener::bind(place.join("engine.sock")).expect("a socket");
        open(&place.join("engine.sock"), 0o777);
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let name = place.file_name().expect("it has one").to_string_lossy().into_owned();
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let local = UnixListener::bind_addr(&address).expect("it is free");
        let key = 0x7e57_0000 + std::process::id();
        let stage = vec![
            ("machine-file", place.join("secret").display().to_string()),
            ("machine-folder", "/var/tmp".to_owned()),
            ("secret-head", SECRET.0.to_owned()),
            ("secret-tail", SECRET.1.to_owned()),
            ("leaked-head", LEAKED.0.to_owned()),
            ("leaked-tail", LEAKED.1.to_owned()),
            ("engine", place.join("engine.sock").display().to_string()),
            ("tcp", tcp.local_addr().expect("it has one").port().to_string()),
            ("udp", echo().to_string()),
            ("abstract", name),
            ("shared-memory", key.to_string()),
        ];
        let mut units = None;
        let scene = Scene::with(|plan| {
            units = control::take_out(plan, missing);
            plan.set("toold", "burst", 10_000).set("toold", "calls_per_minute", 10_000);
            plan.visible.push(place.to_path_buf());
            leak(plan, &place.join("leaked"), place.join("sandbox"));
        });
        if control::changes_user(missing) {
            fs::set_permissions(scene.appliance.workspace(), fs::Permissions::from_mode(0o755))
                .expect("root may");
        }
        let mut field = Self {
            before: scene.pids(),
            scene,
            stage,
            neighbour: None,
            _units: units,
            folder,
            _listeners: (tcp, local, engine),
        };
        field.furnish(key);
        field
    }

    fn furnish(&mut self, key: u32) {
        let probe = Plan::bin_dir_of_test().expect("a test knows where it is").join("testudo-probe");
        self.scene.put("probe", "");
        let inside = self.scene.appliance.workspace().join("probe");
        fs::copy(probe, &inside).expect("the probe is built");
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755)).expect("root may");
        let made = format!("exit !defined shmget({key}, 16, 01666)");
        self.outside_of_units(&["perl", "-e", &made]);
        let name = self.outside_of_units(&["hostname"]).trim().to_owned();
        self.stage.push(("host-name", name));
    }

    /// What a program says that runs where the units' own namespaces of names and shared memory begin.
    fn outside_of_units(&self, command: &[&str]) -> String {
        let daemon = self.scene.appliance.pid_of("auditd").expect("it runs");
        let status = fs::read_to_string(format!("/proc/{daemon}/status")).expect("it runs");
        let supervisor =
            status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("it has one").trim();
        let mut entered = Command::new("nsenter");
        entered.args(["--target", supervisor, "--ipc", "--uts"]).args(command).stdin(Stdio::null());
        let output = entered.output().expect("nsenter can be started");
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Has another session run a call that holds secrets and sleeps.
    ///
    /// # Panics
    /// When it does not come to that.
    pub fn meet_neighbour(&mut self) {
        let secret = [SECRET.0, SECRET.1].concat();
        let command = format!(
            "echo {secret} > neighbour; sh -c 'sleep 1000; true' {secret} & touch sleeping; exec sleep 1000"
        );
        let arguments = json!({ "command": command }).to_string();
        let call = ["call", "shell.run", &arguments, "--session", "neighbour", "--json"];
        self.neighbour = Some(self.scene.ctl_start(&call));
        wait("the neighbour", || {
            uppers(&self.scene).into_iter().find(|upper| upper.join("sleeping").exists())
        });
    }

    /// Makes one attack through `testudoctl`, `toold` and the sandbox.
    pub fn make(&self, attack: &Attack) -> Made {
        let stage =
            self.stage.iter().map(|(key, value)| format!("'{key}={value}'")).collect::<Vec<_>>().join(" ");
        let command = attack.command.clone().unwrap_or_else(|| format!("./probe {} {stage}", attack.id));
        let mut arguments = json!({ "command": command });
        if let Some(limit) = attack.timeout_ms {
            arguments["timeout_ms"] = limit.into();
        }
        let answer = self.scene.call("shell.run", &arguments);
        let stdout = answer.pointer("/result/content/stdout").and_then(Value::as_str).unwrap_or_default();
        let said = stdout.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
        match said {
            Some(said) if said["probe"] == attack.id.as_str() => Made {
                reached: said["reached"] == true,
                detail: said["detail"].as_str().unwrap_or_default().to_owned(),
            },
            _ => Made { reached: false, detail: silence(&answer) },
        }
    }

    /// The daemons are the same processes as before, and do their work.
    ///
    /// # Panics
    /// When one was harmed.
    pub fn unharmed(self) {
        let answer = self.scene.call("echo", &json!({ "text": "still here" }));
        assert_eq!(answer["result"]["content"]["text"], "still here", "{answer}");
        assert_eq!(self.scene.pids(), self.before, "no daemon was restarted");
        let verified = self.scene.ctl(&["audit", "verify", "--json"]);
        assert_eq!(verified.json()["ok"], true, "{verified:?}");
        drop(self.scene);
        self.neighbour.into_iter().for_each(|neighbour| drop(neighbour.finish()));
        drop(self.folder);
    }
}

/// Says why there was no answer of a probe: it must be what its attack is about, never a mishap.
fn silence(answer: &Value) -> String {
    let content = &answer["result"]["content"];
    let mut stderr = content["stderr"].as_str().unwrap_or_default().to_owned();
    stderr.truncate(200);
    format!(
        "SILENT: exit {}, signal {}, truncated {}, error {}, {stderr}",
        content["exit"], content["signal"], answer["result"]["truncated"], answer["error"]["code"]
    )
}

/// The runner starts with a descriptor of somebody's secret open, as a careless launcher would leave it.
fn leak(plan: &mut Plan, secret: &Path, wrapper: PathBuf) {
    let program =
        plan.binaries.get("sandbox").cloned().unwrap_or_else(|| plan.bin_dir.join("testudo-sandbox"));
    let text = format!("#!/bin/sh\nexec 9< {}\nexec {} \"$@\"\n", secret.display(), program.display());
    fs::write(&wrapper, text).expect("it is ours");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("it is ours");
    plan.binaries.insert("sandbox".to_owned(), wrapper);
}

/// A server on a port for datagrams that says everything back, as long as the test lives.
fn echo() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("it has one").port();
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(bytes.get(..length).unwrap_or_default(), from);
        }
    });
    port
}

/// What running calls wrote so far, as seen from outside.
fn uppers(scene: &Scene) -> Vec<PathBuf> {
    let instances = scene.appliance.instances("sandbox").expect("the supervisor answers");
    let scratches = instances.into_iter().flat_map(|pid| {
        ["run/scratch", "var/tmp"].map(|place| PathBuf::from(format!("/proc/{pid}/root/{place}")))
    });
    let calls = scratches.filter_map(|scratch| fs::read_dir(scratch).ok()).flatten().flatten();
    calls.map(|call| call.path().join("upper")).collect()
}

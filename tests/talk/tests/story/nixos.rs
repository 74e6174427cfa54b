//! The homeserver of `services.testudo.matrix.localHomeserver`, started: what the module writes for NixOS is run as NixOS and
//! systemd would run it, with Synapse from `PyPI`. Evaluated by `tests/nix/homeserver.nix`.
//!
//! Taken in place of what a machine with NixOS has: the folder of Synapse's programs, [`of_nixos`] (what NixOS's own module
//! adds, at places of the test's), systemd's folder of credentials, and users by their numbers.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use matrix_sdk::ruma::OwnedUserId;
use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_talk::human::Human;
use testudo_talk::synapse::{package, python};
use testudo_talk::timeline::PATIENCE;
use testudo_tests::{Scene, plan};
use tokio::task::block_in_place;

/// Whom `matrix-synapse` stands for, and the dynamic user of the unit that makes the accounts.
const SYNAPSE: u32 = 65_533;
const ACCOUNTS: u32 = 65_532;
/// As people write secrets into files: with a line's end.
const SECRETS: [(&str, &str); 4] = [
    ("testudo", "the agent's own password\n"),
    ("alice", "alice's first password\n"),
    ("store-key", "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0\n"),
    ("registration.yaml", "registration_shared_secret: a secret that nobody guesses\n"),
];

/// The homeserver, until the test ends.
struct Home {
    url: String,
    evaluated: Value,
    process: Child,
    folder: TempDir,
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn secret(name: &str) -> &'static str {
    SECRETS.iter().find(|(known, _)| *known == name).expect("it is one of ours").1.trim_end()
}

/// Writes a file that one user can read.
fn write(path: &Path, content: &str, user: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o400)).unwrap();
    chown(path, Some(user), Some(user)).unwrap();
}

fn folder(path: &Path, mode: u32, user: u32) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    chown(path, Some(user), Some(user)).unwrap();
}

/// What the module gives for secrets in this folder; none where there is no Nix.
fn evaluate(folder: &Path, port: u16) -> Option<Value> {
    let mut nix = Command::new("nix-instantiate");
    nix.args(["--eval", "--strict", "--json"]).arg(package().join("../nix/homeserver.nix"));
    nix.arg("--argstr").arg("secrets").arg(folder.join("secrets"));
    nix.args(["--arg", "port", &port.to_string()]);
    // Evaluation writes nothing, so it needs no store but a place to pretend one.
    for variable in ["NIX_STATE_DIR", "NIX_LOG_DIR", "NIX_CONF_DIR", "HOME"] {
        nix.env(variable, folder.join("nix"));
    }
    let output = match nix.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let evaluated: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(evaluated["failed"], json!([]));
    Some(evaluated)
}

/// What `services.matrix-synapse` adds to the settings that we make, with its data in this folder.
fn of_nixos(settings: &Value, data: &Path) -> Value {
    let mut settings = settings.clone();
    settings["report_stats"] = json!(false);
    settings["max_upload_size"] = json!("50M");
    settings["pid_file"] = json!(data.join("matrix-synapse.pid"));
    settings["signing_key_path"] = json!(data.join("homeserver.signing.key"));
    settings["media_store_path"] = json!(data.join("media_store"));
    settings["database"]["args"] = json!({ "database": data.join("homeserver.db") });
    settings
}

/// This user, or ourselves where the Python is in a home that nobody else may enter.
fn able(user: u32) -> u32 {
    let python = Command::new(python()).args(["-c", ""]).uid(user).gid(user).current_dir("/").output();
    if python.is_ok_and(|said| said.status.success()) { user } else { 0 }
}

fn programs() -> PathBuf {
    python().parent().expect("a program is in a folder").to_path_buf()
}

impl Home {
    /// Starts it as its unit does; none where there is no Nix.
    fn start() -> Option<Self> {
        let user = able(SYNAPSE);
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let [secrets, data] = ["secrets", "data"].map(|name| root.path().join(name));
        folder(&secrets, 0o755, 0);
        folder(&data, 0o700, user);
        for (name, content) in SECRETS {
            // Only the registration's secret is for Synapse to read; systemd reads the others, as root.
            write(&secrets.join(name), content, if name == "registration.yaml" { user } else { 0 });
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let evaluated = evaluate(root.path(), port)?;
        let file = root.path().join("homeserver.yaml");
        fs::write(&file, of_nixos(&evaluated["settings"], &data).to_string()).unwrap();

        let synapse = || {
            let mut command = Command::new(programs().join("synapse_homeserver"));
            command.arg("--config-path").arg(&file).arg("--keys-directory").arg(&data);
            command.current_dir(&data).uid(user).gid(user).stdin(Stdio::null());
            command
        };
        let keys = synapse().arg("--generate-keys").output().unwrap();
        assert!(keys.status.success(), "{keys:?}");
        let mut command = synapse();
        for extra in evaluated["extraConfigFiles"].as_array().unwrap() {
            command.args(["--config-path", extra.as_str().unwrap()]);
        }
        let said = fs::File::create(root.path().join("said")).unwrap();
        let process = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap();
        let url = evaluated["matrixd"]["homeserver"].as_str().unwrap().to_owned();
        let mut home = Self { url, evaluated, process, folder: root };
        home.wait_ready(port);
        Some(home)
    }

    fn wait_ready(&mut self, port: u16) {
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || fs::read_to_string(self.folder.path().join("said")).unwrap();
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not start: {}", said());
            // Between two looks at another process.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs the unit that makes the accounts, as systemd does; what each of its commands said.
    fn accounts(&self) -> Vec<Output> {
        let user = able(ACCOUNTS);
        let unit = self.evaluated["accounts"].as_str().unwrap();
        let lines = |key: &'static str| unit.lines().filter_map(move |line| line.strip_prefix(key));
        let credentials = tempfile::tempdir_in(self.folder.path()).unwrap();
        fs::set_permissions(credentials.path(), Permissions::from_mode(0o500)).unwrap();
        chown(credentials.path(), Some(user), Some(user)).unwrap();
        for (name, from) in lines("LoadCredential=").map(|line| line.split_once(':').unwrap()) {
            write(&credentials.path().join(name), &fs::read_to_string(from).unwrap(), user);
        }
        let run = |line: &str| {
            let line = line.replace("%d", credentials.path().to_str().unwrap());
            let mut words = line.split_whitespace();
            let program = Path::new(words.next().unwrap()).strip_prefix("/nix/store/x-matrix-synapse/bin");
            let mut command = Command::new(programs().join(program.unwrap()));
            command.args(words).uid(user).gid(user).current_dir("/").stdin(Stdio::null()).output()
        };
        lines("ExecStart=").map(|line| run(line).unwrap()).collect()
    }

    /// Asks it something; the status and what it says.
    async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let method = method.parse().unwrap();
        let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn login(&self, name: &str) -> String {
        let user = json!({ "type": "m.id.user", "user": name });
        let login = json!({ "type": "m.login.password", "identifier": user, "password": secret(name) });
        let (status, answer) = self.ask("POST", "/_matrix/client/v3/login", "", &login).await;
        assert_eq!(status, 200, "{name}: {answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Where it listens, as the kernel has it: addresses and ports in hexadecimal digits.
    fn listens(&self) -> Vec<String> {
        let of = |pid: u32| {
            let own = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
            own.filter_map(|entry| fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned)).collect()
        };
        let own: Vec<String> = of(self.process.id());
        let mut found = Vec::new();
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            let text = fs::read_to_string(format!("/proc/{}/net/{table}", self.process.id())).unwrap();
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                // 0A is LISTEN; datagrams have no such state.
                let waits = fields[3] == "0A" || table.starts_with("udp");
                if waits && own.contains(&format!("socket:[{}]", fields[9])) {
                    found.push(fields[1].to_owned());
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_homeserver_of_the_nixos_module_serves_its_two_accounts_and_nobody_else() {
    let Some(home) = block_in_place(Home::start) else {
        eprintln!("skip: nix-instantiate is not installed");
        return;
    };
    for round in 1..=2 {
        for said in block_in_place(|| home.accounts()) {
            assert!(said.status.success(), "round {round}: {said:?}");
        }
    }
    let (alice, testudo) = (home.login("alice").await, home.login("testudo").await);
    for token in [&alice, &testudo] {
        let (status, _) = home.ask("GET", "/_synapse/admin/v2/users", token, &json!({})).await;
        assert_eq!(status, 403, "nobody is an administrator");
    }
    let (status, said) = home.ask("POST", "/_matrix/client/v3/register", "", &json!({})).await;
    assert_eq!((status, &said["errcode"]), (403, &json!("M_FORBIDDEN")), "nobody registers");
    for path in ["/_matrix/federation/v1/version", "/_matrix/key/v2/server"] {
        assert_eq!(home.ask("GET", path, "", &json!({})).await.0, 404, "no other server is answered: {path}");
    }
    let listens = home.listens();
    assert!(listens.len() == 1 && listens[0].starts_with("0100007F:"), "on loopback alone: {listens:?}");

    // The outcome of a question must not wait behind Synapse's limit of its own, ten at once and one in five seconds.
    let (_, room) = home.ask("POST", "/_matrix/client/v3/createRoom", &testudo, &json!({})).await;
    let room = room["room_id"].as_str().unwrap();
    let (_, encryption) = home
        .ask("GET", &format!("/_matrix/client/v3/rooms/{room}/state/m.room.encryption"), &testudo, &json!({}))
        .await;
    assert_eq!(encryption["algorithm"], "m.megolm.v1.aes-sha2", "every room is encrypted");
    for number in 0..40 {
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}");
        let (status, said) =
            home.ask("PUT", &path, &testudo, &json!({ "msgtype": "m.text", "body": "x" })).await;
        assert_eq!(status, 200, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_talks_on_the_homeserver_of_the_nixos_module() {
    let Some(home) = block_in_place(Home::start) else {
        eprintln!("skip: nix-instantiate is not installed");
        return;
    };
    for said in block_in_place(|| home.accounts()) {
        assert!(said.status.success(), "{said:?}");
    }
    let settings = home.evaluated["matrixd"].as_object().unwrap().clone();
    let with_line_end = |name: &str| format!("{}\n", secret(name));
    let scene = block_in_place(|| {
        Scene::with(|empty| {
            let mut plan = plan();
            let text = |key: &str| settings[key].as_str().unwrap().to_owned();
            plan.matrix(
                &text("homeserver"),
                &text("user"),
                &with_line_end("testudo"),
                &with_line_end("store-key"),
            );
            for (key, value) in &settings {
                plan.set("matrixd", key, value);
            }
            *empty = plan;
        })
    });
    let alice = Human::login_at(&home.url, "alice", secret("alice")).await;
    // As her client does at the first login; the agent gives its keys to signed devices alone.
    alice.client.encryption().bootstrap_cross_signing(None).await.unwrap();
    let bot = OwnedUserId::try_from(settings["user"].as_str().unwrap()).unwrap();
    let room = alice.create_room(&[&bot]).await;
    alice.member(&room, &bot, "join").await;
    alice.say(&room, "say good-morning").await;
    let answer = alice.hears(&room, "good-morning").await;
    assert!(answer.sealed && answer.sender == bot.as_str(), "{answer:?}");
    drop(scene);
}

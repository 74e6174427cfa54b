//! A scene: a whole appliance with the shipped daemons, and short ways to act in it as people and as daemons do.
//!
//! Start with [`Scene::start`]; [`Scene::with`] changes the plan, [`ablated`] takes one control out of one program.

pub mod attacks;
pub mod outside;
pub mod travel;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testudo_appliance::{Appliance, Plan};

/// How long a test waits for something that should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running appliance.
pub struct Scene {
    /// The appliance itself.
    pub appliance: Appliance,
}

/// What a program said and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its exit status; -1 when a signal ended it.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The JSON that it printed.
    ///
    /// # Panics
    /// When that is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }
}

/// A program that still runs.
pub struct Started(std::process::Child);

impl Started {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end soon: nothing that fails may hang.
    pub fn finish(self) -> Said {
        let (sender, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || sender.send(self.0.wait_with_output()));
        let output =
            ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it did not end within {PATIENCE:?}"));
        Said::of(&output.expect("a child can be waited for"))
    }
}

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository")
}

/// The shipped appliance, not yet started.
///
/// # Panics
/// When the daemons are not built: `cargo build --workspace` builds them.
pub fn plan() -> Plan {
    let binaries = Plan::bin_dir_of_test().expect("a test knows where it is");
    Plan::from_repo(repository(), &binaries).expect("the daemons are built")
}

/// Has the agent talk, with an account at a homeserver that never answers, and these owners.
pub fn talking(plan: &mut Plan, owners: &[&str]) {
    plan.matrix(
        "http://127.0.0.1:9",
        "@testudo:example.org",
        "a password",
        "a key of the store, long enough",
    );
    plan.set("matrixd", "owners", owners);
}

/// Puts the harness program in place of a shipped one, with one control taken out.
pub fn ablated(plan: &mut Plan, program: &str, control: &str) {
    plan.binaries.insert(program.to_owned(), plan.bin_dir.join("testudo-ablated"));
    let arguments = ["--program", program, "--without", control].map(str::to_owned);
    plan.arguments.insert(program.to_owned(), arguments.to_vec());
}

impl Scene {
    /// The shipped appliance.
    ///
    /// # Panics
    /// When it does not start; what the daemons said is shown.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// The shipped appliance with something changed.
    ///
    /// # Panics
    /// As [`Scene::start`].
    pub fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = plan();
        change(&mut plan);
        let appliance =
            Appliance::start(plan).unwrap_or_else(|error| panic!("the appliance does not start: {error}"));
        Self { appliance }
    }

    /// Runs `testudoctl` to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn ctl(&self, arguments: &[&str]) -> Said {
        let output = self.appliance.testudoctl().args(arguments).stdin(Stdio::null()).output();
        Said::of(&output.expect("testudoctl can be started"))
    }

    /// Starts `testudoctl` and goes on.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn ctl_start(&self, arguments: &[&str]) -> Started {
        let mut command = self.appliance.testudoctl();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Started(command.spawn().expect("testudoctl can be started"))
    }

    /// Calls a tool as the operator and returns the answer of `testudoctl call --json`.
    ///
    /// # Panics
    /// When the answer is not JSON.
    pub fn call(&self, tool: &str, arguments: &Value) -> Value {
        self.ctl(&["call", tool, &arguments.to_string(), "--json"]).json()
    }

    /// Starts a tool call and goes on.
    pub fn call_start(&self, tool: &str, arguments: &Value) -> Started {
        self.ctl_start(&["call", tool, &arguments.to_string(), "--json"])
    }

    /// Runs a shell command in the sandbox and returns its result, or the error of the call.
    pub fn shell(&self, command: &str) -> Value {
        let answer = self.call("shell.run", &serde_json::json!({ "command": command }));
        answer.pointer("/result/content").or_else(|| answer.get("error")).cloned().unwrap_or(answer)
    }

    /// The pending approvals.
    ///
    /// # Panics
    /// When they cannot be listed.
    pub fn approvals(&self) -> Vec<Value> {
        let said = self.ctl(&["approvals", "--json"]);
        said.json().as_array().unwrap_or_else(|| panic!("no list: {said:?}")).clone()
    }

    /// Waits for the next approval that is not among `known`.
    ///
    /// # Panics
    /// When none comes.
    pub fn next_approval(&self, known: &[&str]) -> Value {
        let known: Vec<Value> = known.iter().map(|id| Value::from(*id)).collect();
        wait("an approval", || self.approvals().into_iter().find(|approval| !known.contains(&approval["id"])))
    }

    /// Says yes to an approval.
    ///
    /// # Panics
    /// When the yes is not taken.
    pub fn approve(&self, approval: &Value) {
        let said = self.ctl(&["approve", approval["id"].as_str().expect("an id")]);
        assert_eq!(said.status, 0, "{said:?}");
    }

    /// The audit log, oldest first.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn log(&self) -> Vec<Value> {
        let said = self.ctl(&["audit", "log", "--limit", "1000", "--json"]);
        said.json().as_array().unwrap_or_else(|| panic!("no list: {said:?}")).clone()
    }

    /// The events of the audit log that belong to a call, oldest first.
    pub fn story(&self, call: &str) -> Vec<String> {
        let of_call = |record: &Value| record["call"] == call;
        self.log().into_iter().filter(of_call).map(|record| text(&record, "event")).collect()
    }

    /// Whether the log has a record with this event for which `matches` holds.
    pub fn recorded(&self, event: &str, matches: impl Fn(&Value) -> bool) -> bool {
        self.log().iter().any(|record| record["event"] == event && matches(record))
    }

    /// The processes of all daemons, as seen from outside.
    ///
    /// # Panics
    /// When one does not run.
    pub fn pids(&self) -> Vec<i32> {
        let daemons = ["policyd", "auditd", "toold", "agentd", "modeld", "egressd"];
        daemons.iter().map(|daemon| self.appliance.pid_of(daemon).expect("it runs")).collect()
    }

    /// Calls a method as one of the users of the appliance, straight on the bus.
    /// `arguments` are `s:TEXT`, `r:COUNT=TEXT` for a text so many times, `t:NUMBER`, `u:NUMBER`, `b:true`, `h:TEXT` for an
    /// open file with this text, or `o:KEY=VALUE,…` for options.
    ///
    /// # Panics
    /// When the caller cannot be started.
    pub fn as_user(&self, user: &str, interface: &str, member: &str, arguments: &[&str]) -> Said {
        let program = Plan::bin_dir_of_test().expect("a test knows where it is").join("testudo-caller");
        let mut command = self.appliance.run_as(user, program).expect("the user exists");
        Said::of(
            &command.arg(interface).arg(member).args(arguments).output().expect("the caller can be started"),
        )
    }

    /// The content of a file of the workspace.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.appliance.workspace().join(path)).ok()
    }

    /// Puts a file into the workspace, as its owner would.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn put(&self, path: &str, content: &str) {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let workspace = self.appliance.workspace();
        let owner = std::fs::metadata(workspace).expect("the workspace is there");
        let path = workspace.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("a folder can be made");
            chown(folder, Some(owner.uid()), Some(owner.gid())).expect("root may chown");
        }
        std::fs::write(&path, content).expect("a file can be written");
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("root may chown");
    }
}

/// A member as text; empty when it is none.
pub fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Waits until `find` finds something.
///
/// # Panics
/// When it does not for long.
pub fn wait<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come within {PATIENCE:?}");
        // Between two looks at another process; what is waited for is the finding, not the time.
        std::thread::sleep(Duration::from_millis(20));
    }
}

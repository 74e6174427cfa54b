//! An appliance with a policy of its own, and the hand that submits changes to it.

use std::path::PathBuf;

use serde_json::{Value, json};
use testudo_appliance::Plan;
use testudo_tests::{Said, Scene, text};

const BASE: &str = r#"
[[rule]]
name = "base-echo"
action = "allow"
match = { tool = "echo" }

[[rule]]
name = "base-write"
action = "allow"
match = { effect = "write", phase = "call" }

[[rule]]
name = "base-apply"
action = "ask"
match = { phase = "apply" }

[[rule]]
name = "base-keep"
action = "deny"
match = { phase = "apply", path = "kept/**" }
"#;

/// An appliance with a policy of its own, and a folder for what is submitted.
pub(crate) struct Place {
    pub(crate) scene: Scene,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let base = folder.path().join("base.toml");
        std::fs::write(&base, BASE).unwrap();
        let scene = Scene::with(|plan| {
            plan.visible.push(folder.path().to_path_buf());
            plan.set("policyd", "rules", vec![base]);
            change(plan);
        });
        Self { scene, folder }
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Submits a file.
    pub(crate) fn update(&self, name: &str, text: &str) -> Said {
        self.scene.ctl(&["policy", "update", &self.file(name, text), "--json"])
    }

    /// Submits a file that is right, and returns the report.
    pub(crate) fn submit(&self, name: &str, text: &str) -> Value {
        let said = self.update(name, text);
        assert_eq!(said.status, 0, "{said:?}");
        said.json()
    }

    pub(crate) fn approve(&self, report: &Value, more: &[&str]) -> Said {
        let id = text(report, "approval");
        self.scene.ctl(&[&["approve", &id], more].concat())
    }

    /// Straight on the bus, as the channel of a person would.
    pub(crate) fn approve_as(&self, user: &str, report: &Value, options: &str) -> Said {
        let id = text(report, "approval");
        let question = self.question(&id);
        let digest = question.map(|question| text(&question, "digest")).unwrap_or_default();
        self.scene.as_user(user, "Policy1", "Approve", &[&format!("s:{id}"), &format!("s:{digest}"), options])
    }

    pub(crate) fn question(&self, id: &str) -> Option<Value> {
        self.scene.approvals().into_iter().find(|approval| approval["id"] == id)
    }

    pub(crate) fn echo(&self) -> String {
        let answer = self.scene.call("echo", &json!({ "text": "x" }));
        text(&answer, "verdict")
    }

    pub(crate) fn echoes(&self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.echo(), "allow");
        }
    }

    pub(crate) fn files(&self) -> Value {
        self.scene.ctl(&["policy", "show", "--json"]).json()
    }

    pub(crate) fn origin(&self, name: &str) -> Option<String> {
        let files = self.files();
        let file = files["files"].as_array().unwrap().iter().find(|file| file["name"] == name)?;
        Some(text(file, "origin"))
    }

    pub(crate) fn on_shelf(&self, file: &str) -> PathBuf {
        self.scene.appliance.state_dir().join("lib/policyd/policy").join(file)
    }

    pub(crate) fn restart(&self) {
        self.scene.appliance.kill9("policyd").unwrap();
        self.scene.appliance.wait_ready("policyd").unwrap();
    }
}

pub(crate) fn deny(name: &str, tool: &str) -> String {
    format!(
        "[[rule]]\nname = \"{name}\"\naction = \"deny\"\nmatch = {{ tool = \"{tool}\" }}\nreason = \"no\"\n"
    )
}

pub(crate) fn allow(name: &str, tool: &str) -> String {
    deny(name, tool).replace("\"deny\"", "\"allow\"")
}

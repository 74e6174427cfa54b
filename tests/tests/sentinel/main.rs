//! The sentinel through the shipped daemons: it tightens and never loosens, sees all of an action and nothing of what
//! tools gave, and fails closed.

mod failure;
mod model;
mod sight;
mod switching;
mod tightening;
mod vouching;
mod workspace;

use serde_json::{Value, json};
use testudo_appliance::Plan;
use testudo_tests::{Scene, Started, repository, text};

/// Rules in plain language that the built-in judge understands, for the tool `echo`.
pub const RULES: &str = r#"
[[judge]]
id = "asks"
trigger = { tool = "echo" }
question = 'Is it harmless? deny when "tricky"'
mode = "ask"
reason = "it may be tricky"

[[judge]]
id = "blocks"
trigger = { tool = "echo" }
question = 'Is it allowed? deny when "forbidden" ask when "careful"'
mode = "block"
disableable = true
reason = "forbidden words"

[[judge]]
id = "fixed"
trigger = { tool = "echo" }
question = 'Is it never? deny when "never"'
mode = "block"
reason = "never words"
"#;

/// A policy file beside the shipped one.
pub struct Rules(tempfile::TempDir);

impl Rules {
    /// A file with this text.
    pub fn new(text: &str) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("plain.toml"), text).unwrap();
        Self(folder)
    }

    /// Puts it in force.
    pub fn of(&self, plan: &mut Plan) {
        let shipped = repository().join("policies/default.toml").canonicalize().unwrap();
        plan.visible.push(self.0.path().to_path_buf());
        plan.set("policyd", "rules", [shipped, self.0.path().join("plain.toml")]);
    }
}

/// Calls `echo` in the session `main` and gives the answer.
pub fn echo(scene: &Scene, said: &str) -> Value {
    call(scene, "echo", &json!({ "text": said }))
}

/// Calls a tool in the session `main` and gives the answer.
pub fn call(scene: &Scene, tool: &str, arguments: &Value) -> Value {
    scene.ctl(&["call", tool, &arguments.to_string(), "--session", "main", "--json"]).json()
}

/// Starts `echo` in a session, for a call that waits for a person.
pub fn echo_in(scene: &Scene, session: &str, said: &str) -> Started {
    let arguments = json!({ "text": said }).to_string();
    scene.ctl_start(&["call", "echo", &arguments, "--session", session, "--json"])
}

/// Calls `echo`, expects that a person is asked, and says no; gives the question.
pub fn asked(scene: &Scene, session: &str, said: &str) -> Value {
    let call = echo_in(scene, session, said);
    let approval = scene.next_approval(&[]);
    let denied = scene.ctl(&["deny", &text(&approval, "id"), "--reason", "the test is over"]);
    assert_eq!(denied.status, 0, "{denied:?}");
    assert_eq!(call.finish().json()["error"]["code"], "CONFIRMATION_DENIED");
    approval
}

/// The rules that spoke, in a question.
pub fn spoke(approval: &Value) -> Vec<String> {
    approval["reasons"].as_array().unwrap().iter().map(|reason| text(reason, "rule")).collect()
}

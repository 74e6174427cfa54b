//! What a plan's step would change, where its arguments alone say it. Pure.
//!
//! Only `fs.write` is foreseen, and only what the plan says in words: that a file is new, or with an explicit
//! `mode: "overwrite"` that one may be replaced. What cannot be foreseen is asked about when it is known.

use testudo::action::{Action, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::plan::foreseen;
use testudo_sandbox::changeset::sha256;

/// Every way in which the changes of this call may be applied without another question.
pub fn applications(call: &Judged) -> Vec<Judged> {
    let argument = |key: &str| call.action.arguments.get(key).and_then(serde_json::Value::as_str);
    if call.action.tool != "fs.write" {
        return Vec::new();
    }
    let kinds: &[&str] = match argument("mode") {
        None | Some("create") => &["add"],
        Some("overwrite") => &["add", "modify"],
        Some(_) => &[],
    };
    let (Some(path), Some(content)) = (argument("path").and_then(plain), argument("content")) else {
        return Vec::new();
    };
    kinds.iter().filter_map(|kind| application(call, &path, kind, content)).collect()
}

fn application(call: &Judged, path: &str, kind: &str, content: &str) -> Option<Judged> {
    let change = ChangeSummary {
        path: path.to_owned(),
        kind: kind.to_owned(),
        size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        mode: Some(0o644),
        sha256: Some(sha256(content.as_bytes())),
        target: None,
        ..ChangeSummary::default()
    };
    let action = Action {
        effect: Effect::Write,
        phase: Phase::Apply,
        change_set: Some("foreseen".to_owned()),
        ..call.action.clone()
    };
    let mut judged = Judged { action, changes: vec![change], ..call.clone() };
    judged.action.change_set = Some(foreseen(&judged)?);
    Some(judged)
}

/// The path as a change set names it; none for one that leads up, or is none.
fn plain(path: &str) -> Option<String> {
    let relative = match path.strip_prefix("/workspace/") {
        Some(below) => below,
        None if path.starts_with('/') => return None,
        None => path,
    };
    let parts: Vec<&str> = relative.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use testudo::identity::Principal;

    fn call(tool: &str, arguments: Value) -> Judged {
        let action = Action {
            tool: tool.into(),
            arguments,
            effect: Effect::Write,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: None,
        };
        Judged::new(action, "c")
    }

    fn kinds(arguments: Value) -> Vec<(String, String)> {
        let found = applications(&call("fs.write", arguments));
        found.iter().map(|judged| (judged.changes[0].kind.clone(), judged.changes[0].path.clone())).collect()
    }

    #[test]
    fn only_what_the_plan_says_in_words_is_foreseen() {
        let add = ("add".to_owned(), "a/b".to_owned());
        let modify = ("modify".to_owned(), "a/b".to_owned());
        assert_eq!(kinds(json!({"path": "a/b", "content": "x"})), std::slice::from_ref(&add));
        assert_eq!(
            kinds(json!({"path": "/workspace//a/./b", "content": "x", "mode": "create"})),
            std::slice::from_ref(&add)
        );
        assert_eq!(kinds(json!({"path": "a/b", "content": "x", "mode": "overwrite"})), [add, modify]);
        assert_eq!(kinds(json!({"path": "a/b", "content": "x", "mode": "append"})), []);
        for path in ["../a", "a/../b", "/etc/passwd", "", "."] {
            assert_eq!(kinds(json!({"path": path, "content": "x"})), [], "{path}");
        }
        assert_eq!(applications(&call("shell.run", json!({"command": "x", "path": "a", "content": ""}))), []);
    }

    #[test]
    fn what_comes_about_as_foreseen_has_the_same_digest() {
        let call = call("fs.write", json!({"path": "a", "content": "hi"}));
        let ahead = applications(&call).remove(0);
        let mut real = ahead.clone();
        real.action.change_set = Some("the digest of the real change set".into());
        real.diff = Some("+hi".into());
        assert_eq!(foreseen(&real), foreseen(&ahead));
        real.changes[0].sha256 = Some(sha256(b"ho"));
        assert_ne!(foreseen(&real), foreseen(&ahead));
    }
}

//! Looks at a change set as a whole, which no rule about single paths can: asks before one that touches many paths
//! or paths that run by themselves later, and refuses one that deletes a good part of the workspace.
//!
//! It never allows anything: that is for the rules. It passes on everything that is narrow.

wit_bindgen::generate!({ path: "../../extension.wit", world: "extension" });

use exports::testudo::extension::rules::{Call, Change, Guest, Opinion, Phase};

/// More deletions than this are refused.
const MOST_DELETED: usize = 10;
/// More changed paths than this are asked about.
const MOST_CHANGED: usize = 25;
/// What other programs run without being told to: a change here acts after everybody has forgotten it.
const RUN_LATER: [&str; 6] =
    [".git/hooks/", ".github/workflows/", ".gitlab-ci.yml", ".envrc", ".husky/", ".pre-commit-config.yaml"];

struct WideChanges;

impl Guest for WideChanges {
    fn evaluate(call: Call) -> Opinion {
        match call.phase {
            Phase::Apply => judge(&call.changes),
            Phase::Call => Opinion::Pass,
        }
    }
}

fn judge(changes: &[Change]) -> Opinion {
    let deleted = changes.iter().filter(|change| matches!(change.kind.as_str(), "delete" | "rmdir")).count();
    if deleted > MOST_DELETED {
        return Opinion::Deny(format!("would delete {deleted} paths at once; the most is {MOST_DELETED}"));
    }
    if let Some(change) = changes.iter().find(|change| runs_later(&change.path)) {
        return Opinion::Ask(format!("{} is run by other programs later on", change.path));
    }
    if changes.len() > MOST_CHANGED {
        return Opinion::Ask(format!("would change {} paths at once", changes.len()));
    }
    Opinion::Pass
}

/// At the root of the workspace or of a repository inside of it.
fn runs_later(path: &str) -> bool {
    RUN_LATER.iter().any(|place| {
        let begins = |rest: &str| if place.ends_with('/') { rest.starts_with(place) } else { rest == *place };
        begins(path) || path.match_indices('/').any(|(slash, _)| begins(&path[slash + 1..]))
    })
}

export!(WideChanges);

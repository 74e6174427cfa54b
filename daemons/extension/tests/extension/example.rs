//! The example of `policies/extensions`, built as the guide says and asked about change sets.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use testudo::action::Phase;
use testudo::extension::{Facts, Opinion, Stance};
use testudo_extension::component::Components;

use super::{body, facts, repository};

/// Builds it once for all tests; what is built already is left to Cargo.
fn example() -> &'static Components {
    static EXAMPLE: OnceLock<Components> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("extensions");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--release", "--locked", "--target", "wasm32-unknown-unknown", "--target-dir"]);
        // What is meant for the machine's own programs is not for this one.
        cargo.arg(&target).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let built =
            cargo.current_dir(repository().join("policies/extensions/wide-changes")).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}\n(the target: rustup target add wasm32-unknown-unknown)");
        let module = std::fs::read(target.join("wasm32-unknown-unknown/release/wide_changes.wasm")).unwrap();
        let path = target.join("wide-changes.wasm");
        std::fs::write(&path, body::encode(&module)).unwrap();
        Components::load(&[path]).unwrap()
    })
}

fn judge(phase: Phase, changes: impl IntoIterator<Item = (String, &'static str)>) -> (Stance, String) {
    let changes = changes.into_iter().map(|(path, kind)| (path, kind.to_owned())).collect();
    let Opinion { component, stance, reason } =
        example().evaluate(0, &Facts { phase, changes, ..facts() }).unwrap();
    assert_eq!(component, "wide-changes");
    (stance, reason)
}

fn many(count: usize, kind: &'static str) -> impl Iterator<Item = (String, &'static str)> {
    (0..count).map(move |n| (format!("src/{n}.rs"), kind))
}

#[test]
fn narrow_changes_pass() {
    assert_eq!(judge(Phase::Apply, []), (Stance::Pass, String::new()));
    assert_eq!(judge(Phase::Apply, many(25, "modify")).0, Stance::Pass);
    assert_eq!(judge(Phase::Apply, many(10, "delete")).0, Stance::Pass);
    assert_eq!(judge(Phase::Call, many(30, "delete")).0, Stance::Pass);
}

#[test]
fn wide_ones_are_asked_about_and_mass_deletion_is_refused() {
    assert_eq!(
        judge(Phase::Apply, many(26, "modify")),
        (Stance::Ask, "would change 26 paths at once".into())
    );
    assert_eq!(
        judge(Phase::Apply, many(11, "delete").chain(many(1, "modify"))),
        (Stance::Deny, "would delete 11 paths at once; the most is 10".into())
    );
}

#[test]
fn what_runs_later_is_asked_about() {
    for path in [".git/hooks/pre-commit", "lib/x/.github/workflows/ci.yml", ".envrc", "a/.gitlab-ci.yml"] {
        let (stance, reason) = judge(Phase::Apply, [(path.to_owned(), "add")]);
        assert_eq!((stance, reason), (Stance::Ask, format!("{path} is run by other programs later on")));
    }
    for path in ["docs/.envrc.md", "git/hooks/x", ".github/workflows", "a.envrc"] {
        assert_eq!(judge(Phase::Apply, [(path.to_owned(), "add")]).0, Stance::Pass, "{path}");
    }
}

//! Extension rules from the component to `policyd`: what they may say, what they cannot do, and what becomes of
//! them when they try.
//!
//! Components are written in the text format, one body for each deed, except the example of `policies/extensions`,
//! which is built as its guide says. The process is the real one, behind an activator that plays systemd.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod activator;
mod body;
mod deeds;
mod example;
mod layer;
mod loading;
mod process;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use testudo::action::{Effect, Phase};
use testudo::extension::Facts;
use testudo::flow::{Finding, Origin};

/// A directory of components, each from its name and the body of its `evaluate`.
fn components(bodies: &[(&str, &str)]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let write = |(name, text): &(&str, &str)| {
        let path = directory.path().join(format!("{name}.wasm"));
        std::fs::write(&path, body::component(text)).unwrap();
        path
    };
    let paths = bodies.iter().map(write).collect();
    (directory, paths)
}

/// A call with something in every field.
fn facts() -> Facts {
    Facts {
        tool: "shell.run".into(),
        effects: BTreeSet::from([Effect::Execute, Effect::Destroy]),
        phase: Phase::Apply,
        session: "main".into(),
        requester: "operator alice".into(),
        arguments: r#"{"command":"make"}"#.into(),
        origins: BTreeMap::from([("command".into(), Origin::Found)]),
        taint: BTreeSet::from(["private".into(), "web:example.org".into()]),
        findings: vec![Finding { word: "lured".into(), text: "a page told it to".into() }],
        changes: vec![("Makefile".into(), "modify".into())],
    }
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

//! A tool root in the whole appliance: no tool runs on one that was not verified, and a verified one is what tools see.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use testudo_tests::{Scene, plan, text};

/// Makes a root of the host's shell, with a program that no host has.
const TREE: &str = r#"set -e; umask 022; mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$1/$name"; done
for name in sh bash cat; do
  program=$(readlink -f "$(type -P $name)"); cp "$program" "$1/usr/bin/$name"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$1$(dirname "$library")"; cp -L "$library" "$1$library"
  done
done
printf '#!/bin/sh\necho of the tool root\n' >"$1/usr/bin/marker"; chmod 0755 "$1/usr/bin/marker""#;

fn sandbox(arguments: &[&str]) -> Output {
    Command::new(plan().bin_dir.join("testudo-sandbox")).args(arguments).output().expect("it is built")
}

/// The path of a root below `place`, and its digest.
fn sealed(place: &Path) -> (String, String) {
    let root = place.join("root").display().to_string();
    assert!(
        Command::new("bash").args(["-c", TREE, "bash", &root]).status().expect("bash is there").success()
    );
    let said = sandbox(&["seal-root", &root, "--name", "try", "--root-version", "1"]);
    let said = String::from_utf8(said.stdout).expect("it is text");
    let digest = said.trim().rsplit_once('=').expect("it says the digest").1.to_owned();
    (root, digest)
}

/// An appliance whose sandboxes expect the root.
fn expecting(place: &Path, root: &str, digest: &str, stamp: &str) -> Scene {
    Scene::with(|plan| {
        plan.visible.push(place.to_path_buf());
        let arguments = ["--root", root, "--root-digest", digest, "--root-stamp", stamp];
        plan.arguments.insert("sandbox".to_owned(), arguments.map(str::to_owned).to_vec());
    })
}

#[test]
fn tools_run_on_the_verified_root_and_on_no_other() {
    let place = tempfile::Builder::new().prefix("testudo-root-").tempdir_in("/var/tmp").expect("a folder");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (root, digest) = sealed(place.path());
    let stamp = place.path().join("stamp.json").display().to_string();
    {
        let scene = expecting(place.path(), &root, &digest, &stamp);
        let answer = scene.call("shell.run", &json!({ "command": "marker" }));
        assert!(
            answer["error"]["message"].as_str().is_some_and(|why| why.contains("not verified")),
            "{answer}"
        );
    }
    let verified = sandbox(&["verify-root", &root, "--digest", &digest, "--stamp", &stamp]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    {
        let scene = expecting(place.path(), &root, &digest, &stamp);
        let said = scene.shell("marker; test -e /usr/bin/env || echo and of nothing else");
        assert_eq!(text(&said, "stdout"), "of the tool root\nand of nothing else\n", "{said}");
    }
    let scene = expecting(place.path(), &root, &"0".repeat(64), &stamp);
    let answer = scene.call("shell.run", &json!({ "command": "marker" }));
    assert!(answer["error"]["message"].as_str().is_some_and(|why| why.contains("is configured")), "{answer}");
}

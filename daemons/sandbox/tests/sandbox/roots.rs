//! A tool root in place of the host's programs: seen by calls when it is verified, and by none when it is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use testudo_sandbox::client::{ClientError, Instance};

use crate::launch::{Place, shell, text};

/// Makes a root of the host's shell and a few programs below `$1`, with a program that no host has.
const TREE: &str = r#"set -e; umask 022; mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" "$1/usr/lib64" "$1/etc/ssl/certs"
for name in bin sbin lib lib64; do ln -s "usr/$name" "$1/$name"; done
for name in sh cat ls; do
  program=$(readlink -f "$(type -P $name)"); cp "$program" "$1/usr/bin/$name"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$1$(dirname "$library")"; cp -L "$library" "$1$library"
  done
done
printf '#!/bin/sh\necho of the tool root\n' >"$1/usr/bin/marker"; chmod 0755 "$1/usr/bin/marker"
echo CERTIFICATE >"$1/etc/ssl/certs/ca-certificates.crt""#;

struct Root {
    place: Place,
    tree: PathBuf,
    stamp: PathBuf,
    digest: String,
    zygotes: Vec<Child>,
}

impl Root {
    fn sealed() -> Self {
        let place = Place::new();
        let home = place.workspace().parent().unwrap().to_owned();
        let (root, stamp) = (home.join("root"), home.join("stamp.json"));
        assert!(Command::new("bash").args(["-c", TREE, "bash"]).arg(&root).status().unwrap().success());
        let mut made = Self { place, tree: root, stamp, digest: String::new(), zygotes: Vec::new() };
        let said = sandbox(&["seal-root", &path(&made.tree), "--name", "try", "--root-version", "1"]);
        let line = format!("TOOL_ROOT={}\nTOOL_ROOT_DIGEST=", made.tree.display());
        text(&said.stdout).strip_prefix(&line).unwrap().clone_into(&mut made.digest);
        made
    }

    fn verify(&self) -> Output {
        sandbox(&["verify-root", &path(&self.tree), "--digest", &self.digest, "--stamp", &path(&self.stamp)])
    }

    /// A zygote that expects a root with this digest.
    fn zygote(&mut self, digest: &str) -> Instance {
        let [workspace, scratch] = [self.place.workspace(), self.place.scratch()].map(|place| path(&place));
        let [root, stamp] = [&self.tree, &self.stamp].map(|place| path(place));
        let arguments = [
            ["zygote", "--workspace", &workspace, "--scratch", &scratch].as_slice(),
            &["--root", &root, "--root-digest", digest, "--root-stamp", &stamp],
        ]
        .concat();
        let binary = env!("CARGO_BIN_EXE_testudo-sandbox");
        let (instance, process) = self.place.start(binary, false, &arguments);
        self.zygotes.push(process);
        instance
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        for zygote in &mut self.zygotes {
            let _ = zygote.kill();
            let _ = zygote.wait();
        }
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn sandbox(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_testudo-sandbox")).args(arguments).output().unwrap()
}

fn refused(instance: &mut Instance) -> String {
    let answer = instance.run(&shell("marker"));
    assert!(matches!(answer, Err(ClientError::Refused { .. })), "not refused: {answer:?}");
    answer.unwrap_err().to_string()
}

#[test]
fn calls_see_the_programs_of_a_verified_root_and_not_the_hosts() {
    let mut root = Root::sealed();
    let verified = root.verify();
    assert!(verified.status.success(), "{}", text(&verified.stderr));
    assert!(text(&verified.stdout).starts_with("try 1: "));
    let digest = root.digest.clone();
    let mut instance = root.zygote(&digest);
    let said = instance
        .run(&shell("marker; ls /usr/bin; cat /etc/ssl/certs/ca-certificates.crt; ls /usr/bin/env"))
        .unwrap();
    let stdout = text(&said.stdout);
    assert_eq!(stdout, "of the tool root\ncat\nls\nmarker\nsh\nCERTIFICATE", "{}", text(&said.stderr));
    assert!(text(&said.stderr).contains("/usr/bin/env"), "the host's program is there");
    for write in ["echo >/usr/bin/sh", "echo >>/etc/ssl/certs/ca-certificates.crt"] {
        let said = instance.run(&shell(write)).unwrap();
        assert_ne!(said.done.exit, Some(0), "{write}");
    }
}

#[test]
fn no_call_runs_without_a_verified_root() {
    let mut root = Root::sealed();
    let digest = root.digest.clone();
    let mut early = root.zygote(&digest);
    assert!(refused(&mut early).contains("it is not verified"));
    // A change of one byte, which the next verification finds.
    fs::write(root.tree.join("usr/bin/marker"), "#!/bin/sh\necho of the tool rooT\n").unwrap();
    let verified = root.verify();
    assert!(!verified.status.success());
    assert!(text(&verified.stderr).contains("usr/bin/marker has another content"), "{verified:?}");
    assert!(refused(&mut early).contains("it is not verified"));
    fs::write(root.tree.join("usr/bin/marker"), "#!/bin/sh\necho of the tool root\n").unwrap();
    assert!(root.verify().status.success());
    assert_eq!(text(&early.run(&shell("marker")).unwrap().stdout), "of the tool root");
    let mut other = root.zygote(&"0".repeat(64));
    assert!(refused(&mut other).contains("is configured"));
    // A later verification that fails takes the earlier one's word back.
    fs::set_permissions(root.tree.join("usr/bin"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!root.verify().status.success());
    assert!(refused(&mut early).contains("it is not verified"));
}

#[test]
fn a_root_without_its_digest_starts_no_runner() {
    let said = sandbox(&["zygote", "--workspace", "/w", "--scratch", "/s", "--root", "/r"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said.stderr).contains("--root-digest"), "{said:?}");
}

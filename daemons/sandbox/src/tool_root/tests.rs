//! A small root, sealed, and everything that somebody could do to it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use super::*;

/// What somebody does to a root: its name, what is said about it, and the deed.
type Change = (&'static str, &'static str, fn(&Path));

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A root with two programs, a link and a certificate, sealed; the digest.
fn sealed() -> (tempfile::TempDir, PathBuf, String) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("root");
    for directory in ["usr/bin", "usr/lib", "etc/ssl"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (path, text, bits) in
        [("usr/bin/sh", "#!sh", 0o755), ("usr/bin/rg", "#!rg", 0o755), ("etc/ssl/ca.crt", "CERT", 0o644)]
    {
        fs::write(root.join(path), text).unwrap();
        mode(&root.join(path), bits);
    }
    symlink("usr/bin", root.join("bin")).unwrap();
    for directory in [".", "usr", "usr/bin", "usr/lib", "etc", "etc/ssl"] {
        mode(&root.join(directory), 0o755);
    }
    let digest = seal(&root, origin("1")).unwrap();
    (place, root, digest)
}

fn origin(version: &str) -> Origin {
    Origin { name: "try".to_owned(), version: version.to_owned(), built_from: vec!["sh 1".to_owned()] }
}

/// A root belongs to root, so that only root can make one that verifies.
fn as_root() {
    assert!(nix::unistd::getuid().is_root(), "this test must run as root");
}

#[test]
fn a_sealed_root_verifies_and_says_what_it_is() {
    as_root();
    let (_place, root, digest) = sealed();
    let manifest = verify(&root, &digest).unwrap();
    assert_eq!(manifest.origin, origin("1"));
    let paths: Vec<&str> = manifest.entries.iter().map(|entry| entry.path.as_str()).collect();
    let expected =
        ["bin", "etc", "etc/ssl", "etc/ssl/ca.crt", "usr", "usr/bin", "usr/bin/rg", "usr/bin/sh", "usr/lib"];
    assert_eq!(paths, expected);
}

#[test]
fn the_digest_is_of_the_content_and_not_of_place_or_time() {
    let (_one, root, first) = sealed();
    let old = fs::File::open(root.join("usr/bin/sh")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(seal(&root, origin("1")).unwrap(), first);
    let (_two, _, second) = sealed();
    assert_eq!(first, second);
    assert_ne!(seal(&root, origin("2")).unwrap(), first);
}

#[test]
fn every_change_is_refused_by_its_path() {
    as_root();
    let changes: [Change; 17] = [
        ("another content", "usr/bin/sh has another content", |root| {
            fs::write(root.join("usr/bin/sh"), "#!SH").unwrap();
        }),
        ("another size", "usr/bin/sh has another size", |root| {
            fs::write(root.join("usr/bin/sh"), "#!bash").unwrap();
        }),
        ("another mode", "usr/bin/sh has another mode", |root| mode(&root.join("usr/bin/sh"), 0o700)),
        ("a directory's mode", "usr/lib has another mode", |root| mode(&root.join("usr/lib"), 0o700)),
        ("another owner", "usr/bin/sh: it does not belong to root", |root| {
            chown(root.join("usr/bin/sh"), Some(1000), None).unwrap();
        }),
        ("a link's owner", "bin: it does not belong to root", |root| {
            std::os::unix::fs::lchown(root.join("bin"), Some(1000), None).unwrap();
        }),
        ("writable", "usr/lib: others than its owner may write", |root| mode(&root.join("usr/lib"), 0o775)),
        ("the top writable", "root: others than its owner may write", |root| mode(root, 0o777)),
        ("setuid", "usr/bin/sh: it is setuid", |root| mode(&root.join("usr/bin/sh"), 0o4755)),
        ("setgid", "usr/bin: it is setuid or setgid", |root| mode(&root.join("usr/bin"), 0o2755)),
        ("something extra", "usr/bin/nc does not belong to it", |root| {
            fs::write(root.join("usr/bin/nc"), "").unwrap();
        }),
        ("something at the end", "zzz does not belong to it", |root| {
            fs::create_dir(root.join("zzz")).unwrap();
        }),
        ("something missing", "usr/bin/rg is missing", |root| {
            fs::remove_file(root.join("usr/bin/rg")).unwrap();
        }),
        ("a link that leads elsewhere", "bin has another target", |root| {
            fs::remove_file(root.join("bin")).unwrap();
            symlink("/tmp", root.join("bin")).unwrap();
        }),
        ("a link in place of a file", "usr/bin/sh has another type", |root| {
            fs::remove_file(root.join("usr/bin/sh")).unwrap();
            symlink("rg", root.join("usr/bin/sh")).unwrap();
        }),
        ("a hard link", "usr/bin/rg: it is a hard link", |root| {
            fs::hard_link(root.join("usr/bin/rg"), root.with_file_name("rg")).unwrap();
        }),
        ("a special file", "usr/bin/sh: it is a special file", |root| {
            fs::remove_file(root.join("usr/bin/sh")).unwrap();
            nix::unistd::mkfifo(&root.join("usr/bin/sh"), nix::sys::stat::Mode::from_bits_truncate(0o755))
                .unwrap();
        }),
    ];
    for (what, expected, change) in changes {
        let (_place, root, digest) = sealed();
        change(&root);
        let said = verify(&root, &digest).unwrap_err().to_string();
        assert!(said.contains(expected), "{what}: {said}");
    }
}

#[test]
fn a_manifest_that_was_made_to_fit_has_another_digest() {
    as_root();
    let (_place, root, digest) = sealed();
    fs::write(root.join("usr/bin/sh"), "#!SH").unwrap();
    seal(&root, origin("1")).unwrap();
    assert!(matches!(verify(&root, &digest), Err(VerifyError::Other { .. })));
    // Nor does it help to let it say the old digest.
    let text = fs::read_to_string(root.join(MANIFEST)).unwrap();
    let (_, is) = Manifest::load(&root).unwrap();
    fs::write(root.join(MANIFEST), text.replace(&is, &digest)).unwrap();
    assert!(matches!(verify(&root, &digest), Err(VerifyError::Manifest(ManifestError::Digest { .. }))));
    fs::remove_file(root.join(MANIFEST)).unwrap();
    assert!(matches!(verify(&root, &digest), Err(VerifyError::Manifest(ManifestError::Read(_)))));
}

#[test]
fn a_root_that_somebody_else_could_exchange_is_refused() {
    as_root();
    let (place, root, digest) = sealed();
    mode(place.path(), 0o777);
    let said = verify(&root, &digest).unwrap_err().to_string();
    assert!(said.ends_with("others than its owner may write to it"), "{said}");
    mode(place.path(), 0o1777);
    verify(&root, &digest).unwrap();
    chown(place.path(), Some(1000), None).unwrap();
    assert!(verify(&root, &digest).unwrap_err().to_string().ends_with("it does not belong to root"));
}

#[test]
fn a_tree_that_would_be_refused_is_not_sealed() {
    let (_place, root, _) = sealed();
    mode(&root.join("usr/bin/sh"), 0o4755);
    assert!(seal(&root, origin("1")).is_err());
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(seal(empty.path(), origin("1")), Err(VerifyError::Empty)));
}

#[test]
fn a_runner_takes_only_the_stamp_of_its_own_root() {
    as_root();
    let place = tempfile::tempdir().unwrap();
    let stamp = place.path().join("stamp.json");
    let written = Stamp {
        root: "/root".into(),
        digest: "d".repeat(64),
        name: "try".to_owned(),
        version: "1".to_owned(),
        entries: 9,
        verified_at: 0,
    };
    let expected = Expected { root: "/root".into(), digest: "d".repeat(64), stamp: stamp.clone() };
    assert!(matches!(expected.require(), Err(Unverified::Absent(_))));
    written.write(&stamp).unwrap();
    expected.require().unwrap();
    let other = Expected { digest: "e".repeat(64), ..expected.clone() };
    assert!(matches!(other.require(), Err(Unverified::Other { .. })));
    let elsewhere = Expected { root: "/other".into(), ..expected.clone() };
    assert!(matches!(elsewhere.require(), Err(Unverified::Other { .. })));
    chown(&stamp, Some(1000), None).unwrap();
    assert!(matches!(expected.require(), Err(Unverified::Absent(StampError::Owner { .. }))));
    Stamp::remove(&stamp).unwrap();
    Stamp::remove(&stamp).unwrap();
    assert!(expected.require().is_err());
}

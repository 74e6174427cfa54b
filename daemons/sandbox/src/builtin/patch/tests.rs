//! Patches of people, of git and of `similar`, and what must not be patched.

use super::*;
use proptest::prelude::*;
use std::process::{Command, Stdio};

fn workspace(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    place
}

fn text(place: &tempfile::TempDir, path: &str) -> Option<String> {
    fs::read_to_string(place.path().join(path)).ok()
}

fn refusal(place: &tempfile::TempDir, diff: &str) -> String {
    apply(place.path(), diff).unwrap_err().to_string()
}

#[test]
fn several_files_are_made_changed_renamed_and_removed_at_once() {
    let place = workspace(&[("a", "1\n2\n3\n"), ("gone", "x\n"), ("old/name", "same\nother\n")]);
    let diff = "words before\n--- a/a\t2030-01-01\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n\
        diff --git a/new/file b/new/file\nnew file mode 100755\nindex 0..1\n--- /dev/null\n+++ b/new/file\n@@ -0,0 +1 @@\n+hi\n\\ No newline at end of file\n\
        diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
        diff --git a/old/name b/new/name\nsimilarity index 50%\nrename from old/name\nrename to new/name\n--- a/old/name\n+++ b/new/name\n@@ -2 +2 @@\n-other\n+changed\n";
    let told = apply(place.path(), diff).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 4);
    assert_eq!(text(&place, "a").unwrap(), "1\ntwo\n3\n");
    assert_eq!(text(&place, "new/file").unwrap(), "hi");
    assert_eq!(fs::metadata(place.path().join("new/file")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!((text(&place, "gone"), text(&place, "old/name")), (None, None));
    assert_eq!(text(&place, "new/name").unwrap(), "same\nchanged\n");
}

#[test]
fn a_hunk_is_found_where_it_moved_to_and_line_ends_stay() {
    let place = workspace(&[("a", "x\r\nx\r\nx\r\n1\r\n2\r\n3\r\n")]);
    apply(place.path(), "--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\r\n-2\r\n+two\r\n 3\r\n").unwrap();
    assert_eq!(text(&place, "a").unwrap(), "x\r\nx\r\nx\r\n1\r\ntwo\r\n3\r\n");
}

#[test]
fn what_does_not_fit_says_where_and_changes_nothing() {
    let place = workspace(&[("a", "1\n2\n3\n"), ("b", "1\n")]);
    let diff = "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+one\n--- a/b\n+++ b/b\n@@ -1,2 +1,2 @@\n 1\n-2\n+two\n";
    let said = refusal(&place, diff);
    assert!(said.contains("cannot patch b: hunk 1 (line 8 of the patch)"), "{said}");
    assert!(said.contains("the file ends before line 2"), "{said}");
    assert_eq!(text(&place, "a").unwrap(), "1\n2\n3\n", "all or nothing");
    let said = refusal(&place, "--- a/a\n+++ b/a\n@@ -2,1 +2,1 @@\n-zwei\n+two\n");
    assert!(said.contains("line 2 is \"2\\n\", where \"zwei\\n\" should be"), "{said}");
    let said = refusal(&place, "--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n 1\n-2\n");
    assert!(said.contains("at line 3: the hunk has 2 old and 1 new lines"), "{said}");
}

#[test]
fn what_is_not_for_patches_is_refused() {
    let place = workspace(&[("a", "1\n"), ("folder/x", "1\n")]);
    std::os::unix::fs::symlink("a", place.path().join("link")).unwrap();
    std::os::unix::fs::symlink("folder", place.path().join("way")).unwrap();
    for path in
        ["/etc/passwd", "../x", "a/../../x", ".git/config", "sub/.GIT/hooks/x", "link", "way/x", "folder"]
    {
        let diff = format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-1\n+2\n");
        let diff = if path.starts_with('/') { diff.replace("a//", "/").replace("b//", "/") } else { diff };
        assert!(apply(place.path(), &diff).is_err(), "{path}");
        let made = format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+2\n");
        assert!(apply(place.path(), &made).is_err(), "{path}");
    }
    for diff in [
        "",
        "nothing",
        "@@ -1 +1 @@\n-1\n+2\n",
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+a\n",
    ] {
        assert!(apply(place.path(), diff).is_err(), "{diff:?}");
    }
    assert_eq!(text(&place, "a").unwrap(), "1\n");
    assert_eq!(text(&place, "folder/x").unwrap(), "1\n");
}

proptest! {
    #[test]
    fn any_text_is_refused_or_applied(diff in "(--- a/x\n|\\+\\+\\+ b/x\n|@@ -[0-3](,[0-9])? \\+[0-3] @@\n|[ +-][ab]\n|\\\\ No\n|(?s).){0,12}") {
        let place = workspace(&[("x", "a\nb\n")]);
        let _ = apply(place.path(), &diff);
    }

    /// What `similar` finds between two texts leads from the one to the other.
    #[test]
    fn the_difference_of_two_texts_leads_from_one_to_the_other(
        old in "([abc]\r?\n){0,12}[abc]?", new in "([abc]\r?\n){0,12}[abc]?", context in 0_usize..4,
    ) {
        prop_assume!(old != new && !old.is_empty());
        let diff = similar::TextDiff::from_lines(&old, &new)
            .unified_diff().context_radius(context).header("a/x", "b/x").to_string();
        let place = workspace(&[("x", &old)]);
        apply(place.path(), &diff).unwrap();
        prop_assert_eq!(text(&place, "x").unwrap(), new);
    }

    /// Where git takes a patch with exact context, it makes the same of it.
    #[test]
    fn git_makes_the_same_of_it(edits in prop::collection::vec(0_u8..4, 4..12), moved in "(z\n){0,3}") {
        let (mut old, mut new) = (String::new(), String::new());
        for (number, edit) in edits.iter().enumerate() {
            let line = format!("{number}\n");
            match edit {
                0 => old.push_str(&line),
                1 => new.push_str(&line),
                _ => {
                    old.push_str(&line);
                    new.push_str(&line);
                }
            }
        }
        prop_assume!(old != new && !old.is_empty() && !new.is_empty());
        let diff = similar::TextDiff::from_lines(&old, &new)
            .unified_diff().context_radius(3).header("a/x", "b/x").to_string();
        let (ours, theirs) = (workspace(&[("x", &format!("{moved}{old}"))]), workspace(&[("x", &format!("{moved}{old}"))]));
        let git = Command::new("git").args(["apply", "-"]).current_dir(theirs.path())
            .env("GIT_CEILING_DIRECTORIES", "/").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(mut git) = git else { return Ok(()) };
        git.stdin.take().unwrap().write_all(diff.as_bytes()).unwrap();
        if git.wait().unwrap().success() {
            apply(ours.path(), &diff).unwrap();
            prop_assert_eq!(text(&ours, "x"), text(&theirs, "x"));
        }
    }
}

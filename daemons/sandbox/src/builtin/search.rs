//! Searching by content and by name, single-threaded and bounded.
//!
//! What `.gitignore` names is left out, as are hidden directories such as `.git`.

use std::fs;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;
use regex::RegexBuilder;
use serde_json::{Value, json};

use super::BuiltinError;

const DEFAULT_MATCHES: u32 = 200;
const MOST_MATCHES: u32 = 5000;
const MOST_PATHS: usize = 5000;
/// Longer files are not searched; they are hardly text.
const MOST_FILE: u64 = 16 * 1024 * 1024;
/// Longer lines are cut in the answer.
const MOST_LINE: usize = 500;

pub(super) fn grep(
    workspace: &Path,
    place: &Path,
    pattern: &str,
    glob: Option<&str>,
    max: Option<u32>,
) -> Result<Value, BuiltinError> {
    let expression = RegexBuilder::new(pattern)
        .size_limit(4 * 1024 * 1024)
        .build()
        .map_err(|error| BuiltinError::Invalid(format!("cannot search for {pattern:?}: {error}")))?;
    let glob = glob.map(matcher).transpose()?;
    let most = max.unwrap_or(DEFAULT_MATCHES).min(MOST_MATCHES) as usize;
    let (mut matches, mut files, mut truncated) = (Vec::new(), 0_u64, false);
    for path in walk(place)? {
        let shown = shown(workspace, &path);
        let wanted = glob.as_ref().is_none_or(|glob| matches_glob(glob, &shown, place, &path));
        let small = fs::metadata(&path).is_ok_and(|about| about.len() <= MOST_FILE);
        if !wanted || !small || truncated {
            continue;
        }
        // A file that is no text, or that a permission hides, has no lines to find.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        files += 1;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| expression.is_match(line)) {
            if matches.len() == most {
                truncated = true;
                break;
            }
            let text: String = line.chars().take(MOST_LINE).collect();
            matches.push(json!({ "path": shown, "line": number + 1, "text": text }));
        }
    }
    Ok(json!({ "matches": matches, "files": files, "truncated": truncated }))
}

pub(super) fn glob(workspace: &Path, place: &Path, pattern: &str) -> Result<Value, BuiltinError> {
    let glob = matcher(pattern)?;
    let mut paths: Vec<String> = walk(place)?
        .into_iter()
        .filter(|path| path.strip_prefix(place).is_ok_and(|path| glob.is_match(path)))
        .map(|path| shown(workspace, &path))
        .collect();
    let truncated = paths.len() > MOST_PATHS;
    paths.truncate(MOST_PATHS);
    Ok(json!({ "paths": paths, "truncated": truncated }))
}

/// A glob without a slash means the file's name, as it does for git.
fn matches_glob(glob: &GlobMatcher, shown: &str, place: &Path, path: &Path) -> bool {
    if glob.glob().glob().contains('/') {
        glob.is_match(shown) || path.strip_prefix(place).is_ok_and(|path| glob.is_match(path))
    } else {
        path.file_name().is_some_and(|name| glob.is_match(name))
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, BuiltinError> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| BuiltinError::Invalid(format!("cannot match {pattern:?}: {error}")))
}

fn walk(place: &Path) -> Result<Vec<std::path::PathBuf>, BuiltinError> {
    // Asked first, since the walker takes a missing start for an empty one.
    fs::symlink_metadata(place)?;
    let mut builder = WalkBuilder::new(place);
    builder.parents(false).git_global(false).git_exclude(false).require_git(false).follow_links(false);
    builder.sort_by_file_name(std::cmp::Ord::cmp);
    let entries = builder.build().flatten();
    Ok(entries
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .map(ignore::DirEntry::into_path)
        .collect())
}

fn shown(workspace: &Path, path: &Path) -> String {
    path.strip_prefix(workspace).unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("src/deep")).unwrap();
        fs::create_dir_all(root.join("target")).unwrap();
        fs::write(root.join(".gitignore"), "target/\n").unwrap();
        fs::write(root.join("src/main.rs"), "fn main() {\n    foo();\n}\n").unwrap();
        fs::write(root.join("src/deep/lib.rs"), "fn foo() {}\n").unwrap();
        fs::write(root.join("target/out.rs"), "foo\n").unwrap();
        fs::write(root.join("notes.md"), "foo\nfoo\nfoo\n").unwrap();
        fs::write(root.join("binary"), [0xff, b'f', b'o', b'o']).unwrap();
        directory
    }

    #[test]
    fn grep_finds_lines_and_leaves_out_what_is_ignored() {
        let project = project();
        let root = project.path();
        let answer = grep(root, root, "fo+", None, None).unwrap();
        let found: Vec<(&str, u64)> = answer["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (m["path"].as_str().unwrap(), m["line"].as_u64().unwrap()))
            .collect();
        assert_eq!(
            found,
            [("notes.md", 1), ("notes.md", 2), ("notes.md", 3), ("src/deep/lib.rs", 1), ("src/main.rs", 2)]
        );
        let only = grep(root, root, "foo", Some("*.rs"), Some(1)).unwrap();
        assert_eq!(only["matches"].as_array().unwrap().len(), 1);
        assert_eq!(only["truncated"], true);
        assert!(grep(root, root, "(", None, None).is_err());
        assert!(grep(root, &root.join("gone"), "x", None, None).is_err());
    }

    #[test]
    fn glob_matches_relative_paths() {
        let project = project();
        let root = project.path();
        assert_eq!(
            glob(root, root, "src/**/*.rs").unwrap()["paths"],
            json!(["src/deep/lib.rs", "src/main.rs"])
        );
        assert_eq!(glob(root, &root.join("src"), "*.rs").unwrap()["paths"], json!(["src/main.rs"]));
        assert_eq!(glob(root, root, "*.none").unwrap()["paths"], json!([]));
    }
}

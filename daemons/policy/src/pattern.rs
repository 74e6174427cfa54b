//! Globs over workspace paths, by the rules of gitignore.
//!
//! A glob without a slash matches at any depth, one with a slash from the workspace on; `*` and `?` stay within a
//! segment, `**` spans any number of them; what matches a directory matches everything in it. A glob that begins
//! with `!` excludes, and an exclusion beats an inclusion in whatever order they stand. The matching itself is that
//! of the crate `ignore`, which ripgrep uses: its corner cases are tested against git's by more people than ours.
//!
//! Paths are compared in one lexical form, so that `a/../b`, `./b` and `/workspace/b` are all `b`. Symbolic links
//! are not resolved here: the sandbox and the applying runner decide what a path leads to.

use std::collections::BTreeSet;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use thiserror::Error;

use crate::matter::Reach;

/// Why a glob cannot be used.
#[derive(Debug, Clone, Error)]
pub enum PatternError {
    /// It is no glob.
    #[error("cannot use the glob `{0}`: {1}")]
    Glob(String, #[source] ignore::Error),
    /// Read as gitignore reads lines, nothing is left of it.
    #[error("cannot use the glob `{0}`: it is empty or a comment")]
    Nothing(String),
    /// All of them together are too much.
    #[error("cannot use these globs together")]
    Together(#[source] ignore::Error),
}

/// Compiled globs: a path matches if an inclusion does and no exclusion does.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    texts: BTreeSet<String>,
    includes: Gitignore,
    excludes: Gitignore,
    /// What [`first`] of every path that matches is one of, where that can be said: comparing it spares most paths
    /// the search for a glob.
    starts: Option<BTreeSet<String>>,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Patterns {
    /// Compiles globs; none at all match nothing.
    pub(crate) fn compile(texts: BTreeSet<String>) -> Result<Self, PatternError> {
        let (mut includes, mut excludes) = (builder(), builder());
        for text in &texts {
            let (builder, glob) = match text.strip_prefix('!') {
                Some(glob) => (&mut excludes, glob),
                None => (&mut includes, text.as_str()),
            };
            if glob.trim().is_empty() || glob.starts_with(['#', '!']) {
                return Err(PatternError::Nothing(text.clone()));
            }
            builder.add_line(None, glob).map_err(|error| PatternError::Glob(text.clone(), error))?;
        }
        let includes = includes.build().map_err(PatternError::Together)?;
        let excludes = excludes.build().map_err(PatternError::Together)?;
        let included = texts.iter().filter(|text| !text.starts_with('!'));
        let starts = included.map(|glob| anchored(glob)?.first().map(ToString::to_string)).collect();
        Ok(Self { texts, includes, excludes, starts })
    }

    /// Whether a path in [`lexical`] form matches. Where it is unknown (whether it is a directory, or what it is
    /// when it lies outside of the workspace), [`Reach::Any`] takes it for a match and [`Reach::Every`] does not.
    pub(crate) fn matches(&self, path: &str, reach: Reach) -> bool {
        if self.starts.as_ref().is_some_and(|starts| !starts.contains(first(path))) {
            return false;
        }
        let (path, is_outside) = inside(path);
        match reach {
            Reach::Any => hits(&self.includes, path, true) && !hits(&self.excludes, path, false),
            Reach::Every => {
                !is_outside && hits(&self.includes, path, false) && !hits(&self.excludes, path, true)
            }
        }
    }

    /// Whether something below a directory in [`lexical`] form could match; never wrongly no.
    pub(crate) fn may_match_below(&self, directory: &str) -> bool {
        let directory: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        self.texts.iter().any(|glob| match anchored(glob) {
            None => !glob.starts_with('!'),
            Some(literal) => literal.iter().zip(&directory).all(|(a, b)| a == b),
        })
    }

    /// What [`first`] of every path that matches is one of; nothing where that cannot be said.
    pub(crate) const fn starts(&self) -> Option<&BTreeSet<String>> {
        self.starts.as_ref()
    }

    /// True when there are no globs.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// True when there are globs and none includes anything.
    pub(crate) fn only_excludes(&self) -> bool {
        !self.is_empty() && self.includes.is_empty()
    }
}

/// Relative to nothing, so that no path is cut. A bracket that is not closed is a mistake here, not a letter.
fn builder() -> GitignoreBuilder {
    let mut builder = GitignoreBuilder::new(".");
    let _ = builder.allow_unclosed_class(false);
    builder
}

fn hits(globs: &Gitignore, path: &str, is_directory: bool) -> bool {
    !globs.is_empty() && globs.matched_path_or_any_parents(path, is_directory).is_ignore()
}

/// The first segment of a path in [`lexical`] form, as if it were inside.
pub(crate) fn first(path: &str) -> &str {
    inside(path).0.split('/').next().unwrap_or_default()
}

/// A path as if it were inside, and whether it is not.
fn inside(path: &str) -> (&str, bool) {
    let mut rest = path;
    loop {
        match rest.strip_prefix('/').or_else(|| rest.strip_prefix("../")) {
            Some(shorter) => rest = shorter,
            None if rest == ".." => return ("", true),
            None => return (rest, rest.len() != path.len()),
        }
    }
}

/// The one lexical form of a path: relative to the workspace, without `.`, `..` and doubled slashes, however the
/// workspace itself is spelled. What climbs out of it keeps its leading `..`, so that no glob for inside matches.
pub fn lexical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    match (path.starts_with('/'), parts.as_slice()) {
        (false, parts) => parts.join("/"),
        (true, ["workspace", inside @ ..]) => inside.join("/"),
        (true, outside) => format!("/{}", outside.join("/")),
    }
}

/// The part of a glob before its first wildcard, in whole segments; nothing if it can match at any depth.
fn anchored(glob: &str) -> Option<Vec<&str>> {
    if glob.starts_with('!') || !glob.trim_end_matches('/').contains('/') {
        return None;
    }
    let segments = glob.split('/').filter(|segment| !segment.is_empty());
    Some(segments.take_while(|segment| !segment.contains(['*', '?', '[', '{', '\\'])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::compile(texts.iter().map(|text| (*text).to_owned()).collect()).unwrap()
    }

    #[test]
    fn one_path_has_one_form() {
        for (given, expected) in [
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("a/../b", "b"),
            ("/workspace/b", "b"),
            ("/workspace", ""),
            ("/workspaces/b", "/workspaces/b"),
            ("../b", "../b"),
            ("a/../../b", "../b"),
            ("/etc/shadow", "/etc/shadow"),
            ("//workspace/b", "b"),
            ("/./workspace/b", "b"),
            ("/x/../workspace/./b", "b"),
            ("workspace/b", "workspace/b"),
        ] {
            assert_eq!(lexical(given), expected, "{given}");
        }
    }

    #[test]
    fn a_search_above_what_a_rule_protects_is_known() {
        let secret = patterns(&["a/secret/**"]);
        for (directory, expected) in
            [("", true), ("a", true), ("a/secret/x", true), ("b", false), ("a/b", false)]
        {
            assert_eq!(secret.may_match_below(directory), expected, "{directory}");
        }
        for anywhere in ["**/key", "key", "*.pem", "keys/"] {
            assert!(patterns(&[anywhere]).may_match_below("x/y"), "{anywhere}");
        }
        assert!(!patterns(&["!x"]).may_match_below("x"));
    }

    #[test]
    fn globs_are_those_of_gitignore() {
        for (glob, path, expected) in [
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/a/b.rs", false),
            ("src/*.rs", "x/src/a.rs", false),
            ("docs/**", "docs/a/b.md", true),
            ("docs/**", "a/docs/x", false),
            ("docs/**", "docs", false),
            ("docs", "docs/a/b", true),
            ("docs", "a/docs/b", true),
            ("/docs", "a/docs/b", false),
            ("/docs", "docs/b", true),
            ("docs/", "docs/b", true),
            ("*.md", "a/b/c.md", true),
            ("**/key", "key", true),
            ("**/key", "a/b/key", true),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("**", "", true),
            ("**", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[ab].x", "b.x", true),
            ("\\!a", "!a", true),
        ] {
            assert_eq!(patterns(&[glob]).matches(path, Reach::Every), expected, "{glob} on {path}");
        }
        assert!(!patterns(&[]).matches("a", Reach::Any));
    }

    #[test]
    fn looking_at_the_first_segment_changes_no_answer() {
        let globs =
            ["a/b", "/a", "a/*", "*/b", "a", "a/", "**/b", "a/**/c", "[a]/b", "a\\b/c", "/*", "é/x", " a/b"];
        let paths = ["", "a", "a/b", "b", "x/a/b", "a/x/c", "ab/c", "é/x", " a/b", "../a/b", "/a/b", "c/d"];
        for one in globs {
            for other in globs {
                let fast = patterns(&[one, other]);
                let slow = Patterns { starts: None, ..fast.clone() };
                for path in paths {
                    for reach in [Reach::Any, Reach::Every] {
                        let (fast, slow) = (fast.matches(path, reach), slow.matches(path, reach));
                        assert_eq!(fast, slow, "{one} {other} on {path}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_exclusion_beats_an_inclusion_in_any_order() {
        let rust = patterns(&["src/**", "!src/generated/**"]);
        assert!(rust.matches("src/a.rs", Reach::Every));
        for reach in [Reach::Any, Reach::Every] {
            assert!(!rust.matches("src/generated/a.rs", reach));
            assert!(!patterns(&["!a", "a"]).matches("a", reach));
            assert!(!patterns(&["!a"]).matches("b", reach), "an exclusion includes nothing");
        }
        assert!(patterns(&["!a"]).only_excludes());
    }

    #[test]
    fn what_lies_outside_fits_what_restricts_and_not_what_permits() {
        for path in ["/etc/shadow", "../etc/shadow", "..", "/"] {
            assert!(patterns(&["**"]).matches(path, Reach::Any), "{path}");
            assert!(!patterns(&["**"]).matches(path, Reach::Every), "{path}");
        }
    }

    #[test]
    fn a_line_that_gitignore_would_not_read_is_refused() {
        for text in ["", " ", "#a", "!", "!#a", "!!a", "["] {
            assert!(Patterns::compile(BTreeSet::from([text.to_owned()])).is_err(), "{text:?}");
        }
    }
}

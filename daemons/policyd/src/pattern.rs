//! Globs over workspace paths.
//!
//! `*` and `?` stay within a path segment, `**` spans any number of segments. Paths are compared in one lexical
//! form, so that `a/../b`, `./b` and `/workspace/b` are all `b`. Symbolic links are not resolved here: the
//! sandbox and the applying runner decide what a path leads to.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Compiled globs; a path matches if any of them does.
#[derive(Debug, Clone)]
pub struct Patterns {
    texts: Vec<String>,
    set: GlobSet,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

impl Patterns {
    /// Compiles globs; none at all match nothing.
    ///
    /// # Errors
    /// What is wrong with which glob.
    pub fn compile(texts: Vec<String>) -> Result<Self, String> {
        let mut builder = GlobSetBuilder::new();
        for text in &texts {
            let glob = GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| error.to_string())?;
            builder.add(glob);
        }
        let set = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { texts, set })
    }

    /// Whether a path in [`lexical`] form matches.
    pub fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Whether something below a directory in [`lexical`] form could match; never wrongly no.
    pub fn may_match_below(&self, directory: &str) -> bool {
        let directory: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        self.texts.iter().any(|glob| literal(glob).iter().zip(&directory).all(|(a, b)| a == b))
    }

    /// True when no path can match.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
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

/// The part of a glob before its first wildcard, in whole segments.
fn literal(glob: &str) -> Vec<&str> {
    glob.split('/').take_while(|segment| !segment.contains(['*', '?', '[', '{', '\\'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let patterns = Patterns::compile(vec!["a/secret/**".into()]).unwrap();
        for (directory, expected) in
            [("", true), ("a", true), ("a/secret/x", true), ("b", false), ("a/b", false)]
        {
            assert_eq!(patterns.may_match_below(directory), expected, "{directory}");
        }
        assert!(Patterns::compile(vec!["**/key".into()]).unwrap().may_match_below("x/y"));
    }

    #[test]
    fn stars_stay_in_a_segment_and_double_stars_do_not() {
        let patterns = Patterns::compile(vec!["src/*.rs".into(), "docs/**".into()]).unwrap();
        for (path, expected) in
            [("src/a.rs", true), ("src/a/b.rs", false), ("docs/a/b.md", true), ("a/docs/x", false)]
        {
            assert_eq!(patterns.matches(path), expected, "{path}");
        }
        assert!(!Patterns::compile(Vec::new()).unwrap().matches("a"));
    }
}

//! What a call runs: a program, a command of the session's shell, or a built-in tool.

use serde::{Deserialize, Serialize};

/// What a call runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Program {
    /// A program of the sandbox's root, looked up in its `PATH`.
    Exec {
        /// Name or path, then arguments; not empty.
        argv: Vec<String>,
        /// Directory to start in, relative to the workspace.
        #[serde(default)]
        cwd: Option<String>,
    },
    /// A command for the session's shell, whose directory, variables and functions are as its last one left them.
    /// Template `workshop` only.
    Shell {
        /// What `bash` reads. A program that it becomes (`exec`) cannot keep what it changed of the shell, nor can one
        /// that is killed.
        command: String,
        /// Directory to start in, relative to the workspace; otherwise where the last one ended.
        #[serde(default)]
        cwd: Option<String>,
    },
    /// A tool that is built in: runs in the very same confined child, without `execve`,
    /// and prints one JSON object.
    Builtin(Builtin),
}

/// The built-in tools. Paths are relative to the workspace; `/workspace/…` is accepted too.
///
/// Success prints a JSON object (but for [`Builtin::Give`]) and exits with 0; failure prints
/// `{"error":{"kind":…,"message":…}}` and exits with [`BUILTIN_FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Builtin {
    /// `{path, content, binary, size, offset, next, truncated}`; `next` is the offset to go on from.
    /// Bytes that are no UTF-8 become U+FFFD, and `binary` says so.
    Read {
        /// The file.
        path: String,
        /// First byte.
        #[serde(default)]
        offset: u64,
        /// Most bytes; 256 KiB unless given, 1 MiB at most.
        #[serde(default)]
        limit: Option<u64>,
    },
    /// The bytes of a regular file, and nothing else: the one tool whose success is no JSON. It follows no link, so that
    /// what is given is what was named; of more than [`MOST_GIVEN`] bytes there is nothing but the error.
    Give {
        /// The file.
        path: String,
    },
    /// `{path, entries:[{name, kind, size}], truncated}`, by name, 2000 at most.
    List {
        /// The directory; "." is the workspace.
        path: String,
    },
    /// `{path, exists, kind}`; kind is `file`, `directory`, `symlink`, `other` or null.
    Exists {
        /// What to look for; a symlink is not followed.
        path: String,
    },
    /// `{matches:[{path, line, text}], files, truncated}`.
    Grep {
        /// A regular expression (Rust's syntax).
        pattern: String,
        /// File or directory to search.
        #[serde(default)]
        path: Option<String>,
        /// Only files whose path matches this glob.
        #[serde(default)]
        glob: Option<String>,
        /// Most matches; 200 unless given, 5000 at most.
        #[serde(default)]
        max: Option<u32>,
    },
    /// `{paths, truncated}`, sorted, 5000 at most.
    Glob {
        /// As in `src/**/*.rs`, against paths relative to `path`.
        pattern: String,
        /// Directory to search.
        #[serde(default)]
        path: Option<String>,
    },
    /// `{path, bytes, created}`. Makes missing parent directories. Needs the overlay.
    Write {
        /// The file.
        path: String,
        /// Its text.
        content: String,
        /// What to do with a file that is there.
        #[serde(default)]
        mode: WriteMode,
    },
    /// `{files:[{path, created, removed, hunks}]}`. Changes files as a unified diff says, all of it or nothing. Needs
    /// the overlay.
    Patch {
        /// The diff.
        diff: String,
    },
    /// `{url, status, content_type, title, content, size, truncated}`; the URL is where redirects ended. HTML becomes
    /// Markdown. Needs a network, whose connection is open before the call is confined.
    Fetch {
        /// `https://` or `http://`.
        url: String,
        /// Most bytes of the body; 1 MiB unless given, 8 MiB at most.
        #[serde(default)]
        limit: Option<u64>,
    },
}

/// Exit status of a built-in tool that answered with an error object.
pub const BUILTIN_FAILED: i32 = 65;

/// The most bytes of a file that [`Builtin::Give`] gives.
pub const MOST_GIVEN: u64 = 16 * 1024 * 1024;

/// What [`Builtin::Write`] does with a file that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Replaces it.
    #[default]
    Overwrite,
    /// Adds to its end.
    Append,
    /// Fails: the file must be new.
    Create,
}

//! Git's commits, as far as this history has them: a tree, at most one parent, a time, and a message with trailers.

use super::HistoryError;
use super::object::{Id, Kind};
use super::store::Store;

/// Who commits: there is no person with an address here.
const AUTHOR: &str = "Testudo <testudo@localhost>";

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) tree: Id,
    pub(super) parent: Option<Id>,
    /// Seconds since 1970.
    pub(super) time: i64,
    pub(super) message: String,
}

impl Commit {
    pub(super) fn write(&self, store: &Store) -> Result<Id, HistoryError> {
        let Self { tree, parent, time, message } = self;
        let parent = parent.map_or_else(String::new, |parent| format!("parent {parent}\n"));
        let text = format!(
            "tree {tree}\n{parent}author {AUTHOR} {time} +0000\ncommitter {AUTHOR} {time} +0000\n\n{message}"
        );
        store.write(Kind::Commit, text.as_bytes())
    }

    pub(super) fn read(store: &Store, id: Id) -> Result<Self, HistoryError> {
        let bytes = store.read_as(Kind::Commit, id)?;
        let read = || {
            let text = std::str::from_utf8(&bytes).ok()?;
            let (head, message) = text.split_once("\n\n")?;
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let parent = match field("parent") {
                Some(parent) => Some(Id::parse(parent)?),
                None => None,
            };
            let time = field("committer")?.rsplit(' ').nth(1)?.parse().ok()?;
            Some(Self { tree: Id::parse(field("tree")?)?, parent, time, message: message.to_owned() })
        };
        read().ok_or_else(|| HistoryError::Object { id: id.to_string(), why: "it is no commit of ours" })
    }

    /// The value of a trailer.
    pub(super) fn trailer(&self, name: &str) -> Option<&str> {
        self.message.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

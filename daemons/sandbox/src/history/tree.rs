//! Git's trees, and the change of some paths in one.

use std::collections::BTreeMap;

use super::HistoryError;
use super::object::{Id, Kind};
use super::store::Store;

/// What a name in a tree is. Git knows no other permissions than whether a file can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    File,
    Program,
    Link,
    Folder,
}

impl Mode {
    const ALL: [Self; 4] = [Self::File, Self::Program, Self::Link, Self::Folder];

    /// The mode of a file with these permissions.
    pub(super) const fn of(permissions: u32) -> Self {
        if permissions & 0o111 == 0 { Self::File } else { Self::Program }
    }

    const fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Program => "100755",
            Self::Link => "120000",
            Self::Folder => "40000",
        }
    }
}

/// A name in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: Mode,
    pub(super) id: Id,
}

type Entries = BTreeMap<String, Entry>;

/// What a path is to be: an entry, or nothing.
pub(super) type Edit<'p> = (Vec<&'p str>, Option<Entry>);

/// Makes the tree that results from `tree` by these edits; none when it would be empty. Of two edits of which one
/// lies below the other, or of the same path, the later one is heard.
pub(super) fn edit(store: &Store, tree: Option<Id>, edits: &[Edit<'_>]) -> Result<Option<Id>, HistoryError> {
    let mut entries = tree.map_or_else(|| Ok(Entries::new()), |tree| read(store, tree))?;
    let mut below: BTreeMap<&str, Vec<Edit<'_>>> = BTreeMap::new();
    for (path, entry) in edits {
        match path.split_first() {
            Some((name, [])) => {
                match entry {
                    Some(entry) => entries.insert((*name).to_owned(), *entry),
                    None => entries.remove(*name),
                };
            }
            Some((name, rest)) => below.entry(name).or_default().push((rest.to_vec(), *entry)),
            None => {}
        }
    }
    for (name, edits) in below {
        let known = entries.get(name).copied();
        let folder = known.filter(|entry| entry.mode == Mode::Folder).map(|entry| entry.id);
        match edit(store, folder, &edits)? {
            Some(id) => {
                entries.insert(name.to_owned(), Entry { mode: Mode::Folder, id });
            }
            None if folder.is_some() => {
                entries.remove(name);
            }
            None => {}
        }
    }
    if entries.is_empty() { Ok(None) } else { write(store, &entries).map(Some) }
}

/// What a path is in a tree; none if it is not there.
pub(super) fn find(store: &Store, tree: Option<Id>, path: &[&str]) -> Result<Option<Entry>, HistoryError> {
    let (Some(tree), Some((name, rest))) = (tree, path.split_first()) else { return Ok(None) };
    match read(store, tree)?.get(*name) {
        Some(entry) if rest.is_empty() => Ok(Some(*entry)),
        Some(entry) if entry.mode == Mode::Folder => find(store, Some(entry.id), rest),
        _ => Ok(None),
    }
}

fn write(store: &Store, entries: &Entries) -> Result<Id, HistoryError> {
    let mut sorted: Vec<(&String, &Entry)> = entries.iter().collect();
    // Git compares a folder's name as if it ended with a slash.
    let key = |(name, entry): &(&String, &Entry)| match entry.mode {
        Mode::Folder => format!("{name}/"),
        _ => (*name).clone(),
    };
    sorted.sort_by_key(key);
    let mut bytes = Vec::new();
    for (name, entry) in sorted {
        bytes.extend_from_slice(format!("{} {name}\0", entry.mode.octal()).as_bytes());
        bytes.extend_from_slice(entry.id.bytes());
    }
    store.write(Kind::Tree, &bytes)
}

fn read(store: &Store, tree: Id) -> Result<Entries, HistoryError> {
    let bytes = store.read_as(Kind::Tree, tree)?;
    let broken = || HistoryError::Object { id: tree.to_string(), why: "it is no tree of ours" };
    let (mut entries, mut rest) = (Entries::new(), bytes.as_slice());
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
        let (head, tail) = rest.split_at(end);
        let (octal, name) =
            std::str::from_utf8(head).ok().and_then(|head| head.split_once(' ')).ok_or_else(broken)?;
        let mode = Mode::ALL.into_iter().find(|mode| mode.octal() == octal).ok_or_else(broken)?;
        let (id, after) = tail.get(1..).and_then(<[u8]>::split_first_chunk::<32>).ok_or_else(broken)?;
        entries.insert(name.to_owned(), Entry { mode, id: Id::new(*id) });
        rest = after;
    }
    Ok(entries)
}

//! Finds renames among what goes and what comes: an overlay does not say which file was which.
//!
//! A file that goes and one that comes with the same content are one that moved; so are two texts of which most
//! lines are the same. Each file is part of one pair at most, and the work is bounded: what is not looked at stays
//! a deletion and an addition, which comes to the same.

use std::collections::{BTreeMap, HashMap};

use crate::changeset::{BaseKind, Change, ChangeKind};

/// Files with other content are compared only if no more than this many go, and come.
const MOST_COMPARED: usize = 40;
/// Larger contents are not compared, in bytes.
const MOST_TEXT: u64 = 256 * 1024;
/// How much of two texts must be the same, in percent of both.
const LEAST_SAME: u64 = 60;

/// Replaces pairs of deletion and addition by renames. `content` gives what lies in the contents.
pub(super) fn pair(changes: Vec<Change>, content: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Vec<Change> {
    let mut times: HashMap<String, usize> = HashMap::new();
    for change in &changes {
        *times.entry(change.path.clone()).or_default() += 1;
    }
    // Where a directory takes a file's place, or the other way round, both stay what they are.
    let alone = |change: &Change| times.get(&change.path) == Some(&1);
    let (mut going, mut coming, mut rest) = (BTreeMap::new(), Vec::new(), Vec::new());
    for change in changes {
        let is_file = change.base.as_ref().is_some_and(|base| base.kind == BaseKind::File && base.size > 0);
        match change.kind {
            ChangeKind::Delete if is_file && alone(&change) => {
                going.insert(change.path.clone(), change);
            }
            ChangeKind::Add if change.size > 0 && alone(&change) => coming.push(change),
            _ => rest.push(change),
        }
    }
    let mut pairs = Pairs { going, rest };
    let coming = pairs.same(coming);
    let coming = pairs.similar(coming, content);
    let Pairs { going, mut rest } = pairs;
    rest.extend(going.into_values());
    rest.extend(coming);
    rest
}

struct Pairs {
    /// By path.
    going: BTreeMap<String, Change>,
    rest: Vec<Change>,
}

impl Pairs {
    /// Pairs what has the same content; gives what found no partner.
    fn same(&mut self, coming: Vec<Change>) -> Vec<Change> {
        let mut by_content: HashMap<String, Vec<String>> = HashMap::new();
        // Backwards, so that the first is taken from the end.
        for change in self.going.values().rev() {
            let hash = change.base.as_ref().and_then(|base| base.sha256.clone()).unwrap_or_default();
            by_content.entry(hash).or_default().push(change.path.clone());
        }
        let mut left = Vec::new();
        for new in coming {
            let hash = new.sha256.clone().unwrap_or_default();
            let known = by_content.get_mut(&hash).filter(|known| !known.is_empty());
            let Some(known) = known else {
                left.push(new);
                continue;
            };
            let namesake = known.iter().rposition(|path| name(path) == name(&new.path));
            let path = known.remove(namesake.unwrap_or(known.len() - 1));
            self.join(&path, Change { offset: None, ..new });
        }
        left
    }

    /// Pairs texts of which most lines are the same, the most similar first.
    fn similar(&mut self, coming: Vec<Change>, content: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Vec<Change> {
        if self.going.len() > MOST_COMPARED || coming.len() > MOST_COMPARED {
            return coming;
        }
        let text = |offset: Option<u64>, size: u64| {
            let bytes = content(offset.filter(|_| size <= MOST_TEXT)?, size)?;
            String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
        };
        let old: Vec<(String, Option<String>)> = self
            .going
            .values()
            .map(|change| {
                let base = change.base.as_ref();
                (change.path.clone(), base.and_then(|base| text(base.offset, base.size)))
            })
            .collect();
        let mut found = Vec::new();
        for (number, new) in coming.iter().enumerate() {
            let Some(now) = text(new.offset, new.size) else { continue };
            for (path, before) in &old {
                let percent = before.as_ref().map_or(0, |before| likeness(before, &now));
                if percent >= LEAST_SAME {
                    found.push((percent, path, number));
                }
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
        let mut coming: Vec<Option<Change>> = coming.into_iter().map(Some).collect();
        for (_, path, number) in found {
            if self.going.contains_key(path)
                && let Some(new) = coming.get_mut(number).and_then(Option::take)
            {
                self.join(path, new);
            }
        }
        coming.into_iter().flatten().collect()
    }

    fn join(&mut self, from: &str, new: Change) {
        let old = self.going.remove(from);
        let base = old.and_then(|old| old.base);
        self.rest.push(Change { kind: ChangeKind::Rename, from: Some(from.to_owned()), base, ..new });
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Bytes of lines that are in both, in percent of both.
fn likeness(old: &str, new: &str) -> u64 {
    let mut lines: HashMap<&str, u64> = HashMap::new();
    for line in old.split_inclusive('\n') {
        *lines.entry(line).or_default() += 1;
    }
    let mut same = 0;
    for line in new.split_inclusive('\n') {
        if let Some(left) = lines.get_mut(line).filter(|left| **left > 0) {
            *left -= 1;
            same += line.len() as u64;
        }
    }
    same * 200 / (old.len() + new.len()).max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changeset::{Base, sha256};

    const LONG: &str = "one\ntwo\nthree\nfour\nfive\n";
    const NEAR: &str = "one\ntwo\nthree\nfour\nsix\n";

    fn gone(path: &str, text: &str) -> Change {
        let (size, hash) = (text.len() as u64, Some(sha256(text.as_bytes())));
        let base = Base { kind: BaseKind::File, mode: 0o644, size, sha256: hash, offset: Some(0) };
        Change { base: Some(base), ..Change::plain(path, ChangeKind::Delete, None) }
    }

    fn come(path: &str, text: &str) -> Change {
        let (size, hash) = (text.len() as u64, Some(sha256(text.as_bytes())));
        Change { size, sha256: hash, offset: Some(1), ..Change::plain(path, ChangeKind::Add, Some(0o644)) }
    }

    /// What is paired, where everything that goes is LONG and everything that comes is `new`.
    fn paired(changes: Vec<Change>, new: &'static str) -> Vec<(String, Option<String>)> {
        let content = |offset, _| Some(if offset == 0 { LONG } else { new }.as_bytes().to_vec());
        let mut found: Vec<_> =
            pair(changes, content).into_iter().map(|change| (change.path, change.from)).collect();
        found.sort();
        found
    }

    fn renamed(to: &str, from: &str) -> (String, Option<String>) {
        (to.to_owned(), Some(from.to_owned()))
    }

    #[test]
    fn the_same_content_elsewhere_is_a_rename_and_a_namesake_comes_first() {
        let changes = vec![gone("a/x", LONG), gone("b/y", LONG), come("c/y", LONG), come("c/z", LONG)];
        assert_eq!(paired(changes, LONG), [renamed("c/y", "b/y"), renamed("c/z", "a/x")]);
    }

    #[test]
    fn a_text_of_which_most_stays_is_a_rename_and_another_is_not() {
        let near = paired(vec![gone("a", LONG), come("b", NEAR)], NEAR);
        assert_eq!(near, [renamed("b", "a")]);
        assert_eq!(paired(vec![gone("a", LONG), come("b", "one\nelse\n")], "one\nelse\n").len(), 2);
    }

    #[test]
    fn each_file_is_one_of_a_pair_only() {
        let changes = vec![gone("a", LONG), come("b", LONG), come("c", LONG)];
        assert_eq!(paired(changes, LONG), [renamed("b", "a"), ("c".to_owned(), None)]);
    }

    #[test]
    fn a_path_with_two_changes_and_empty_files_are_left_alone() {
        let folder = Change::plain("a", ChangeKind::Mkdir, Some(0o755));
        assert_eq!(paired(vec![gone("a", LONG), folder, come("a/b", LONG)], LONG).len(), 3);
        assert_eq!(paired(vec![gone("a", ""), come("b", "")], "").len(), 2);
    }
}

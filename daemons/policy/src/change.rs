//! Changes in words: what happens to a path, and what is remarkable about it.

use std::collections::BTreeSet;

use testudo::action::Judged;
use testudo::change::ChangeSummary;
use testudo::config::reader::Table;
use testudo::latent::runs_later;

/// Words that every change has exactly one of.
const KINDS: [&str; 8] = ["add", "modify", "delete", "mkdir", "rmdir", "symlink", "mode", "rename"];

/// A word that a change can have besides, and when it does.
type Trait = (&'static str, fn(&ChangeSummary) -> bool);

/// All of them.
const TRAITS: [Trait; 5] = [
    ("dotfile", |change| paths(change).any(is_dotted)),
    ("executable", |change| {
        let holds_files = !matches!(change.kind.as_str(), "mkdir" | "rmdir");
        holds_files && change.mode.is_some_and(|mode| mode & 0o111 != 0)
    }),
    ("runs-later", |change| paths(change).any(|path| runs_later(path).is_some())),
    ("repository", |change| change.repository.is_some()),
    ("binary", |change| change.sha256.is_some() && change.lines.is_none()),
];

/// Most lines that can be asked for.
const MOST_LINES: u32 = 1_000_000;
/// What stands for a kind that nobody knows.
const UNKNOWN: &str = "unknown";

/// Every word that a rule can name.
pub(crate) fn known() -> Vec<&'static str> {
    KINDS.into_iter().chain(TRAITS.map(|(word, _)| word)).collect()
}

/// The words of one change.
pub(crate) fn words(change: &ChangeSummary) -> BTreeSet<&'static str> {
    let kind = KINDS.into_iter().find(|kind| *kind == change.kind).unwrap_or(UNKNOWN);
    let remarkable = TRAITS.iter().filter(|(_, has)| has(change)).map(|(word, _)| *word);
    remarkable.chain([kind]).collect()
}

/// Lines that come and go; none where not all can be counted.
pub(crate) fn lines(judged: &Judged) -> Option<u64> {
    if judged.hidden.is_some() {
        return None;
    }
    judged.changes.iter().try_fold(0_u64, |sum, change| match (change.lines, &change.sha256) {
        (Some(lines), _) => sum.checked_add(lines),
        // What holds no content has no lines; a file whose content goes always says how many.
        (None, None) if matches!(change.kind.as_str(), "mkdir" | "rmdir" | "symlink" | "mode") => Some(sum),
        (None, _) => None,
    })
}

/// The key that bounds them.
pub(crate) fn max_lines(table: &Table<'_>) -> Option<u64> {
    table.integer("max_lines", 0..=MOST_LINES).map(u64::from)
}

fn paths(change: &ChangeSummary) -> impl Iterator<Item = &str> {
    [Some(&change.path), change.from.as_ref()].into_iter().flatten().map(String::as_str)
}

fn is_dotted(path: &str) -> bool {
    path.split('/').any(|name| name.starts_with('.') && !matches!(name, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, kind: &str) -> ChangeSummary {
        ChangeSummary { path: path.into(), kind: kind.into(), lines: Some(1), ..ChangeSummary::default() }
    }

    #[test]
    fn each_remarkable_thing_has_its_word() {
        let said = |change: ChangeSummary| words(&change).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(said(change("notes/a.txt", "add")), "add");
        assert_eq!(said(change("a/.config/x", "modify")), "dotfile modify");
        assert_eq!(said(change("a/.bashrc", "delete")), "delete dotfile runs-later");
        assert_eq!(said(ChangeSummary { mode: Some(0o755), ..change("a", "add") }), "add executable");
        assert_eq!(said(ChangeSummary { mode: Some(0o755), ..change("a", "mkdir") }), "mkdir");
        assert_eq!(
            said(ChangeSummary { from: Some(".x".into()), ..change("a", "rename") }),
            "dotfile rename"
        );
        assert_eq!(
            said(ChangeSummary { repository: Some("r".into()), ..change("r/a", "add") }),
            "add repository"
        );
        let binary = ChangeSummary { sha256: Some("0".into()), lines: None, ..change("a", "add") };
        assert_eq!(said(binary), "add binary");
        assert_eq!(said(change("a", "teleport")), "unknown");
    }
}

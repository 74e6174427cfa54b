//! The unified diff of two texts, bounded in work.
//!
//! A line ends at `\n` and nowhere else: a lone `\r` is a character of its line. Every line of a hunk begins with its
//! sign. When the time for the best diff is over, the rest comes out coarser, never wrong; texts beyond the [`Budget`]
//! are not compared at all.

use std::time::{Duration, Instant};

use similar::TextDiff;

/// Most bytes of text, old and new, that are compared for one change set.
const BYTES: usize = 8 * 1024 * 1024;
/// Most lines, likewise.
const LINES: usize = 500_000;
/// How long the best diff is looked for, for all paths together.
const PATIENCE: Duration = Duration::from_secs(1);
/// And for one path, so that one cannot make the others' diffs coarse.
const PATIENCE_EACH: Duration = Duration::from_millis(200);
/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// What may still be spent on one change set.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    lines: usize,
    until: Instant,
}

impl Budget {
    /// All of it, from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self { bytes: BYTES, lines: LINES, until: now + PATIENCE }
    }

    /// Takes what the comparison of two texts needs; none when there is not so much left.
    fn take(&mut self, old: &str, new: &str) -> Option<()> {
        self.bytes = self.bytes.checked_sub(old.len() + new.len())?;
        let lines = [old, new].map(|text| text.split_inclusive('\n').count());
        self.lines = self.lines.checked_sub(lines.iter().sum())?;
        Some(())
    }
}

/// Why two texts have no diff here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// To be compared.
    Work,
    /// To be read.
    Text,
}

/// The hunks, no longer than `most` bytes; empty where the texts are equal.
pub(super) fn hunks(old: &str, new: &str, most: usize, budget: &mut Budget) -> Result<String, TooMuch> {
    // The difference in length has to appear in any diff, so there is no need to make this one.
    if old.len().abs_diff(new.len()) > most {
        return Err(TooMuch::Text);
    }
    budget.take(old, new).ok_or(TooMuch::Work)?;
    let (old, new) = (lines(old), lines(new));
    let until = budget.until.min(Instant::now() + PATIENCE_EACH);
    let diff = TextDiff::configure().deadline(until).diff_slices(&old, &new);
    let mut out = String::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        out.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line = change.value();
            out.push_str(&format!("{}{line}", change.tag()));
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
            if out.len() > most {
                return Err(TooMuch::Text);
            }
        }
    }
    Ok(out)
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One side of a diff that shows all lines: those with this sign and the common ones.
    fn side(hunks: &str, sign: char) -> String {
        let body = hunks.split_inclusive('\n').filter(|line| !line.starts_with("@@"));
        body.filter_map(|line| line.strip_prefix([sign, ' '])).collect()
    }

    #[test]
    fn lines_end_at_newlines_only() {
        for (old, new, expected) in [
            ("a\r", "a\r\n", "@@ -1 +1 @@\n-a\r\n\\ No newline at end of file\n+a\r\n"),
            ("ls\n", "evil\r ls\n", "@@ -1 +1 @@\n-ls\n+evil\r ls\n"),
            ("", "evil\r ls", "@@ -0,0 +1 @@\n+evil\r ls\n\\ No newline at end of file\n"),
            ("a\nb\n", "a\r\nb\n", "@@ -1,2 +1,2 @@\n-a\n+a\r\n b\n"),
            ("a\u{2028}b\n", "a\u{85}b\n", "@@ -1 +1 @@\n-a\u{2028}b\n+a\u{85}b\n"),
            ("same\n", "same\n", ""),
        ] {
            let found = hunks(old, new, 1000, &mut Budget::new(Instant::now()));
            assert_eq!(found.as_deref(), Ok(expected), "{old:?} {new:?}");
        }
    }

    #[test]
    fn without_time_the_diff_is_coarse_and_right() {
        let text = |number: fn(u32) -> u32| {
            (0..400).map(|line| format!("{}\n", number(line))).collect::<Vec<_>>().concat()
        };
        let old = text(|line| line * 7 % 11);
        let new = text(|line| line * 5 % 13);
        let mut late = Budget { until: Instant::now(), ..Budget::new(Instant::now()) };
        let coarse = hunks(&old, &new, usize::MAX, &mut late).unwrap();
        assert_eq!((side(&coarse, '-'), side(&coarse, '+')), (old.clone(), new.clone()));
        let patient = &mut Budget { until: Instant::now() + PATIENCE * 3600, ..late };
        let best = hunks(&old, &new, usize::MAX, patient).unwrap();
        assert!(best.len() < coarse.len(), "{} {}", best.len(), coarse.len());
    }

    #[test]
    fn every_bound_is_one() {
        let whole = || Budget::new(Instant::now());
        for (bytes, lines, most, expected) in [
            (4, 4, 100, None),
            (3, 4, 100, Some(TooMuch::Work)),
            (4, 1, 100, Some(TooMuch::Work)),
            (4, 4, 5, Some(TooMuch::Text)),
        ] {
            let mut budget = Budget { bytes, lines, ..whole() };
            assert_eq!(hunks("a\n", "b\n", most, &mut budget).err(), expected, "{bytes} {lines} {most}");
        }
        // Spent is spent, for the paths that follow too.
        let mut budget = Budget { bytes: 7, ..whole() };
        assert!(hunks("a\n", "b\n", 100, &mut budget).is_ok());
        assert_eq!(hunks("a\n", "b\n", 100, &mut budget), Err(TooMuch::Work));
        // What cannot be shown anyway is not compared.
        let mut nothing = Budget { bytes: 0, lines: 0, ..whole() };
        assert_eq!(hunks("", "long\n", 4, &mut nothing), Err(TooMuch::Text));
    }
}

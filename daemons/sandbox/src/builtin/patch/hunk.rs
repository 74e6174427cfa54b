//! Hunks, and the text that results from them. Context must be exact, to the end of each line.

/// One line of a hunk, with its line end; without one where the file has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'d> {
    Same(&'d str),
    Old(&'d str),
    New(&'d str),
}

impl<'d> Line<'d> {
    /// Notes that the last line has no newline at its end.
    pub(super) fn without_newline(lines: &mut [Self]) {
        let cut = |text: &'d str| text.strip_suffix('\n').unwrap_or(text);
        if let Some(last) = lines.last_mut() {
            *last = match *last {
                Self::Same(text) => Self::Same(cut(text)),
                Self::Old(text) => Self::Old(cut(text)),
                Self::New(text) => Self::New(cut(text)),
            };
        }
    }
}

/// One hunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hunk<'d> {
    /// The first old line as its header says, from 1; 0 in an empty file.
    pub(super) start: usize,
    pub(super) lines: Vec<Line<'d>>,
    /// Its own line in the diff.
    pub(super) at: usize,
}

impl<'d> Hunk<'d> {
    fn old(&self) -> Vec<&'d str> {
        let old = |line: &Line<'d>| match *line {
            Line::Same(text) | Line::Old(text) => Some(text),
            Line::New(_) => None,
        };
        self.lines.iter().filter_map(old).collect()
    }

    fn becomes(&self) -> impl Iterator<Item = &'d str> {
        self.lines.iter().filter_map(|line| match *line {
            Line::Same(text) | Line::New(text) => Some(text),
            Line::Old(_) => None,
        })
    }
}

/// The text after all hunks, and how many lines came and went. The error names the hunk and the line.
pub(super) fn apply(text: &[u8], hunks: &[Hunk<'_>], name: &str) -> Result<(Vec<u8>, usize, usize), String> {
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let (mut result, mut done, mut drift) = (Vec::with_capacity(text.len()), 0, 0_isize);
    let (mut added, mut removed) = (0, 0);
    for (number, hunk) in hunks.iter().enumerate() {
        let old = hunk.old();
        // A hunk without old lines comes after the line that it names.
        let named = if old.is_empty() { hunk.start } else { hunk.start.saturating_sub(1) };
        let wanted = named.saturating_add_signed(drift).max(done);
        let found = find(&lines, &old, wanted, done).ok_or_else(|| {
            format!(
                "cannot patch {name}: hunk {} (line {} of the patch) does not fit: {}",
                number + 1,
                hunk.at,
                difference(&lines, &old, wanted)
            )
        })?;
        drift = isize::try_from(found).unwrap_or(0) - isize::try_from(named).unwrap_or(0);
        for line in lines.get(done..found).unwrap_or_default() {
            result.extend_from_slice(line);
        }
        for line in hunk.becomes() {
            result.extend_from_slice(line.as_bytes());
        }
        done = found + old.len();
        added += hunk.lines.iter().filter(|line| matches!(line, Line::New(_))).count();
        removed += hunk.lines.iter().filter(|line| matches!(line, Line::Old(_))).count();
    }
    for line in lines.get(done..).unwrap_or_default() {
        result.extend_from_slice(line);
    }
    // What had no newline was the last line, and must still be.
    let inner = result.split_inclusive(|&byte| byte == b'\n').count();
    if lines.len() + added != inner + removed {
        return Err(format!("cannot patch {name}: a line without a newline would no longer be the last"));
    }
    Ok((result, added, removed))
}

/// The nearest place where `old` is, at or after line `from`.
fn find(lines: &[&[u8]], old: &[&str], wanted: usize, from: usize) -> Option<usize> {
    let last = lines.len().checked_sub(old.len())?;
    let fits = |at: usize| {
        let here = lines.get(at..).unwrap_or_default();
        (from..=last).contains(&at) && here.iter().zip(old).all(|(line, old)| *line == old.as_bytes())
    };
    if old.is_empty() {
        return fits(wanted).then_some(wanted);
    }
    (0..=lines.len()).find_map(|distance| {
        let (before, after) = (wanted.checked_sub(distance), wanted.checked_add(distance));
        [before, after].into_iter().flatten().find(|&at| fits(at))
    })
}

/// What is other than expected where the hunk should be.
fn difference(lines: &[&[u8]], old: &[&str], wanted: usize) -> String {
    for (number, expected) in old.iter().enumerate() {
        let expected = expected.escape_debug();
        match lines.get(wanted + number) {
            None => {
                return format!(
                    "the file ends before line {}, where \"{expected}\" should be",
                    wanted + number + 1
                );
            }
            Some(line) if *line != old.get(number).map_or(&[][..], |old| old.as_bytes()) => {
                let found = String::from_utf8_lossy(line);
                let found: String = found.chars().take(200).collect();
                return format!(
                    "line {} is \"{}\", where \"{expected}\" should be",
                    wanted + number + 1,
                    found.escape_debug()
                );
            }
            Some(_) => {}
        }
    }
    "it overlaps the hunk before it".to_owned()
}

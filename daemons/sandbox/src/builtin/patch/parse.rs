//! Reads a unified diff: plain, or with the extended headers of git.

use super::hunk::{Hunk, Line};

/// What happens to a file beside its hunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is changed, made, removed or renamed, as its two names say.
    Edit,
    /// The old one stays.
    Copy,
}

/// What a diff says of one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilePatch<'d> {
    /// Its name before; none for a new file.
    pub(super) old: Option<String>,
    /// Its name afterwards; none for one that goes.
    pub(super) new: Option<String>,
    pub(super) deed: Deed,
    /// Permissions, where the diff gives some.
    pub(super) mode: Option<u32>,
    pub(super) hunks: Vec<Hunk<'d>>,
}

struct Reader<'d> {
    lines: Vec<&'d str>,
    at: usize,
}

/// All files of a diff. The error names the line.
pub(super) fn parse(diff: &str) -> Result<Vec<FilePatch<'_>>, String> {
    let mut reader = Reader { lines: diff.split_inclusive('\n').collect(), at: 0 };
    let mut files = Vec::new();
    while let Some(line) = reader.peek() {
        if line.starts_with("diff --git ") || (line.starts_with("--- ") && reader.is_header()) {
            files.push(reader.file()?);
        } else if line.starts_with("@@ ") {
            return Err(reader.wrong("a hunk comes before any file's --- and +++ lines"));
        } else {
            // Words around the diff, as mail has them.
            reader.at += 1;
        }
    }
    if files.is_empty() {
        Err("cannot read the patch: it has no file with --- and +++ lines".into())
    } else {
        Ok(files)
    }
}

impl<'d> Reader<'d> {
    fn peek(&self) -> Option<&'d str> {
        self.lines.get(self.at).copied()
    }

    fn is_header(&self) -> bool {
        self.lines.get(self.at + 1).is_some_and(|line| line.starts_with("+++ "))
    }

    fn wrong(&self, why: &str) -> String {
        format!("cannot read the patch at line {}: {why}", self.at + 1)
    }

    fn file(&mut self) -> Result<FilePatch<'d>, String> {
        let mut file = FilePatch { old: None, new: None, deed: Deed::Edit, mode: None, hunks: Vec::new() };
        let (mut named, mut is_new, mut is_gone) = (false, false, false);
        if let Some(names) = self.peek().and_then(|line| line.strip_prefix("diff --git ")) {
            // Only a name that is the same on both sides can be told from this line; others are given below.
            let names = names.trim_end_matches(['\n', '\r']);
            if let Some((old, new)) = halves(names) {
                (file.old, file.new, named) = (Some(old), Some(new), true);
            }
            self.at += 1;
        }
        while let Some(line) = self.peek() {
            let text = line.trim_end_matches(['\n', '\r']);
            if !file.hunks.is_empty() && !text.starts_with("@@ ") {
                break;
            }
            if let Some(mode) = text.strip_prefix("new file mode ") {
                (file.mode, is_new) = (Some(self.mode(mode)?), true);
            } else if let Some(mode) = text.strip_prefix("new mode ") {
                file.mode = Some(self.mode(mode)?);
            } else if text.starts_with("deleted file mode ") {
                is_gone = true;
            } else if let Some(name) =
                text.strip_prefix("rename from ").or_else(|| text.strip_prefix("copy from "))
            {
                file.old = Some(self.name(name)?);
            } else if let Some(name) =
                text.strip_prefix("rename to ").or_else(|| text.strip_prefix("copy to "))
            {
                (file.new, named) = (Some(self.name(name)?), true);
                if text.starts_with("copy") {
                    file.deed = Deed::Copy;
                }
            } else if text == "GIT binary patch" || text.starts_with("Binary files ") {
                return Err(self.wrong("binary files cannot be patched: write them whole"));
            } else if text.starts_with("--- ") && self.is_header() {
                file.old = self.side(text.get(4..).unwrap_or_default(), "a/")?;
                self.at += 1;
                let text = self.peek().unwrap_or_default().trim_end_matches(['\n', '\r']);
                file.new = self.side(text.get(4..).unwrap_or_default(), "b/")?;
                named = true;
            } else if text.starts_with("@@ ") {
                file.hunks.push(self.hunk()?);
                continue;
            } else if !["index ", "old mode ", "similarity ", "dissimilarity "]
                .iter()
                .any(|word| text.starts_with(word))
            {
                break;
            }
            self.at += 1;
        }
        if is_new {
            file.old = None;
        }
        if is_gone {
            file.new = None;
        }
        if !named || (file.old.is_none() && file.new.is_none()) {
            return Err(self.wrong("a file has no name"));
        }
        Ok(file)
    }

    fn mode(&self, text: &str) -> Result<u32, String> {
        match text {
            "100644" => Ok(0o644),
            "100755" => Ok(0o755),
            "120000" => Err(self.wrong("symlinks cannot be patched")),
            _ => Err(self.wrong("a mode is 100644 or 100755")),
        }
    }

    /// A name of a `---` or `+++` line: without the prefix, and without the time that `diff` puts behind a tab.
    fn side(&self, text: &str, prefix: &str) -> Result<Option<String>, String> {
        let text = if text.starts_with('"') { text } else { text.split('\t').next().unwrap_or_default() };
        let name = self.name(text)?;
        if name == "/dev/null" {
            return Ok(None);
        }
        Ok(Some(name.strip_prefix(prefix).map_or(name.clone(), str::to_owned)))
    }

    /// A name, or one that git put in quotes.
    fn name(&self, text: &str) -> Result<String, String> {
        let Some(quoted) = text.strip_prefix('"') else { return Ok(text.to_owned()) };
        let quoted = quoted.strip_suffix('"').ok_or_else(|| self.wrong("a quoted name has no end"))?;
        unquote(quoted).ok_or_else(|| self.wrong("a quoted name cannot be read"))
    }

    fn hunk(&mut self) -> Result<Hunk<'d>, String> {
        let header = self.peek().unwrap_or_default();
        let ranges = header.strip_prefix("@@ -").and_then(|rest| rest.split_once(" @@"));
        let ranges = ranges.and_then(|(ranges, _)| ranges.split_once(" +"));
        let ranges = ranges.and_then(|(old, new)| Some((range(old)?, range(new)?)));
        let ((start, old), (_, new)) =
            ranges.ok_or_else(|| self.wrong("a hunk begins with @@ -LINE,COUNT +LINE,COUNT @@"))?;
        let began = self.at + 1;
        self.at += 1;
        let (mut lines, mut seen) = (Vec::new(), (0, 0));
        let short = |seen: (usize, usize)| {
            let (old_seen, new_seen) = seen;
            format!(
                "cannot read the patch at line {began}: the hunk has {old_seen} old and {new_seen} new lines, its \
                 header says {old} and {new}"
            )
        };
        while seen != (old, new) {
            let line = self.peek().ok_or_else(|| short(seen))?;
            let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
            match sign {
                " " => {
                    seen = (seen.0 + 1, seen.1 + 1);
                    lines.push(Line::Same(text));
                }
                // An empty line whose blank was lost.
                "\n" | "\r" => {
                    seen = (seen.0 + 1, seen.1 + 1);
                    lines.push(Line::Same(line));
                }
                "-" => {
                    seen.0 += 1;
                    lines.push(Line::Old(text));
                }
                "+" => {
                    seen.1 += 1;
                    lines.push(Line::New(text));
                }
                "\\" => Line::without_newline(&mut lines),
                _ => return Err(short(seen)),
            }
            if seen.0 > old || seen.1 > new {
                return Err(short(seen));
            }
            self.at += 1;
        }
        while self.peek().is_some_and(|line| line.starts_with('\\')) {
            Line::without_newline(&mut lines);
            self.at += 1;
        }
        Ok(Hunk { start, lines, at: began })
    }
}

fn range(text: &str) -> Option<(usize, usize)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

/// The name in `a/NAME b/NAME`.
fn halves(names: &str) -> Option<(String, String)> {
    let middle = names.len().checked_sub(1)? / 2;
    let (old, new) = (names.get(..middle)?, names.get(middle + 1..)?);
    let (old, new) = (old.strip_prefix("a/")?, new.strip_prefix("b/")?);
    (old == new && names.as_bytes().get(middle) == Some(&b' ')).then(|| (old.to_owned(), new.to_owned()))
}

/// C's escapes, bytes in octal.
fn unquote(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            digit @ b'0'..=b'3' => {
                let digits = [digit, rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
            }
            plain @ (b'"' | b'\\') => plain,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

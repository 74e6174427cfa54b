//! Errors and warnings with a place: `file:line:col: message`, the line, and a caret under the spot.

use std::fmt;
use std::ops::Range;

/// Most characters of a line that are shown: a long one is shown around the spot only.
const MOST_SHOWN: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken, and it is probably not what its author meant.
    Warning,
}

/// One finding in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The file's name.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
    /// The text of the line, or the part of a long one around the spot.
    pub source: String,
    /// How many characters of `source` come before the spot.
    pub indent: usize,
    /// How many characters to underline, at least 1.
    pub width: usize,
}

impl Diagnostic {
    /// Finds the place of `span`, a range of bytes of `text`.
    pub fn at(severity: Severity, file: &str, text: &str, span: Range<usize>, message: String) -> Self {
        let start = floor_boundary(text, span.start);
        let end = floor_boundary(text, span.end.max(start));
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
        let count = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
        let source = text.get(line_start..line_end).unwrap_or_default().trim_end_matches('\r');
        let column = count(line_start..start);
        let is_long = source.chars().nth(MOST_SHOWN).is_some();
        let hidden = if is_long { column.saturating_sub(MOST_SHOWN / 2) } else { 0 };
        Self {
            severity,
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: column + 1,
            message,
            source: source.chars().skip(hidden).take(MOST_SHOWN).collect(),
            indent: column - hidden,
            width: count(start..end.min(line_end)).clamp(1, MOST_SHOWN / 2),
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.severity == Severity::Warning { "warning: " } else { "" };
        writeln!(f, "{}:{}:{}: {kind}{}", self.file, self.line, self.column, self.message)?;
        writeln!(f, "  {}", self.source)?;
        // Tabs are kept, so that the caret stands under the spot whatever their width is.
        let indent: String =
            self.source.chars().take(self.indent).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "  {indent}^{}", "~".repeat(self.width - 1))
    }
}

/// All findings of one file, at least one of them an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_caret_stands_under_the_spot() {
        let text = "a = 1\n\tb = wrong\n";
        let found = Diagnostic::at(Severity::Error, "f.toml", text, 11..16, "expected a number".into());
        assert_eq!(found.to_string(), "f.toml:2:6: expected a number\n  \tb = wrong\n  \t    ^~~~~");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_spot_is_shown() {
        let text = format!("{}b{}", "a".repeat(100_000), "c".repeat(100_000));
        let found = Diagnostic::at(Severity::Error, "f.toml", &text, 100_000..200_001, "no".into());
        assert_eq!(found.column, 100_001);
        let shown = found.to_string();
        let [place, line, caret] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
        assert_eq!(place, "f.toml:1:100001: no");
        assert_eq!(line.len(), 2 + MOST_SHOWN);
        assert_eq!(line.find('b'), caret.find('^'));
        assert!(caret.len() <= line.len());
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in "(.|\n){0,40}", start in 0usize..60, len in 0usize..60) {
            let shown = Diagnostic::at(Severity::Error, "f", &text, start..start + len, "m".into()).to_string();
            prop_assert!(shown.starts_with("f:"));
        }
    }
}

//! A gutter: text that comes in pieces, behind a prefix, wrapped at the width of the terminal.
//!
//! The wrapping is ours because a terminal's own would let a long line continue at the first column.

use unicode_width::UnicodeWidthStr as _;

use crate::screen::Screen;

/// In front of what a command prints while it runs.
pub const LIVE: &str = "  ┊ ";
/// Its columns.
pub const LIVE_WIDTH: usize = 4;

/// Writes text behind a prefix. A word is held back until it is known to be whole.
#[derive(Debug, Clone)]
pub struct Gutter {
    prefix: String,
    /// Columns of the prefix as shown.
    indent: usize,
    width: Option<usize>,
    screen: Screen,
    /// Columns used on the open line; none when no line is open.
    column: Option<usize>,
    word: String,
    /// Spaces that stand between the last word and the next.
    blanks: usize,
}

impl Gutter {
    /// `prefix` may hold colours; `indent` is how many columns it takes.
    pub fn new(prefix: impl Into<String>, indent: usize, width: Option<usize>) -> Self {
        Self {
            prefix: prefix.into(),
            indent,
            width,
            screen: Screen::default(),
            column: None,
            word: String::new(),
            blanks: 0,
        }
    }

    /// A whole text, with a newline at its end.
    pub fn whole(&mut self, text: &str) -> String {
        let mut out = self.push(text);
        out.push_str(&self.finish());
        out
    }

    /// The next piece.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            match c {
                '\n' => {
                    self.place_word(&mut out);
                    self.open(&mut out);
                    out.push('\n');
                    self.column = None;
                    self.blanks = 0;
                }
                ' ' => {
                    self.place_word(&mut out);
                    self.blanks += 1;
                }
                '\t' => {
                    self.place_word(&mut out);
                    self.blanks += 4;
                }
                // A model's typography is no danger as a plain space.
                '\u{a0}' | '\u{202f}' => self.word.push(' '),
                c => self.screen.show(c, &mut self.word),
            }
        }
        out
    }

    /// What was held back, and the end of the open line.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.place_word(&mut out);
        if self.column.take().is_some() {
            out.push('\n');
        }
        self.blanks = 0;
        self.screen = Screen::default();
        out
    }

    fn open(&mut self, out: &mut String) -> usize {
        *self.column.get_or_insert_with(|| {
            out.push_str(&self.prefix);
            self.indent
        })
    }

    fn wrap(&mut self, out: &mut String) {
        out.push('\n');
        self.column = None;
        self.blanks = 0;
        self.open(out);
    }

    fn place_word(&mut self, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let column = self.open(out);
        let needed = self.blanks + word.width();
        if self.width.is_some_and(|width| column + needed > width) && column > self.indent {
            self.wrap(out);
        }
        let blanks = std::mem::take(&mut self.blanks);
        let room = self.width.map_or(blanks, |width| blanks.min(width.saturating_sub(self.indent + 1)));
        out.extend(std::iter::repeat_n(' ', room));
        let mut column = self.column.unwrap_or(self.indent) + room;
        // A word longer than the line is cut, so that it does not wrap by itself.
        for c in word.chars() {
            let mut one = [0; 4];
            let columns = c.encode_utf8(&mut one).width();
            if self.width.is_some_and(|width| column + columns > width) {
                self.wrap(out);
                column = self.indent;
            }
            out.push(c);
            column += columns;
        }
        self.column = Some(column);
    }
}

/// Lines of which every character counts: cut at the width without regard to words, all behind the prefix.
///
/// They must have been through [`crate::screen`]. `colour` is put on each cut.
pub fn exact(
    lines: impl IntoIterator<Item = String>,
    prefix: &str,
    indent: usize,
    width: Option<usize>,
    colour: impl Fn(&str, &str) -> String,
) -> String {
    let room = width.map(|width| width.saturating_sub(indent).max(10));
    let mut out = String::new();
    for line in lines {
        for part in cut(&line, room) {
            out.push_str(prefix);
            out.push_str(&colour(&line, part));
            out.push('\n');
        }
    }
    out
}

/// Cuts into parts of at most so many columns; an empty line is one empty part.
fn cut(line: &str, room: Option<usize>) -> Vec<&str> {
    let Some(room) = room else { return vec![line] };
    let (mut parts, mut start, mut columns) = (Vec::new(), 0, 0);
    for (at, c) in line.char_indices() {
        let mut one = [0; 4];
        let wide = c.encode_utf8(&mut one).width();
        if columns + wide > room {
            parts.extend(line.get(start..at));
            (start, columns) = (at, 0);
        }
        columns += wide;
    }
    parts.extend(line.get(start..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_and_the_whole_look_the_same() {
        let whole = Gutter::new("  ", 2, Some(20)).whole("The file is there, and it says hi.\n\nBye");
        assert_eq!(whole, "  The file is there,\n  and it says hi.\n  \n  Bye\n");
        let mut pieces = Gutter::new("  ", 2, Some(20));
        let mut out = String::new();
        for piece in ["The fi", "le is there,", " and it", " says hi.\n", "\nBye"] {
            out.push_str(&pieces.push(piece));
        }
        out.push_str(&pieces.finish());
        assert_eq!(out, whole);
    }

    #[test]
    fn lists_keep_their_indent() {
        assert_eq!(Gutter::new("  ", 2, None).whole("- a\n    - b"), "  - a\n      - b\n");
    }

    #[test]
    fn a_long_line_of_blanks_cannot_reach_the_first_column() {
        let text = format!("x{}approve a-1? y", " ".repeat(200));
        let shown = Gutter::new("| ", 2, Some(30)).whole(&text);
        assert!(shown.lines().all(|line| line.starts_with("| ") && line.width() <= 30), "{shown}");
    }

    #[test]
    fn exact_lines_are_cut_and_lose_nothing() {
        let shown =
            exact(["abcdefghijklmnop".to_owned(), String::new()], "| ", 2, Some(12), |_, part| part.into());
        assert_eq!(shown, "| abcdefghij\n| klmnop\n| \n");
    }

    proptest! {
        #[test]
        fn every_line_begins_with_the_gutter_and_fits(text in any::<String>(), width in 20usize..60) {
            let shown = Gutter::new("| ", 2, Some(width)).whole(&text);
            for line in shown.lines() {
                prop_assert!(line.starts_with("| "), "{:?}", line);
                prop_assert!(line.width() <= width, "{:?}", line);
            }
        }
    }
}

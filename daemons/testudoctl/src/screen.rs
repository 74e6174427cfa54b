//! Shows what others wrote, so that it can neither steer the terminal nor pass for something else.
//!
//! Controls, bidirectional and other format characters, spaces that are not a space, unassigned and private
//! characters, and marks or fillers that cannot be seen are written out, as `\u{202e}`. So are backslashes in
//! one-line texts, which keeps the two apart. What stays are letters of all scripts with up to four marks.
//! Letters written from right to left stay too: a terminal that reorders them does so within their line.

use testudo::visible;
use unicode_width::UnicodeWidthChar as _;

/// Marks in a row that a letter may carry; more would climb into other lines.
const MOST_MARKS: usize = 4;

/// Shows a text character by character, remembering how many marks the last letter has.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// A letter that is not ASCII came last, with this many marks on it.
    marks: Option<usize>,
}

impl Screen {
    /// Appends the harmless form of one character. Newlines and tabs are controls here.
    pub fn show(&mut self, c: char, out: &mut String) {
        let width = c.width();
        let seen = visible::is_visible(c);
        let mark = width == Some(0);
        let shown = if c.is_ascii() {
            !c.is_ascii_control()
        } else if mark {
            seen && self.marks.is_some_and(|marks| marks < MOST_MARKS)
        } else {
            seen && width.is_some()
        };
        self.marks = match self.marks {
            Some(marks) if mark && shown => Some(marks + 1),
            _ => (shown && !c.is_ascii()).then_some(0),
        };
        if shown {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
}

/// One line: newlines, tabs and backslashes are written out too.
pub fn line(text: &str) -> String {
    let (mut screen, mut out) = (Screen::default(), String::with_capacity(text.len()));
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c => screen.show(c, &mut out),
        }
    }
    out
}

/// One line of a file: a tab is an arrow, a trailing space a dot, backslashes stand as they are.
pub fn source_line(text: &str) -> String {
    let body = text.trim_end_matches(' ');
    let (mut screen, mut out) = (Screen::default(), String::with_capacity(text.len()));
    for c in body.chars() {
        match c {
            '\t' => out.push_str("→   "),
            c => screen.show(c, &mut out),
        }
    }
    out.extend(std::iter::repeat_n('·', text.len() - body.len()));
    out
}

/// Several lines: newlines stay, everything else is as in [`source_line`] but for its arrows and dots.
pub fn lines(text: &str) -> String {
    let (mut screen, mut out) = (Screen::default(), String::with_capacity(text.len()));
    for c in text.chars() {
        match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c => screen.show(c, &mut out),
        }
    }
    out
}

/// One line of at most `most` characters; an ellipsis stands for the rest.
pub fn brief(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return line(text);
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", line(&start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_spoof_is_written_out() {
        for (given, shown) in [
            ("plain", "plain"),
            ("a\x1b[2Jb", r"a\u{1b}[2Jb"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("photo\u{202e}gpj.exe", r"photo\u{202e}gpj.exe"),
            ("zero\u{200b}width", r"zero\u{200b}width"),
            ("a\u{2066}b\u{2069}", r"a\u{2066}b\u{2069}"),
            ("no\u{a0}break", r"no\u{a0}break"),
            ("tag\u{e0041}", r"tag\u{e0041}"),
            ("fill\u{3164}er", r"fill\u{3164}er"),
            ("sel\u{fe0f}", r"sel\u{fe0f}"),
            ("\u{e000}", r"\u{e000}"),
            ("line\u{2028}two", r"line\u{2028}two"),
            ("a\rb\nc\td", r"a\rb\nc\td"),
            (r"\u{202e}", r"\\u{202e}"),
        ] {
            assert_eq!(line(given), shown, "{given:?}");
        }
    }

    #[test]
    fn languages_stay_readable() {
        for text in ["Grüße, œuvre", "नमस्ते", "สวัสดี", "שלום", "日本語", "한국어", "✓ → 🐢"]
        {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn marks_do_not_pile_up_and_do_not_sit_on_ascii() {
        assert_eq!(line("e\u{301}"), r"e\u{301}");
        let piled = line(&format!("ж{}", "\u{301}".repeat(6)));
        assert_eq!(piled.matches('\u{301}').count(), MOST_MARKS, "{piled}");
    }

    #[test]
    fn a_line_of_a_file_shows_its_blanks() {
        assert_eq!(source_line("\tx = 1  "), "→   x = 1··");
        assert_eq!(source_line(r"C:\new"), r"C:\new");
    }

    #[test]
    fn brief_cuts_before_it_shows() {
        assert_eq!(brief("abcdef", 6), "abcdef");
        assert_eq!(brief("abcdefg", 6), "abcde…");
    }

    proptest! {
        #[test]
        fn no_control_comes_through(text in any::<String>()) {
            for shown in [line(&text), source_line(&text)] {
                prop_assert!(!shown.chars().any(char::is_control));
            }
            prop_assert!(!lines(&text).chars().any(|c| c.is_control() && c != '\n'));
        }

        #[test]
        fn different_texts_look_different(a in any::<String>(), b in any::<String>()) {
            prop_assume!(a != b);
            prop_assert_ne!(line(&a), line(&b));
        }
    }
}

//! Which characters a person can see: prompts and diffs write all others out.

/// Characters that are letters or symbols by their class and show nothing, and invisible marks.
const INVISIBLE: [std::ops::RangeInclusive<char>; 10] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Neither a control nor a format character, nor a blank that is no plain one, nor anything else that shows nothing.
/// Marks are visible: how many of them a letter may carry is for the caller to say.
pub fn is_visible(c: char) -> bool {
    // Behind a letter the standard library lets marks stand and escapes only what nobody can see, and these three.
    let printable = matches!(c, '"' | '\'' | '\\') || String::from_iter(['a', c]).escape_debug().count() == 2;
    printable && !INVISIBLE.iter().any(|range| range.contains(&c))
}

/// One line of text in which everything that cannot be seen is written out, as `\u{202e}`: a tab is an arrow, a blank
/// at the end a dot. Backslashes stand as they are, as in a file.
pub fn line(text: &str) -> String {
    let body = text.trim_end_matches(' ');
    let mut out = String::with_capacity(text.len());
    for c in body.chars() {
        match c {
            '\t' => out.push_str("→   "),
            c if is_visible(c) => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
    }
    out.extend(std::iter::repeat_n('·', text.len() - body.len()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_not_visible() {
        for c in ['a', 'ü', '語', ' ', '"', '\\', '\u{301}', '→'] {
            assert!(is_visible(c), "{c:?}");
        }
        for c in [
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{a0}',
            '\u{200b}',
            '\u{202e}',
            '\u{2066}',
            '\u{3164}',
            '\u{feff}',
            '\u{e0041}',
        ] {
            assert!(!is_visible(c), "{c:?}");
        }
    }

    #[test]
    fn a_line_writes_out_what_hides() {
        assert_eq!(line("a\u{202e}b\r\tc  "), r"a\u{202e}b\u{d}→   c··");
        assert_eq!(line("Grüße"), "Grüße");
    }
}

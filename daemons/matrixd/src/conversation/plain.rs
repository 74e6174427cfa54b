//! Text of a model or of somebody else, made harmless as text: what cannot be seen is written out, and nothing in it
//! can call everybody of the room.
//!
//! Joiners stay where scripts and emoji need them: between two characters that are no ASCII.

use testudo::visible;

/// Between `@` and `room`, where it shows nothing: clients that go by the words of a text do not find them any more.
const BREAK: char = '\u{2060}';

/// The text with everything invisible written out, as `⟨U+202E⟩`, and without `@room`.
pub fn harmless(text: &str) -> String {
    quiet(&seen(text))
}

/// The text with everything invisible written out. Line breaks and tabs stay.
pub fn seen(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if is_kept(before, c, rest.peek().copied()) {
            out.push(c);
        } else if c == '\r' {
            out.push('\n');
        } else {
            out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        }
        before = Some(c);
    }
    out
}

fn is_kept(before: Option<char>, c: char, after: Option<char>) -> bool {
    let is_wide = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_joining(c));
    match c {
        // Marks and blanks that are ordinary in text.
        '\n' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{3000}' | '\u{20e3}' => true,
        '\u{200c}' | '\u{200d}' => (is_wide(before) || before == Some('\u{fe0f}')) && is_wide(after),
        '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(|c| !is_joining(c) && !c.is_ascii_control()),
        c => visible::is_visible(c),
    }
}

const fn is_joining(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

/// The text in which nothing reads `@room`, in whatever case.
pub fn quiet(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (head, tail) = rest.split_at(at + 1);
        out.push_str(head);
        if tail.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("room")) {
            out.push(BREAK);
        }
        rest = tail;
    }
    out + rest
}

/// The name of a file as its sender has it, made the name of a file here: no path, nothing invisible, at most 100
/// bytes, never empty and never hidden.
pub fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().map(|c| match c {
        c if !visible::is_visible(c) => '_',
        '"' | '\'' | '`' | '$' | '*' | '?' | '<' | '>' | '|' | '&' | ';' => '_',
        c => c,
    });
    let mut out = String::new();
    for c in kept.skip_while(|c| matches!(c, '.' | ' ' | '-' | '~')) {
        if out.len() + c.len_utf8() > 100 {
            break;
        }
        out.push(c);
    }
    let out = out.trim_end_matches([' ', '.']);
    if out.is_empty() { "file".to_owned() } else { out.to_owned() }
}

/// The first `most` bytes of a text, to the last whole character.
pub fn head(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hides_is_written_out() {
        for (text, expected) in [
            ("pay\u{202e}fdp.exe", "pay⟨U+202E⟩fdp.exe"),
            ("ad\u{200b}min", "ad⟨U+200B⟩min"),
            ("a\u{200d}b", "a⟨U+200D⟩b"),
            ("hi\u{e0041}\u{e0042}", "hi⟨U+E0041⟩⟨U+E0042⟩"),
            ("\u{1b}[31m", "⟨U+001B⟩[31m"),
            ("a\r\nb\rc\td", "a\nb\nc\td"),
            (
                "👩\u{200d}🚀 ❤\u{fe0f} 1\u{fe0f}\u{20e3} می\u{200c}خواهم",
                "👩\u{200d}🚀 ❤\u{fe0f} 1\u{fe0f}\u{20e3} می\u{200c}خواهم",
            ),
            ("\u{2066}x\u{2069}\u{feff}", "⟨U+2066⟩x⟨U+2069⟩⟨U+FEFF⟩"),
        ] {
            assert_eq!(seen(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nobody_is_called_by_a_word() {
        assert_eq!(
            quiet("@room @Room a@room.org @ann:home.org @"),
            "@\u{2060}room @\u{2060}Room a@\u{2060}room.org @ann:home.org @"
        );
        assert_eq!(quiet("@röom"), "@röom");
    }

    #[test]
    fn names_of_files_are_names_of_files() {
        let long = format!("{}.txt", "ä".repeat(200));
        for (name, expected) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\ann\\x.txt", "x.txt"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("a\u{202e}b\nc`$(x)", "a_b_c__(x)"),
            ("a/", "file"),
        ] {
            assert_eq!(file_name(name), expected, "{name:?}");
        }
        assert_eq!(file_name(&long), "ä".repeat(50));
    }

    proptest! {
        #[test]
        fn no_name_leads_anywhere(name in ".{0,200}") {
            let name = file_name(&name);
            prop_assert!(!name.is_empty() && name.len() <= 100);
            let path = std::path::Path::new("/d").join(&name);
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("/d")));
            prop_assert!(name.chars().all(visible::is_visible));
        }

        #[test]
        fn harmless_text_calls_nobody(text in "[@roRO m\u{202e}\u{2060}]{0,40}") {
            let text = harmless(&text).to_lowercase();
            prop_assert!(!text.contains("@room"), "{}", text);
            prop_assert!(!text.contains('\u{202e}'), "{}", text);
        }
    }
}

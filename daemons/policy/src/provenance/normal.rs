//! Text in the form in which it is compared, so that two spellings that look the same are the same.
//!
//! Compatibility forms are unified (NFKC), what shows nothing is dropped, blanks become one space and curly quotes
//! straight ones. Letters of other scripts that only look alike stay different: they are not what the owner wrote.

use testudo::visible::is_visible;
use unicode_normalization::UnicodeNormalization as _;

/// The text as it is shown, with its capitals and its line ends.
pub(super) fn shown(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.nfkc() {
        match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{b}' | '\u{c}' | '\u{85}' => clean.push('\n'),
            c if c.is_whitespace() => clean.push(' '),
            '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => clean.push('\''),
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' | '\u{2033}' | '`' => clean.push('"'),
            '\u{2010}'..='\u{2015}' => clean.push('-'),
            c if is_visible(c) => clean.push(c),
            _ => {}
        }
    }
    clean
}

/// The text for comparing: as shown, in small letters, with single blanks and none at its ends.
pub(super) fn folded(text: &str) -> String {
    // Small letters can bring compatibility forms back, so they are unified once more.
    let small: String = shown(text).to_lowercase().nfkc().collect();
    let mut plain = String::with_capacity(small.len());
    for word in small.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.push_str(word);
    }
    plain
}

/// Whether a text has characters that show nothing, other than blanks and those that join symbols.
pub(super) fn hides(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let joins = matches!(c, '\u{fe0f}' | '\u{200d}') && !before.is_ascii() && !before.is_alphabetic();
        before = c;
        !is_visible(c) && !c.is_whitespace() && !joins
    })
}

/// Whether a value only becomes what it looks like when it is unified.
pub(super) fn is_disguised(value: &str) -> bool {
    value.nfkc().ne(value.chars())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_that_look_the_same_are_the_same() {
        for (one, other) in [
            ("Al\u{200b}ice", "alice"),
            ("\u{ff21}lice", "alice"),
            ("\u{201c}a\u{201d}", "\"a\""),
            ("a\u{a0}\n b", "a b"),
            ("\u{202e}abc", "abc"),
            ("\u{fb01}le", "file"),
        ] {
            assert_eq!(folded(one), other);
        }
        assert_ne!(folded("\u{430}lice"), "alice", "another script is another name");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "(.|\n){0,60}") {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }
    }
}

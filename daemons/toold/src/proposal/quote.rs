//! Names that other people chose, put into a line so that they cannot end it or pass for another part of it.

/// Characters that are letters or symbols by their class and show nothing, and invisible marks.
const INVISIBLE: [std::ops::RangeInclusive<char>; 9] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{e0000}'..='\u{e0fff}',
];

/// A path or link target as one word: as it is where that is plain, else in double quotes with C's escapes, bytes in octal.
///
/// This is what `git diff` does, but that a name with a blank is quoted too and that visible letters of all scripts stay.
/// No two names are quoted alike.
pub(super) fn quote(name: &str) -> String {
    let plain = |c: char| !matches!(c, ' ' | '"' | '\\') && is_visible(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    let mut out = String::from("\"");
    for c in name.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_visible(c) => out.push(c),
            c => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\{byte:03o}"));
                }
            }
        }
    }
    out.push('"');
    out
}

/// Neither a control nor a format character, nor a blank that is no plain one, nor anything else that shows nothing.
fn is_visible(c: char) -> bool {
    // Behind a letter the standard library lets marks stand and escapes only what nobody can see.
    let special = matches!(c, '"' | '\'' | '\\');
    special
        || (String::from_iter(['a', c]).escape_debug().count() == 2
            && !INVISIBLE.iter().any(|range| range.contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_word_of_one_line() {
        for (name, shown) in [
            ("src/main.rs", "src/main.rs"),
            ("it's", "it's"),
            ("Grüße/日本語/नमस्ते", "Grüße/日本語/नमस्ते"),
            ("", r#""""#),
            ("a -> b", r#""a -> b""#),
            ("a\n+++ b/x", r#""a\n+++ b/x""#),
            ("a\r\t\"\\", r#""a\r\t\"\\""#),
            ("a\x1b[2K\x7f", r#""a\033[2K\177""#),
            ("\u{202e}gpj.sh", r#""\342\200\256gpj.sh""#),
            ("a\u{200b}b\u{2028}", r#""a\342\200\213b\342\200\250""#),
            ("a\u{3164}", r#""a\343\205\244""#),
            ("\u{a0}", r#""\302\240""#),
        ] {
            assert_eq!(quote(name), shown, "{name:?}");
        }
    }
}

//! Names that other people chose, put into a line so that they cannot end it or pass for another part of it.

use testudo::visible::is_visible;

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

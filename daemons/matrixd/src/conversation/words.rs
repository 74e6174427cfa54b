//! What a person said, as it is told to the agent: whole, or cut with a note that says so.

use crate::conversation::plain;

/// The most bytes of one message.
pub const MOST: usize = 64 * 1024;
/// The most bytes of it as JSON, which is how it travels on; the bus takes strings of 100 KiB.
const MOST_JSON: usize = 90 * 1024;

/// The words, and whether they were cut.
pub fn told(text: &str) -> (String, bool) {
    let mut head = plain::head(text, MOST);
    while json_length(head) > MOST_JSON {
        head = plain::head(head, head.len() / 4 * 3);
    }
    if head.len() == text.len() {
        return (text.to_owned(), false);
    }
    let note =
        format!("[Cut here: the message has {} bytes, and {} of them were taken.]", text.len(), head.len());
    (format!("{head}\n\n{note}"), true)
}

fn json_length(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        assert_eq!(told("short"), ("short".to_owned(), false));
        let (text, is_cut) = told(&"ä".repeat(40_000));
        assert!(is_cut && text.starts_with("ää"));
        assert!(
            text.ends_with("[Cut here: the message has 80000 bytes, and 65536 of them were taken.]"),
            "{}",
            text.len()
        );
    }

    proptest! {
        #[test]
        fn it_always_fits_the_bus(piece in "[\u{1}\"ä\\\\a]{1,8}", times in 1usize..30_000) {
            let (text, _) = told(&piece.repeat(times));
            prop_assert!(json_length(&text) < 100 * 1024);
        }
    }
}

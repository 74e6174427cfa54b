//! The fenced code blocks of a Markdown text, found as `CommonMark` finds them at the outermost level.

use std::ops::Range;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    /// The whole of it, its fences too, in bytes of the text.
    pub whole: Range<usize>,
    /// What is between the fences.
    pub body: Range<usize>,
    /// The first word behind the opening fence: the language.
    pub language: String,
    /// The line that ends it.
    pub closing: String,
    /// Whether it is ended.
    pub is_closed: bool,
}

/// All blocks, in order.
pub fn fenced(text: &str) -> Vec<Fenced> {
    let mut blocks: Vec<Fenced> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        match (blocks.last_mut().filter(|block| !block.is_closed), run(line)) {
            (Some(block), Some((fence, rest))) if closes(&fence, rest, &block.closing) => {
                block.is_closed = true;
                block.whole.end = next;
            }
            (Some(block), _) => {
                block.body.end = next;
                block.whole.end = next;
            }
            (None, Some((fence, info))) if fence.starts_with('~') || !info.contains('`') => {
                let language = info.split_whitespace().next().unwrap_or_default().to_owned();
                blocks.push(Fenced {
                    whole: at..next,
                    body: next..next,
                    language,
                    closing: fence,
                    is_closed: false,
                });
            }
            (None, _) => {}
        }
        at = next;
    }
    blocks
}

/// What ends a block that is still open, so that nothing behind it is taken for code; empty where none is.
pub fn closing(text: &str) -> String {
    match fenced(text).last() {
        Some(block) if !block.is_closed && text.ends_with('\n') => block.closing.clone(),
        Some(block) if !block.is_closed => format!("\n{}", block.closing),
        _ => String::new(),
    }
}

/// The fence that a line begins with, and what follows it.
fn run(line: &str) -> Option<(String, &str)> {
    let trimmed = line.trim_start_matches(' ');
    let mark = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = trimmed.trim_start_matches(mark);
    let length = trimmed.len() - rest.len();
    (line.len() - trimmed.len() <= 3 && length >= 3).then(|| (mark.to_string().repeat(length), rest))
}

fn closes(fence: &str, rest: &str, opening: &str) -> bool {
    fence.starts_with(opening) && rest.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blocks_are_found_with_their_language() {
        let text = "a\n```rust x\nlet a;\n```\nb\n~~~~\n~~~\n~~~~\n    ```\nc";
        let blocks = fenced(text);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].language, "rust");
        assert_eq!(&text[blocks[0].body.clone()], "let a;\n");
        assert_eq!(&text[blocks[0].whole.clone()], "```rust x\nlet a;\n```\n");
        assert_eq!(&text[blocks[1].body.clone()], "~~~\n");
        assert!(fenced("```a`b\n").is_empty());
    }

    #[test]
    fn what_is_open_is_closed() {
        for (text, expected) in [
            ("plain", ""),
            ("```rust\nlet a;", "\n```"),
            ("```\na\n```", ""),
            ("~~~\n```\n", "~~~"),
            ("````\n```\n", "````"),
            ("```\n```rust", "\n```"),
        ] {
            assert_eq!(closing(text), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_stays_open(text in "[`~a \n]{0,60}") {
            let closed = format!("{text}{}", closing(&text));
            prop_assert_eq!(closing(&closed), "", "{:?}", closed);
        }
    }
}

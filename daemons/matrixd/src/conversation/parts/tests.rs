use super::*;
use proptest::prelude::*;

fn of(markdown: &str, is_edit: bool) -> Answer {
    answer(markdown, Hygiene::Full, is_edit)
}

#[test]
fn a_short_answer_is_one_message() {
    let answer = of("Hello **you**", true);
    assert_eq!(answer.text.body, "Hello **you**");
    assert!(answer.attachments.is_empty());
}

#[test]
fn of_a_long_answer_the_first_part_is_shown_and_all_is_attached() {
    let long = (0..2_000).map(|n| format!("Paragraph {n}.")).collect::<Vec<_>>().join("\n\n");
    let answer = of(&long, false);
    assert!(answer.text.body.starts_with("Paragraph 0.\n\nParagraph 1."));
    assert!(answer.text.body.ends_with("`answer.md`*.*"), "{}", &answer.text.body[7_000..]);
    assert!(answer.text.body.contains(".\n\n📎"), "it ends with a paragraph");
    assert_eq!(answer.attachments.len(), 1);
    assert_eq!(answer.attachments[0].content, long.as_bytes());
    assert_eq!(
        (answer.attachments[0].name.as_str(), answer.attachments[0].mime),
        ("answer.md", "text/markdown")
    );
}

#[test]
fn what_fits_as_a_message_may_not_fit_as_an_edit() {
    let text = "word ".repeat(3_000);
    assert!(of(&text, false).attachments.is_empty());
    assert_eq!(of(&text, true).attachments.len(), 1);
}

#[test]
fn large_code_is_a_file() {
    let code = "let a = 1;\n".repeat(200);
    let diff = "+a\n".repeat(200);
    let answer =
        of(&format!("Look:\n\n```rust\n{code}```\nand\n```diff\n{diff}```\nand\n```\nsmall\n```\n"), false);
    assert_eq!(
        answer.text.body,
        "Look:\n\n📎 `code-1.rs` (200 lines)\nand\n📎 `changes-2.diff` (200 lines)\nand\n```\nsmall\n```\n"
    );
    assert_eq!(answer.attachments[0].content, code.as_bytes());
    assert_eq!(answer.attachments[1].content, diff.as_bytes());
    let many = format!("```\n{code}```\n").repeat(20);
    assert!(of(&many, false).attachments.len() <= FILES);
}

#[test]
fn a_cut_within_code_leaves_no_open_block() {
    let answer = of(&format!("```\n{}{}", "x\n".repeat(100), "y ".repeat(1_900)), false);
    assert!(answer.attachments.is_empty() || answer.text.body.contains("📎"));
    let inside = format!("{}```\n{}", "word ".repeat(1_000), "x ".repeat(20_000));
    let cut = beginning(&inside, Hygiene::Full, true);
    assert_eq!(fence::closing(&cut.body), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_event_fits(piece in "[\"<&>\u{1}\u{202e}ä語*_`\\[\\]()!@ \n|~#-]{1,24}", times in 1usize..4_000, is_edit: bool) {
        let text = piece.repeat(times);
        let answer = of(&text, is_edit);
        prop_assert!(cost(&answer.text, is_edit) <= EVENT);
        let shown = beginning(&text, Hygiene::Full, is_edit);
        prop_assert!(cost(&shown, is_edit) <= EVENT);
    }
}

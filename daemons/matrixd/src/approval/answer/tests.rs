use super::*;
use proptest::prelude::*;

fn code() -> Code {
    Code::parse("K7QM").unwrap()
}

fn plain() -> Yes {
    Yes { id: None, code: code(), reach: Reach::Once, steps: None, otp: None, phrase: None }
}

fn said(text: &str) -> Yes {
    match parse(text) {
        Some(Answer::Yes(yes)) => yes,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn exact_words_are_a_yes() {
    let otp = Otp::parse("123456");
    let hours = Reach::Until("2h".into());
    for (text, expected) in [
        ("yes K7QM", plain()),
        ("Yes k7qm", plain()),
        ("  yes   K7QM  ", plain()),
        ("yes K7QM 123456", Yes { otp: otp.clone(), ..plain() }),
        ("yes K7QM for 2h", Yes { reach: hours.clone(), ..plain() }),
        ("yes K7QM for 2h 123456", Yes { reach: hours.clone(), otp: otp.clone(), ..plain() }),
        ("for 2h K7QM", Yes { reach: hours, ..plain() }),
        ("session K7QM", Yes { reach: Reach::Session, ..plain() }),
        ("always K7QM 123456", Yes { reach: Reach::Always, otp, ..plain() }),
        ("1-3 K7QM", Yes { steps: Some("1-3".into()), ..plain() }),
        ("-2 K7QM", Yes { steps: Some("-2".into()), ..plain() }),
        ("/approve a-7 K7QM", Yes { id: Some("a-7".into()), ..plain() }),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn a_phrase_is_handed_on_as_it_was_typed() {
    let otp = Otp::parse("123456");
    let typed = |phrase: &str| Yes { phrase: Some(phrase.into()), ..plain() };
    for (text, expected) in [
        ("yes K7QM I break 6 decisions", typed("I break 6 decisions")),
        ("  YES k7qm   I break 6 decisions ", typed("I break 6 decisions")),
        ("yes K7QM I break 6 decisions 123456", Yes { otp: otp.clone(), ..typed("I break 6 decisions") }),
        ("yes K7QM I break 123456 decisions", typed("I break 123456 decisions")),
        (
            "/approve a-7 K7QM I break 6 decisions",
            Yes { id: Some("a-7".into()), ..typed("I break 6 decisions") },
        ),
        // These are wrong, and policyd says so.
        ("yes K7QM i break 6 decisions", typed("i break 6 decisions")),
        ("yes K7QM I  break 6 decisions", typed("I  break 6 decisions")),
        ("yes K7QM I break 6 decisions.", typed("I break 6 decisions.")),
        ("yes K7QM I break it I break 6 decisions", typed("I break it I break 6 decisions")),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
    for text in [
        "I break 6 decisions",
        "I break 6 decisions K7QM",
        "yes I break 6 decisions",
        "K7QM I break 6 decisions",
        "yes K7QM I break",
        "yes K7QM I brake 6 decisions",
        "yes K7QM please I break 6 decisions",
        "yes K7QM 123456 I break 6 decisions",
        "yes K7QM for 2h I break 6 decisions",
        "session K7QM I break 6 decisions",
        "always K7QM I break 6 decisions",
        "1-3 K7QM I break 6 decisions",
        "yes K7QM\u{a0}I break 6 decisions",
        "yes K7QM I\u{a0}break 6 decisions",
        "yes K7QM I br\u{435}ak 6 decisions",
        "yes K7QM \u{406} break 6 decisions",
        "> yes K7QM I break 6 decisions",
        "yes K7QM\nI break 6 decisions",
    ] {
        assert!(!matches!(parse(text), Some(Answer::Yes(_))), "{text}");
    }
}

#[test]
fn anything_else_is_no_yes() {
    for text in [
        "",
        "yes",
        "K7QM",
        "y K7QM",
        "yes that",
        "yes please K7QM",
        "yes K7QM please",
        "yes K7QM.",
        "> yes K7QM",
        "* yes K7QM",
        "yes\nK7QM",
        "yes\u{a0}K7QM",
        "yes K7QM\u{200b}",
        "ｙｅｓ K7QM",
        "yes K7QM 12345",
        "yes K7QM １２３４５６",
        "yes K7QM for",
        "yes K7QM for ever",
        "yes K7QM for 0s",
        "for K7QM",
        "for 2h",
        "session",
        "always",
        "always 123456",
        "1-3",
        "approve K7QM",
        "/approve a-7",
        "yes K7QM 123456 123456",
        "not yes K7QM",
        "“yes K7QM”",
        "`yes K7QM`",
        "yes K7QM\nno",
        "- K7QM",
        "oui K7QM",
        "да K7QM",
    ] {
        assert!(!matches!(parse(text), Some(Answer::Yes(_))), "{text}");
    }
}

#[test]
fn a_no_may_be_said_freely() {
    let no = |code: Option<Code>, reason: &str| Answer::No(No { id: None, code, reason: reason.into() });
    for (text, expected) in [
        ("no", no(None, "")),
        ("No.", no(None, "")),
        ("no K7QM", no(Some(code()), "")),
        ("no K7QM because it is late", no(Some(code()), "it is late")),
        ("no because it is late", no(None, "it is late")),
        ("no, write it to notes/\ninstead", no(None, "write it to notes/\ninstead")),
        ("deny k7qm", no(Some(code()), "")),
        (
            "/deny a-7 too late",
            Answer::No(No { id: Some("a-7".into()), code: None, reason: "too late".into() }),
        ),
    ] {
        assert_eq!(parse(text), Some(expected), "{text}");
    }
    for text in ["nope", "north", "/deny", "now K7QM"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn a_one_time_code_is_not_shown_by_accident() {
    assert!(!format!("{:?}", parse("yes K7QM 123456")).contains("123456"));
}

proptest! {
    #[test]
    fn any_text_is_read_and_a_yes_has_only_known_words(text in ".{0,60}") {
        if let Some(Answer::Yes(Yes { phrase: None, .. })) = parse(&text) {
            prop_assert!(text.trim().split(' ').filter(|word| !word.is_empty()).all(is_known));
        }
    }

    #[test]
    fn words_of_the_grammar_in_a_wrong_order_do_not_panic(
        words in proptest::collection::vec("(yes|for|2h|session|always|K7QM|123456|1-3|no|/approve|a-7)", 0..6)
    ) {
        if let Some(Answer::Yes(yes)) = parse(&words.join(" ")) {
            prop_assert_eq!(&yes.code, &code());
            // One code, and at most one of each other part: as many words as there are in the longest form.
            prop_assert!(words.len() <= 6 && words.iter().filter(|word| *word == "K7QM").count() == 1);
        }
    }

    #[test]
    fn a_word_too_many_makes_it_none(
        form in prop::sample::select(vec!["yes K7QM", "session K7QM", "always K7QM", "for 2h K7QM", "1-3 K7QM"]),
        extra in "[^ ]{1,12}",
        in_front in any::<bool>(),
    ) {
        let is_otp = !in_front && Otp::parse(&extra).is_some();
        let text = if in_front { format!("{extra} {form}") } else { format!("{form} {extra}") };
        let is_yes = matches!(parse(&text), Some(Answer::Yes(_)));
        prop_assert!(!is_yes || is_otp || extra.trim().is_empty(), "{}", text);
    }

    #[test]
    fn a_character_too_many_makes_it_none(at in 0usize..9, extra in "\\PC") {
        let mut text = "yes K7QM".to_owned();
        text.insert_str(at.min(text.len()), &extra);
        let is_yes = matches!(parse(&text), Some(Answer::Yes(_)));
        prop_assert!(!is_yes || extra.trim().is_empty(), "{}", text);
    }
}

fn is_known(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    matches!(word.as_str(), "yes" | "for" | "session" | "always" | "/approve")
        || Code::parse(&word).is_some()
        || Otp::parse(&word).is_some()
        || quantity::duration(&word).is_ok()
        || is_steps(&word)
        || word.starts_with("a-")
}

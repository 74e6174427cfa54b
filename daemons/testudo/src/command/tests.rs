use proptest::prelude::*;

use super::*;

fn command(line: &str) -> Command {
    match read(line, Channel::Chat) {
        Line::Command(command) => command,
        other => panic!("{line}: {other:?}"),
    }
}

fn wrong(line: &str, channel: Channel) -> String {
    match read(line, channel) {
        Line::Wrong(wrong) => wrong.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn lines_mean_what_they_say() {
    for (line, meant) in [
        ("/help", Command::Help(None)),
        ("/?", Command::Help(None)),
        ("/help /stop", Command::Help(Some("stop"))),
        ("/help me please", Command::Help(None)),
        ("  /stop now\n", Command::Stop),
        ("/STOP", Command::Stop),
        ("/stop\nand more", Command::Stop),
        ("/approve a-1", Command::Approve { id: "a-1".into(), answer: String::new() }),
        ("/approve a-1  X7K2  123456", Command::Approve { id: "a-1".into(), answer: "X7K2  123456".into() }),
        ("/deny a-1  not  there", Command::Deny { id: "a-1".into(), reason: "not  there".into() }),
        ("/deny a-1", Command::Deny { id: "a-1".into(), reason: String::new() }),
        ("/disable no-money", Command::Disable("no-money".into())),
        ("/enable no-money", Command::Enable("no-money".into())),
        ("/revoke l-3", Command::Revoke("l-3".into())),
        ("/new", Command::New(None)),
        ("/new garden_2", Command::New(Some("garden_2".into()))),
        ("/model", Command::Model(None)),
        ("/model big one", Command::Model(Some("big one".into()))),
        ("/pin", Command::Pin(None)),
        ("/pin  he is\nmy son ", Command::Pin(Some("he is\nmy son".into()))),
        ("/unpin 3", Command::Unpin(3)),
        ("/unpin #3", Command::Unpin(3)),
        ("/approve-context he is my son", Command::ApproveContext("he is my son".into())),
        ("/exit", Command::Quit),
    ] {
        assert_eq!(command(line), meant, "{line}");
    }
}

#[test]
fn what_is_no_command_is_said() {
    for (line, said) in [
        ("write hi", "write hi"),
        ("//etc is a folder", "/etc is a folder"),
        ("//", "/"),
        ("///x", "//x"),
        ("what does /stop do?", "what does /stop do?"),
        // Slashes that are none, and blanks that hide one.
        ("\u{ff0f}stop", "\u{ff0f}stop"),
        ("\u{2044}stop", "\u{2044}stop"),
        ("\u{2215}stop", "\u{2215}stop"),
        ("\u{29f8}stop", "\u{29f8}stop"),
        ("\u{338}stop", "\u{338}stop"),
        ("\u{200b}/stop", "\u{200b}/stop"),
        ("\u{feff}/stop", "\u{feff}/stop"),
        ("\u{a0}/stop", "/stop"),
        ("> /stop", "> /stop"),
        ("* /stop", "* /stop"),
    ] {
        assert_eq!(read(line, Channel::Matrix), Line::Say(said.into()), "{line:?}");
    }
    for nothing in ["", "  ", "\n\t", "\u{3000}"] {
        assert_eq!(read(nothing, Channel::Chat), Line::Nothing);
    }
}

#[test]
fn an_unknown_word_is_answered_with_the_nearest_of_its_channel() {
    for (line, nearest) in [
        ("/stpo", Some("stop")),
        ("/stauts", Some("status")),
        ("/aprove a-1", Some("approve")),
        ("/session", Some("sessions")),
        ("/etc/passwd please", None),
        ("/", None),
        ("/\u{455}top", Some("stop")),
    ] {
        let Line::Wrong(Wrong::Unknown { nearest: found, .. }) = read(line, Channel::Chat) else {
            panic!("{line}");
        };
        assert_eq!(found, nearest, "{line}");
    }
    assert_eq!(
        wrong("/stpo", Channel::Chat),
        "there is no /stpo, did you mean /stop?: /help lists what there is"
    );
    assert_eq!(
        wrong("/qiut", Channel::Chat),
        "there is no /qiut, did you mean /quit?: /help lists what there is"
    );
    assert_eq!(wrong("/qiut", Channel::Matrix), "there is no /qiut: /help lists what there is");
    assert_eq!(wrong("/quit", Channel::Matrix), "there is no /quit in Matrix, only in testudoctl chat");
}

#[test]
fn what_is_repeated_is_short_and_can_be_seen() {
    assert_eq!(
        wrong("/\u{202e}pots", Channel::Chat),
        "there is no /\\u{202e}pots, did you mean /stop?: /help lists what there is"
            .replace(", did you mean /stop?", "")
    );
    let long = wrong(&format!("/{}", "x".repeat(70_000)), Channel::Matrix);
    assert!(long.len() < 100, "{long}");
}

#[test]
fn what_is_wrong_is_said_with_what_would_be_right() {
    for (line, text) in [
        ("/approve", "which one? /approve ID"),
        ("/disable", "which one? /disable RULE; /rules lists them"),
        ("/revoke", "which one? /revoke LEASE; /leases lists them"),
        ("/approve-context", "what is it? /approve-context TEXT"),
        ("/unpin", "which one? /unpin NUMBER; /pin lists them"),
        ("/unpin first", "a pin has a number: /unpin NUMBER; /pin lists them"),
        ("/unpin -1", "a pin has a number: /unpin NUMBER; /pin lists them"),
        ("/new a/b", "a session's name is a letter or digit, then letters, digits, _ and -, at most 64"),
        ("/new -x", "a session's name is a letter or digit, then letters, digits, _ and -, at most 64"),
    ] {
        assert_eq!(wrong(line, Channel::Chat), text, "{line}");
    }
    assert_eq!(wrong("/approve", Channel::Matrix), "which one? /approve ID CODE [for TIME] [OTP]");
    let long = "x".repeat(129);
    for line in [format!("/revoke {long}"), format!("/deny {long} no"), format!("/model {long}")] {
        assert!(wrong(&line, Channel::Matrix).ends_with("more than 128 characters"), "{line}");
    }
    assert_eq!(
        read("/new a/b", Channel::Matrix),
        Line::Command(Command::New(None)),
        "no name is taken there"
    );
}

proptest! {
    #[test]
    fn no_line_breaks_it(line in any::<String>(), matrix in any::<bool>()) {
        let channel = if matrix { Channel::Matrix } else { Channel::Chat };
        for line in [line.clone(), format!("/{line}"), format!("/approve {line}"), format!("/new {line}")] {
            if let Line::Wrong(wrong) = read(&line, channel) {
                let text = wrong.to_string();
                prop_assert!(!text.chars().any(char::is_control), "{text:?}");
                prop_assert!(text.chars().count() < 400, "{text:?}");
            }
        }
    }

    #[test]
    fn two_slashes_say_one(text in "[^\\s](.{0,40}[^\\s])?") {
        prop_assert_eq!(read(&format!("//{text}"), Channel::Matrix), Line::Say(format!("/{text}")));
    }

    #[test]
    fn only_the_ascii_slash_begins_a_command(text in "\\PC{0,40}") {
        let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let is_said = matches!(read(&text, Channel::Chat), Line::Say(_) | Line::Nothing);
        prop_assert_eq!(is_said, !trimmed.starts_with('/') || trimmed.starts_with("//"));
    }

    #[test]
    fn a_command_is_read_alike_whatever_its_case(at in 0..table::TABLE.len(), upper in any::<bool>()) {
        let name = table::TABLE[at].name;
        let typed = if upper { name.to_ascii_uppercase() } else { name.to_owned() };
        prop_assert_eq!(read(&format!("/{typed} x"), Channel::Chat), read(&format!("/{name} x"), Channel::Chat));
    }
}

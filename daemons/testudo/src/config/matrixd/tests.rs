use super::{Matrixd, covers};
use crate::config::parse;
use crate::observation::Author;

#[test]
fn nothing_is_a_whole_table() {
    let matrixd = parse("t", "").unwrap().matrixd;
    assert_eq!(matrixd, Matrixd::default());
    assert_eq!(matrixd.device_name, "Testudo");
    assert!(matrixd.owners.is_empty() && !matrixd.trust_homeserver);
}

#[test]
fn a_table_says_who_is_heard_where() {
    let text = "[matrixd]\nhomeserver = \"https://matrix.example.org:8448/\"\nuser = \"@testudo:example.org\"\n\
        device = \"ABCDEF\"\nowners = \"@ann:example.org\"\nmembers = [\"@bob:example.org\", \"@c.d_e=/+-1:[::1]:8448\"]\n\
        bridged = [\"@signal_*:example.org\"]\nrooms = [\"!abc:example.org\", \"!31hneApxJ_1o\"]\n\
        unencrypted_rooms = \"!plain:example.org\"\nbridged_rooms = \"!far:example.org\"\nowner_room = \"!abc:example.org\"\naudit_room = \"!log:example.org\"\n\
        trust_homeserver = true\nauthorities = \"/etc/ssl/own.pem\"\n";
    let matrixd = parse("t", text).unwrap().matrixd;
    assert_eq!(matrixd.owners, ["@ann:example.org"]);
    assert_eq!((matrixd.members.len(), matrixd.rooms.len()), (2, 2));
    assert_eq!(matrixd.bridged_rooms, ["!far:example.org"]);
    assert_eq!(matrixd.owner_room.as_deref(), Some("!abc:example.org"));
    assert!(matrixd.trust_homeserver);
}

#[test]
fn plain_http_goes_to_this_machine_alone() {
    for (url, good) in [
        ("http://127.0.0.1:8008", true),
        ("http://[::1]:8008/", true),
        ("http://localhost", true),
        ("https://matrix.example.org/base", true),
        ("http://matrix.example.org", false),
        ("http://127.0.0.1.evil.org", false),
        ("http://localhost.evil.org", false),
        ("https://", false),
        ("https://a b", false),
        ("https://u:p@a.example", false),
        ("https://a.example/?k=v", false),
        ("https://a.example:0", false),
        ("https://a.example:99999", false),
        ("https://[::1", false),
        ("ftp://a.example", false),
        ("matrix.example.org", false),
        ("https://-a.example", false),
    ] {
        let text = format!("[matrixd]\nhomeserver = {url:?}\nuser = \"@t:example.org\"\n");
        assert_eq!(parse("t", &text).is_ok(), good, "{url}");
    }
}

#[test]
fn what_is_no_id_is_refused() {
    for (key, good, bad) in [
        (
            "owners",
            &["@ann:example.org", "@a/b:10.0.0.1:8448"][..],
            &[
                "ann",
                "@ann",
                "@ann:",
                "@:example.org",
                "@Ann:example.org",
                "@\u{430}nn:example.org",
                "@ann:example.org ",
                "@*:example.org",
                "@a b:c",
            ][..],
        ),
        ("members", &["@bob:example.org"], &["*", "", "#room:example.org"]),
        (
            "bridged",
            &["@signal_*:example.org", "@telegram_1:example.org", "@*_bridge:example.org"],
            &["*", "@*", "@*:example.org", "@signal_*:*", "@a**:example.org", "signal_*:example.org"],
        ),
        (
            "rooms",
            &["!abc:example.org", "!x"],
            &["#alias:example.org", "abc", "!", "!:example.org", "!a b:c", "!a:b:c:d"],
        ),
        ("owner_room", &["!abc:example.org"], &["#owner:example.org", ""]),
        ("audit_room", &["!abc:example.org"], &["@ann:example.org"]),
    ] {
        for (ids, expected) in [(good, true), (bad, false)] {
            for id in ids {
                let text = format!("[matrixd]\n{key} = {}\n", toml::Value::from(*id));
                assert_eq!(parse("t", &text).is_ok(), expected, "{key} {id:?}");
            }
        }
    }
}

#[test]
fn every_mistake_has_a_place() {
    for (body, place) in [
        ("homserver = \"x\"", "t:2:1: unknown key `homserver`: did you mean `homeserver`?"),
        ("password = \"x\"", "t:2:1: unknown key `password`"),
        ("homeserver = 8008", "t:2:14: expected a string"),
        ("homeserver = \"http://a.example\"\nuser = \"@t:a.example\"", "t:2:14: `homeserver` must be https"),
        ("homeserver = \"https://a.example\"", "`user` is missing"),
        ("user = \"@t:a.example\"", "`homeserver` is missing"),
        ("owners = [\"@a:b.example\", \"ann\"]", "t:2:10: `owners` cannot take \"ann\" for a user id"),
        ("rooms = \"#a:b.example\"", "t:2:9: `rooms` cannot take \"#a:b.example\" for a room id"),
        (
            "bridged = \"@irc_*:b.example\"\nbridged_rooms = [\"!a:b.example\", \"#a:b.example\"]",
            "t:3:17: `bridged_rooms` cannot take \"#a:b.example\" for a room id",
        ),
        ("bridged_rooms = \"!a:b.example\"", "t:2:17: `bridged_rooms` lets nobody in"),
        ("device = \"a b\"", "t:2:10: `device` must be"),
        ("device_name = \"\"", "t:2:15: `device_name` must be"),
        ("device_name = \"a\\nb\"", "t:2:15: `device_name` must be"),
        ("trust_homeserver = \"yes\"", "t:2:20: expected true or false"),
        ("authorities = \"own.pem\"", "t:2:15: expected an absolute path"),
        (
            "owners = \"@a:b.example\"\nmembers = \"@a:b.example\"",
            "t:3:11: `members` has somebody who is among the owners",
        ),
        (
            "owners = \"@irc_a:b.example\"\nbridged = \"@irc_*:b.example\"",
            "t:2:10: `owners` has somebody for whom a bridge",
        ),
        (
            "homeserver = \"https://a.example\"\nuser = \"@t:a.example\"\nowners = \"@t:a.example\"",
            "t:4:10: `owners` has the account itself",
        ),
        (
            "unencrypted_rooms = \"!a:b.example\"\nowner_room = \"!a:b.example\"",
            "t:3:14: `owner_room` is among the rooms that need not be encrypted",
        ),
    ] {
        let shown = parse("t", &format!("[matrixd]\n{body}\n")).unwrap_err().to_string();
        assert!(shown.contains(place), "{body}: {place}\nnot in\n{shown}");
    }
}

#[test]
fn a_list_says_who_somebody_is_and_nothing_looks_alike() {
    let matrixd = Matrixd {
        owners: vec!["@ann:home.org".into()],
        members: vec!["@bob:home.org".into()],
        bridged: vec!["@signal_*:home.org".into()],
        ..Matrixd::default()
    };
    for (user, expected) in [
        ("@ann:home.org", Author::Owner),
        ("@bob:home.org", Author::Member),
        ("@signal_7:home.org", Author::Bridged),
        ("@Ann:home.org", Author::Stranger),
        ("@ann:home.org.evil.net", Author::Stranger),
        ("", Author::Stranger),
    ] {
        assert_eq!(matrixd.author(user), expected, "{user}");
    }
}

#[test]
fn a_star_stands_for_a_part_of_a_name() {
    for (pattern, user, expected) in [
        ("@signal_*:home.org", "@signal_7:home.org", true),
        ("@signal_*:home.org", "@signal_7:evil.net", false),
        ("@signal_*:home.org", "@signal_7:evil.net:home.org", false),
        ("@signal_*:home.org", "@xsignal_7:home.org", false),
        ("@ann:home.org", "@ann:home.org", true),
        ("@a*a:b.c", "@a:b.c", false),
    ] {
        assert_eq!(covers(pattern, user), expected, "{pattern} {user}");
    }
}

use super::*;
use proptest::prelude::*;

#[test]
fn only_the_one_form_of_a_host_is_taken() {
    for text in [
        "a.example",
        "a-b.c_d.example",
        "xn--bcher-kva.example",
        "localhost",
        "1.1.1.1",
        "1a.2b",
        "3com.example",
        "a.b.c.d.e.f",
    ] {
        assert_eq!(Host::parse(text).map(|host| host.to_string()), Ok(text.to_owned()));
    }
    for (text, shown) in [
        ("[::1]", "[::1]"),
        ("::1", "[::1]"),
        ("[0:0::1]", "[::1]"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
        ("[::ffff:7f00:1]", "[::ffff:127.0.0.1]"),
    ] {
        assert_eq!(Host::parse(text).map(|host| host.to_string()), Ok(shown.to_owned()));
    }
}

#[test]
fn what_nearly_names_a_host_is_refused() {
    let long = format!("{}.example", "a".repeat(64));
    let longer = ["abcdefgh"; 40].join(".");
    for text in [
        "",
        ".",
        "a.example.",
        ".a.example",
        "a..example",
        "A.example",
        "a.EXAMPLE",
        "-a.example",
        "a-.example",
        "a.example\0",
        "a\0.evil.example",
        "a.example\n",
        " a.example",
        "a example",
        "a.example:443",
        "user@a.example",
        "a.example@evil.example",
        "a.example/",
        "a.example#",
        "a.example?x",
        "a%2eexample",
        "a\\.example",
        "bücher.example",
        "аpple.example",
        "a。example",
        "a\u{200b}.example",
        "*.example",
        "*",
        "127.1",
        "127.0.1",
        "1.2.3",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.01",
        "127.0.0.1.",
        "256.1.1.1",
        "1.1.1.1.1",
        "example.1",
        "example.0x1",
        "[1.1.1.1]",
        "[a.example]",
        "[::1",
        "::1]",
        "[]",
        "[::1%eth0]",
        "fe80::1%1",
        "[::1%25lo]",
        "[::ffff:1.2.3]",
        "::1.",
        long.as_str(),
        longer.as_str(),
    ] {
        assert!(Host::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn below_a_name_is_not_the_name_nor_what_only_ends_like_it() {
    let below = HostPattern::parse("*.a.example").unwrap();
    for (text, expected) in [
        ("x.a.example", true),
        ("x.y.a.example", true),
        ("a.example", false),
        ("xa.example", false),
        ("x.a.example.evil", false),
        ("evil-a.example", false),
    ] {
        assert_eq!(below.matches(&Host::parse(text).unwrap()), expected, "{text}");
    }
    for text in
        ["*.", "*", "**.a", "*a.example", "a.*.example", "*.*.example", "*.1.1.1.1", "*.[::1]", "*.A.example"]
    {
        assert!(HostPattern::parse(text).is_err(), "{text}");
    }
    assert!(!HostPattern::parse("*.example").unwrap().matches(&Host::parse("1.1.1.1").unwrap()));
}

proptest! {
    #[test]
    fn what_is_taken_is_shown_as_what_is_taken_again(text in "[ -~]{0,40}|[a-z0-9.-]{1,30}|[0-9a-f:.\\[\\]]{1,30}") {
        if let Ok(host) = Host::parse(&text) {
            let shown = host.to_string();
            prop_assert_eq!(Host::parse(&shown), Ok(host.clone()));
            prop_assert!(shown.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
            if let Host::Name(name) = &host {
                // No resolver and no library takes it for an address.
                prop_assert!(name.parse::<std::net::IpAddr>().is_err());
                prop_assert_eq!(name, &text);
            }
        }
    }

    /// Every number that the C library would take for an IPv4 address is an address here, or nothing.
    #[test]
    fn no_name_is_an_address_in_disguise(
        parts in prop::collection::vec(prop_oneof!["[0-9]{1,10}", "0[0-7]{1,11}", "0x[0-9a-f]{1,8}"], 1..5)
    ) {
        let text = parts.join(".");
        prop_assert!(!matches!(Host::parse(&text), Ok(Host::Name(_))), "{}", text);
    }

    #[test]
    fn what_is_below_ends_in_a_dot_and_the_rest(front in "[a-z]{1,5}", name in "[a-z]{1,5}\\.[a-z]{1,5}") {
        let pattern = HostPattern::parse(&format!("*.{name}")).unwrap();
        let parse = |text: String| Host::parse(&text).unwrap();
        let (inside, beside) = (parse(format!("{front}.{name}")), parse(format!("{front}{name}")));
        prop_assert!(pattern.matches(&inside));
        prop_assert!(!pattern.matches(&beside));
        prop_assert!(!pattern.matches(&parse(name)));
    }
}

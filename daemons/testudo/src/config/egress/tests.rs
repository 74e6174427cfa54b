use crate::config::parse;
use std::time::Duration;

#[test]
fn nothing_is_a_whole_table() {
    let egressd = parse("t", "").unwrap().egressd;
    assert_eq!(egressd.resolver, None);
    assert!(egressd.private.is_empty() && egressd.secrets.is_empty() && egressd.authorities.is_empty());
    assert_eq!((egressd.connections, egressd.per_minute), (32, 600));
    assert_eq!(
        (egressd.lifetime, egressd.connect_timeout),
        (Duration::from_hours(1), Duration::from_secs(30))
    );
}

#[test]
fn a_table_says_what_may_be_reached_and_which_secret_goes_where() {
    let text = "[egressd]\nresolver = \"[::1]:5353\"\nprivate = [\"https://nas.lan:8443/photos\", \"tls://*.corp.example\"]\n\
        idle_timeout = \"5s\"\nrequest_limit = \"1KiB\"\nconnections = 1\n\n[egressd.secrets.b]\nendpoint = \"https://b.example/v1/\"\n\
        [egressd.secrets.a]\nendpoint = \"https://a.example\"\ncredential = \"other\"\nheader = \"private-token\"\nshape = \"{}\"\n";
    let egressd = parse("t", text).unwrap().egressd;
    assert_eq!(egressd.private.len(), 2);
    assert_eq!((egressd.idle_timeout, egressd.request_limit), (Duration::from_secs(5), 1024));
    let secrets: Vec<(&str, &str, String)> = egressd
        .secrets
        .iter()
        .map(|binding| (binding.name.as_str(), binding.credential.as_str(), binding.endpoint.to_string()))
        .collect();
    assert_eq!(
        secrets,
        [
            ("a", "other", "https://a.example".to_owned()),
            ("b", "testudo.egressd.b", "https://b.example/v1/".to_owned())
        ]
    );
    let shape =
        |index: usize| (egressd.secrets[index].header.as_str(), egressd.secrets[index].shape.as_str());
    assert_eq!(shape(0), ("private-token", "{}"));
    assert_eq!(shape(1), ("authorization", "Bearer {}"));
}

#[test]
fn every_mistake_has_a_place() {
    for (body, place) in [
        ("resolver = \"dns.example\"", "t:2:12: `resolver` must be an address and a port"),
        ("resolver = 53", "t:2:12: expected a string"),
        (
            "private = [\"nas.lan\"]",
            "t:2:11: `private` cannot take \"nas.lan\" for an endpoint: it has no scheme",
        ),
        (
            "private = [\"https://a.example\", \"https://127.1/\"]",
            "t:2:11: `private` cannot take \"127.1\" for a host",
        ),
        ("private = \"https://u@a.example\"", "a user name"),
        ("conections = 3", "t:2:1: unknown key `conections`: did you mean `connections`?"),
        ("connections = 0", "t:2:15: "),
        ("connections = 1001", "t:2:15: "),
        ("lifetime = \"0s\"", "t:2:12: `lifetime` must be more than 0"),
        ("head_timeout = \"5\"", "t:2:16: unknown unit"),
        ("request_limit = \"x\"", "t:2:17: "),
        ("authorities = \"relative.pem\"", "t:2:15: "),
        ("[egressd.secrets.x]", "`endpoint` is missing"),
        ("[egressd.secrets.x]\nendpoint = \"http://a.example/\"", "t:3:12: `endpoint` must be https"),
        (
            "[egressd.secrets.x]\nendpoint = \"https://*.a.example/\"",
            "t:3:12: `endpoint` must name one exact host",
        ),
        ("[egressd.secrets.x]\nendpoint = \"https://a.example/?k=v\"", "t:3:12: "),
        ("[egressd.secrets.X]\nendpoint = \"https://a.example/\"", "a secret is named by 1 to 64 lower-case"),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\ncredential = \"../../etc/shadow\"",
            "t:4:14: ",
        ),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nheader = \"Authorization\"",
            "t:4:10: `header` must be the name of one header in lower case",
        ),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nheader = \"proxy-authorization\"",
            "t:4:10: `header` must be",
        ),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nshape = \"Bearer\"",
            "t:4:9: `shape` must be the value of a header with one {}",
        ),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nshape = \"{}{}\"",
            "t:4:9: `shape` must be",
        ),
        ("[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nshape = \" {}\"", "t:4:9: `shape` must be"),
        (
            "[egressd.secrets.x]\nendpoint = \"https://a.example/\"\nvalue = \"hush\"",
            "t:4:1: unknown key `value`",
        ),
    ] {
        let shown = parse("t", &format!("[egressd]\n{body}\n")).unwrap_err().to_string();
        assert!(shown.contains(place), "{body}: {place}\nnot in\n{shown}");
    }
}

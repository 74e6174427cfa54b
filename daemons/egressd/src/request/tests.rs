use super::*;

fn get(target: &str, host: &str) -> Result<Asked, Turned> {
    read(&Method::GET, target, Some(host), true)
}

fn connect(target: &str, host: &str) -> Result<Asked, Turned> {
    read(&Method::CONNECT, target, Some(host), true)
}

/// Host, port, path and query of a request whose Host header says the same.
fn taken(target: &str) -> Option<(String, u16, String, Option<String>)> {
    let written = target.split("://").nth(1)?.split(['/', '?']).next()?;
    match get(target, written) {
        Ok(Asked::Forward(wish)) => Some((wish.host.to_string(), wish.port, wish.path, wish.query)),
        _ => None,
    }
}

#[test]
fn takes_the_canonical_form() {
    let is = |host: &str, port, path: &str, query: Option<&str>| {
        Some((host.to_owned(), port, path.to_owned(), query.map(str::to_owned)))
    };
    assert_eq!(taken("https://a.test/x?y=1"), is("a.test", 443, "/x", Some("y=1")));
    assert_eq!(taken("http://a.test"), is("a.test", 80, "/", None));
    assert_eq!(taken("http://a.test?"), is("a.test", 80, "/", Some("")));
    assert_eq!(taken("https://a.test:8443/"), is("a.test", 8443, "/", None));
    assert_eq!(taken("https://xn--bcher-kva.test/"), is("xn--bcher-kva.test", 443, "/", None));
    assert_eq!(taken("https://192.0.2.1/"), is("192.0.2.1", 443, "/", None));
    assert_eq!(taken("https://[2001:DB8::1]:8443/"), is("[2001:db8::1]", 8443, "/", None));
}

#[test]
fn letters_of_a_name_are_put_into_lower_case_and_nothing_else_is_mended() {
    assert_eq!(
        taken("HTTPS://API.Test/Path").map(|(host, _, path, _)| host + &path).unwrap(),
        "api.test/Path"
    );
    for target in [
        "https://a.test./",
        "https://a..test/",
        "https://.a.test/",
        "https://-a.test/",
        "https:///x",
        "https://user@a.test/",
        "https://user:word@a.test/",
        "https://a.test@b.test/",
        "https://a.test:0/",
        "https://a.test:/",
        "https://a.test:65536/",
        "https://a.test:+80/",
        "https://a.test:080/",
        "https://a.test:80:80/",
        "https://a.test:8o/",
        "https://a.test:80 /",
        "https://b\u{fc}cher.test/",
        "https://a%2etest/",
        "https://a.test%00.b.test/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://0x7f.0.0.1/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://1.2.3.4.5/",
        "https://256.0.0.1/",
        "https://2001:db8::1/",
        "https://[2001:db8::1/",
        "https://2001:db8::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[127.0.0.1]/",
        "https://[a.test]/",
        "https://[::1]x/",
        "ftp://a.test/",
        "tls://a.test/",
        "file:///etc/passwd",
        "//a.test/",
        "/a://b.test/",
        "/",
        "*",
        "a.test:443",
        "",
    ] {
        assert_eq!(taken(target), None, "{target:?}");
        assert!(get(target, "a.test").is_err(), "{target:?}");
    }
}

#[test]
fn the_host_header_says_the_same() {
    for host in ["a.test", "A.TEST", "a.test:443"] {
        assert!(get("https://a.test/", host).is_ok(), "{host}");
    }
    for host in ["b.test", "a.test:80", "a.test:8443", "a.test.", "a.test, b.test", "a.test@b.test", ""] {
        assert!(get("https://a.test/", host).is_err(), "{host}");
    }
    assert!(read(&Method::GET, "https://a.test/", None, true).is_err());
    assert!(get("http://a.test:8080/", "a.test").is_err());
}

#[test]
fn a_tunnel_names_host_and_port_alone() {
    let to = |host: &str, port| Ok(Asked::Tunnel(Host::parse(host).unwrap(), port));
    assert_eq!(connect("a.test:443", "a.test:443"), to("a.test", 443));
    assert_eq!(connect("A.test:443", "a.test"), to("a.test", 443));
    assert_eq!(connect("[::1]:443", "[::1]:443"), to("::1", 443));
    for target in
        ["a.test", "https://a.test:443", "a.test:443/", "u@a.test:443", "::1:443", "a.test:0", ":443"]
    {
        assert!(connect(target, target).is_err(), "{target}");
    }
    assert!(connect("a.test:443", "b.test:443").is_err());
    assert!(connect("a.test:443", "a.test:22").is_err());
}

proptest::proptest! {
    #[test]
    fn what_is_taken_is_said_again_in_one_way(target in "[ -~]{0,40}") {
        let target = format!("https://{target}");
        if let Some((host, port, path, query)) = taken(&target) {
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let again = format!("https://{host}:{port}{path}{query}");
            let (host2, port2, path2, query2) = taken(&again).expect("its own canonical form");
            proptest::prop_assert_eq!((host, port), (host2, port2));
            proptest::prop_assert_eq!(format!("{path}{query}"), format!("{path2}{}", query2.map(|query| format!("?{query}")).unwrap_or_default()));
        }
    }
}

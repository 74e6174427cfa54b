use super::*;
use proptest::prelude::*;

fn endpoint(text: &str) -> Endpoint {
    Endpoint::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn endpoints_are_read_and_shown() {
    for (text, port, path, shown) in [
        ("https://a.example", 443, "/", "https://a.example"),
        ("https://a.example/", 443, "/", "https://a.example"),
        ("https://a.example:443/x", 443, "/x", "https://a.example/x"),
        ("http://a.example:8080/x/", 8080, "/x/", "http://a.example:8080/x/"),
        ("tls://*.a.example", 443, "/", "tls://*.a.example"),
        ("tcp://db.example:5432", 5432, "/", "tcp://db.example:5432"),
        ("https://[::1]:8443/x", 8443, "/x", "https://[::1]:8443/x"),
    ] {
        let read = endpoint(text);
        assert_eq!((read.port, read.path.as_str(), read.to_string().as_str()), (port, path, shown), "{text}");
    }
}

#[test]
fn what_is_no_endpoint_is_refused() {
    for text in [
        "",
        "a.example",
        "//a.example",
        "https:/a.example",
        "https://",
        "https:///x",
        "HTTPS://a.example",
        "ftp://a.example",
        "https://u@a.example",
        "https://u:p@a.example",
        "https://a.example@evil.example",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:+443",
        "https://a.example:0443",
        "https://a.example:",
        "https://a.example:443:443",
        "https://a.example:４４３",
        "https://::1/",
        "https://[::1%eth0]/",
        "https://A.example",
        "https://a.example./",
        "https://a.example/x?y",
        "https://a.example/x#y",
        "https://a.example/%2e%2e/",
        "https://a.example/../x",
        "https://a.example/./x",
        "https://a.example//x",
        "https://a.example/x\\y",
        "https://a.example/x y",
        "https://a.example/\0",
        "https://127.1/",
        "https://0x7f000001/",
        "tcp://a.example",
        "tcp://a.example:1/x",
        "tls://a.example/x",
    ] {
        assert!(Endpoint::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_endpoint_covers_its_scheme_host_port_method_and_what_is_below_its_path() {
    let mut reading = endpoint("https://a.example/api");
    reading.methods = ["GET".to_owned(), "HEAD".to_owned()].into();
    let host = Host::parse("a.example").unwrap();
    for (scheme, port, method, path, expected) in [
        (Scheme::Https, 443, "GET", "/api", true),
        (Scheme::Https, 443, "HEAD", "/api/", true),
        (Scheme::Https, 443, "GET", "/api/x/y", true),
        (Scheme::Https, 443, "POST", "/api", false),
        (Scheme::Https, 443, "get", "/api", false),
        (Scheme::Https, 443, "GET", "/apix", false),
        (Scheme::Https, 443, "GET", "/", false),
        (Scheme::Https, 443, "GET", "/API", false),
        (Scheme::Https, 444, "GET", "/api", false),
        (Scheme::Http, 443, "GET", "/api", false),
        (Scheme::Tls, 443, "", "/", false),
        (Scheme::Https, 443, "GET", "/api/../admin", false),
        (Scheme::Https, 443, "GET", "/api/%2e%2e/admin", false),
        (Scheme::Https, 443, "GET", "/api/.%2E/admin", false),
        (Scheme::Https, 443, "GET", "/api/..;x=1/admin", false),
        (Scheme::Https, 443, "GET", "/api/..%2fadmin", false),
        (Scheme::Https, 443, "GET", "/api/..%5cadmin", false),
        (Scheme::Https, 443, "GET", "/api/%252e%252e/admin", false),
        (Scheme::Https, 443, "GET", "/api/..\\admin", false),
        (Scheme::Https, 443, "GET", "/api/%00", false),
    ] {
        assert_eq!(
            reading.covers(scheme, &host, port, method, path),
            expected,
            "{scheme:?} {port} {method} {path}"
        );
    }
    let page = Endpoint { page: Some(Page { query: Some("q=1".into()) }), ..reading };
    for (path, expected) in [("/api", true), ("/api/", false), ("/api/x", false)] {
        assert_eq!(page.covers(Scheme::Https, &host, 443, "GET", path), expected, "{path}");
    }
    for (query, expected) in [(Some("q=1"), true), (Some("q=2"), false), (Some(""), false), (None, false)] {
        assert_eq!(page.takes(query), expected, "{query:?}");
    }
    assert!(endpoint("https://a.example/api").takes(Some("anything")));
    let opaque = endpoint("tls://a.example");
    assert!(opaque.covers(Scheme::Tls, &host, 443, "", "/"));
    assert!(!opaque.covers(Scheme::Https, &host, 443, "GET", "/"));
}

#[test]
fn an_escape_that_could_mean_more_than_a_letter_is_devious() {
    for (path, expected) in [
        ("/a/b.c;d=1/%20x%C3%A9/%e2%82%ac", false),
        ("/a%3Ab%40c%2Bd%3D", false),
        ("/a/%c0%ae%c0%ae/b", true),
        ("/a/%e0%80%ae/b", true),
        ("/a/%u002e%u002e/b", true),
        ("/a/..%3bx/b", true),
        ("/a/%2e/b", true),
        ("/a/x%2Etxt", true),
        ("/a%2Fb", true),
        ("/a%5cb", true),
        ("/a%252fb", true),
        ("/a%0d%0ab", true),
        ("/a%7f", true),
        ("/a%C2%85", true),
        ("/a%", true),
        ("/a%2", true),
        ("/a%+1", true),
        ("/a%zz", true),
        ("/a%C3x%A9", true),
        ("/a%ff", true),
        ("/a\tb", true),
    ] {
        assert_eq!(is_devious(path), expected, "{path}");
    }
}

proptest! {
    #[test]
    fn what_is_taken_is_shown_as_what_is_taken_again(text in "(https|http|tls|tcp)://[a-z0-9.:\\[\\]/@%-]{0,30}") {
        if let Ok(read) = Endpoint::parse(&text) {
            prop_assert_eq!(Endpoint::parse(&read.to_string()), Ok(read.clone()));
            prop_assert!(read.path.starts_with('/') && read.port > 0);
        }
    }

    /// However a path is written, a server that resolves it stays below what was granted.
    #[test]
    fn no_way_leads_out_of_a_prefix(parts in prop::collection::vec("[a-c]|\\.|\\.\\.|%2e|%2E\\.|%2f|;|%252e", 0..8)) {
        let path = format!("/api/{}", parts.join("/"));
        if is_below(&path, "/api") {
            let mut resolved: Vec<String> = Vec::new();
            let decoded = path.to_ascii_lowercase().replace("%25", "%").replace("%2e", ".").replace("%2f", "/");
            for part in decoded.split('/').filter(|part| !part.is_empty()) {
                match part {
                    "." => {}
                    ".." => {
                        resolved.pop();
                    }
                    other => resolved.push(other.to_owned()),
                }
            }
            prop_assert_eq!(resolved.first().map(String::as_str), Some("api"), "{}", path);
        }
    }
}

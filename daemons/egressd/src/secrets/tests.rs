use super::*;
use testudo::egress::{Endpoint, Host, Scheme};

fn secrets() -> Secrets {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("one"), "value-of-one").unwrap();
    let binding = |name: &str, endpoint: &str| Binding {
        name: name.to_owned(),
        endpoint: Endpoint::parse(endpoint).unwrap(),
        credential: name.to_owned(),
        header: "authorization".to_owned(),
        shape: "Bearer {}".to_owned(),
    };
    let bindings = [binding("one", "https://api.test/v1/"), binding("absent", "https://api.test/v1/")];
    Secrets::load(&bindings, Some(directory.path())).unwrap()
}

fn wish(scheme: Scheme, host: &str, port: u16, path: &str) -> Wish {
    let mut wish = Wish::opaque(scheme, Host::parse(host).unwrap(), port);
    (wish.method, wish.path) = ("GET".to_owned(), path.to_owned());
    wish
}

fn header(value: &str) -> HeaderMap {
    HeaderMap::from_iter([(hyper::header::AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
}

#[test]
fn goes_to_its_endpoint_alone() {
    let (secrets, one) = (secrets(), ["one".to_owned()]);
    let may = |wish: Wish| secrets.check(&one, &wish, true).is_ok();
    assert!(may(wish(Scheme::Https, "api.test", 443, "/v1/x")));
    assert!(!may(wish(Scheme::Http, "api.test", 443, "/v1/x")));
    assert!(!may(wish(Scheme::Tls, "api.test", 443, "/v1/x")));
    assert!(!may(wish(Scheme::Https, "api.test.evil.test", 443, "/v1/x")));
    assert!(!may(wish(Scheme::Https, "www.api.test", 443, "/v1/x")));
    assert!(!may(wish(Scheme::Https, "api.test", 8443, "/v1/x")));
    assert!(!may(wish(Scheme::Https, "api.test", 443, "/v2/x")));
    assert!(!may(wish(Scheme::Https, "api.test", 443, "/v1/../v2")));
    assert!(!may(wish(Scheme::Https, "api.test", 443, "/v1/%2e%2e/v2")));
    assert!(
        secrets.check(&["none".to_owned()], &wish(Scheme::Https, "api.test", 443, "/v1/"), true).is_err()
    );
    assert!(
        secrets.check(&["absent".to_owned()], &wish(Scheme::Https, "api.test", 443, "/v1/"), true).is_err()
    );
}

#[test]
fn fills_every_placeholder_of_a_header() {
    let mut headers = header("Bearer {{secret:one}}, {{secret:one}}");
    assert_eq!(names(&headers).unwrap(), ["one"]);
    secrets().fill(&mut headers).unwrap();
    assert_eq!(headers[hyper::header::AUTHORIZATION], "Bearer value-of-one, value-of-one");
    assert!(headers[hyper::header::AUTHORIZATION].is_sensitive());
}

#[test]
fn goes_out_in_the_header_and_the_shape_of_its_binding_alone() {
    let shaped = |list: &[(&'static str, &str)]| {
        let one = |(name, value): &(&'static str, &str)| {
            (hyper::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = list.iter().map(one).collect();
        secrets().shaped(&names(&headers).unwrap(), &headers).is_ok()
    };
    assert!(shaped(&[("authorization", "Bearer {{secret:one}}"), ("accept", "*/*")]));
    for wrong in [
        &[("authorization", "{{secret:one}}")][..],
        &[("authorization", "bearer {{secret:one}}")],
        &[("authorization", "Bearer  {{secret:one}}")],
        &[("authorization", "Bearer x{{secret:one}}")],
        &[("authorization", "Bearer {{secret:one}}, {{secret:one}}")],
        &[("authorization", "Bearer {{secret:one}}"), ("authorization", "Bearer {{secret:one}}")],
        &[("authorization", "Bearer {{secret:one}}"), ("authorization", "x")],
        &[("authorization", "Bearer {{secret:one}}"), ("x-name", "{{secret:one}}")],
        &[("x-name", "Bearer {{secret:one}}")],
        &[("user-agent", "Bearer {{secret:one}}")],
    ] {
        assert!(!shaped(wrong), "{wrong:?}");
    }
}

#[test]
fn what_is_nearly_a_placeholder_is_refused() {
    for value in [
        "{{secret:}}",
        "{{secret:one",
        "{{secret:One}}",
        "{{SECRET:one}}",
        "{{secret:../x}}",
        "%7B%7bsecret:one%7D%7D",
    ] {
        assert!(names(&header(value)).is_err(), "{value}");
    }
    assert_eq!(names(&header("{{one}} {secret:one}")).unwrap(), Vec::<String>::new());
}

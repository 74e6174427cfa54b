//! Headers that end here: those between two neighbours, and those that only this proxy may say.

use hyper::HeaderMap;
use hyper::header::{self, HeaderName, HeaderValue};

use crate::gate::{Reason, Turned};

/// Tells a refusal of this proxy from an answer of a server.
pub const REFUSED: HeaderName = HeaderName::from_static("testudo-refused");

/// Between two neighbours only.
const HOPS: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Checks and strips the headers of a request; `watched` is whether its answer is searched for secrets.
pub(crate) fn of_request(headers: &mut HeaderMap, strict: bool, watched: bool) -> Result<(), Turned> {
    let wrong = |why: &str| Err(Turned::new(Reason::Form, format!("cannot take the request: {why}")));
    if strict && headers.contains_key(header::UPGRADE) {
        return wrong("another protocol is not spoken here");
    }
    if strict
        && headers
            .get_all(header::EXPECT)
            .iter()
            .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return wrong("its Expect is not 100-continue");
    }
    if strict && !options(headers).all(|option| matches!(option.as_str(), "close" | "keep-alive" | "te")) {
        return wrong("its Connection names other headers");
    }
    if strict && let Some(name) = headers.keys().find(|name| replaces(name.as_str())) {
        return wrong(&format!("{name} could say another method, target or sender than was decided"));
    }
    strip(headers);
    if watched {
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // A secret that comes back in slices is in none of them.
        headers.remove(header::RANGE);
        headers.remove(header::IF_RANGE);
    }
    Ok(())
}

/// Whether servers read a method, a target or a sender from it instead of from the request. Some take `_` for `-`.
fn replaces(name: &str) -> bool {
    let name = name.replace('_', "-");
    let exact =
        ["forwarded", "x-http-method", "x-http-method-override", "x-method-override", "x-host", "x-real-ip"];
    exact.contains(&name.as_str())
        || ["x-forwarded-", "x-original-", "x-rewrite-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Strips the headers of an answer.
pub(crate) fn of_answer(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(REFUSED);
    // It names other servers, which could not be reached by this way.
    headers.remove(header::ALT_SVC);
}

/// About how many bytes the headers are on the wire.
pub(crate) fn weight(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// The words of `Connection`, in lower case.
fn options(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(header::CONNECTION).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words
        .map(|word| String::from_utf8_lossy(word.trim_ascii()).to_ascii_lowercase())
        .filter(|word| !word.is_empty())
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> =
        options(headers).filter(|name| name != "content-length" && name != "host").collect();
    let proxy = headers
        .keys()
        .filter(|name| name.as_str().starts_with("proxy-"))
        .map(|name| name.as_str().to_owned());
    for name in named.into_iter().chain(proxy.collect::<Vec<_>>()) {
        headers.remove(name);
    }
    for name in HOPS {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let one = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        list.iter().map(one).collect()
    }

    #[test]
    fn what_is_between_neighbours_ends_here() {
        let mut given = headers(&[
            ("connection", "keep-alive"),
            ("keep-alive", "5"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "x"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        of_request(&mut given, true, false).unwrap();
        assert_eq!(given, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn refuses_what_asks_for_more() {
        for given in [
            [("upgrade", "websocket")],
            [("expect", "200-maybe")],
            [("connection", "close, authorization")],
            [("connection", "upgrade")],
        ] {
            assert!(of_request(&mut headers(&given), true, false).is_err(), "{given:?}");
        }
    }

    #[test]
    fn refuses_what_replaces_the_method_the_target_or_the_sender() {
        for name in [
            "x-http-method-override",
            "x_http_method_override",
            "x-http-method",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
            "x-forwarded-host",
            "x-forwarded-for",
            "forwarded",
        ] {
            assert!(of_request(&mut headers(&[(name, "DELETE")]), true, false).is_err(), "{name}");
        }
        assert!(of_request(&mut headers(&[("x-original", "1"), ("x-method", "1")]), true, false).is_ok());
    }

    #[test]
    fn an_answer_that_is_searched_is_asked_for_whole_and_plain() {
        let mut given = headers(&[("accept-encoding", "gzip"), ("range", "bytes=0-3"), ("if-range", "x")]);
        of_request(&mut given, true, true).unwrap();
        assert_eq!(given, headers(&[("accept-encoding", "identity")]));
    }

    #[test]
    fn a_server_cannot_speak_as_the_proxy() {
        let mut given = headers(&[
            ("testudo-refused", "denied"),
            ("proxy-authenticate", "Basic"),
            ("connection", "x-secret-hop"),
            ("x-secret-hop", "1"),
            ("etag", "1"),
        ]);
        of_answer(&mut given);
        assert_eq!(given, headers(&[("etag", "1")]));
    }
}

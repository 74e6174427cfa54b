//! The head of a request, byte by byte: only what every parser reads in the same way is let through.
//!
//! Two parsers that disagree about where a request ends are how one request hides inside another. What is refused here
//! is therefore everything that the standards leave to a parser's kindness: bare line feeds, folded lines, space before
//! a colon, two lengths, a length beside chunks, control bytes, old versions.

use hyper::Uri;

use crate::request::is_method;

/// Most bytes of a head.
pub const MAX_HEAD: usize = 32 * 1024;
/// Most headers of a request.
pub const MAX_HEADERS: usize = 64;

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    /// So many bytes.
    Length(u64),
    /// Chunks, until an empty one.
    Chunks,
    /// Whatever the tunnel carries.
    Tunnel,
}

/// Why a head is not taken.
pub(crate) type Refused = &'static str;

/// Checks a head that ends in an empty line, and says what follows it.
pub(crate) fn check(head: &[u8]) -> Result<Following, Refused> {
    let text = head.strip_suffix(b"\r\n\r\n").ok_or("its head does not end in an empty line")?;
    let mut lines = split(text);
    let method = start(lines.next().unwrap_or_default())?;
    let (mut hosts, mut length, mut chunked, mut count) = (0, None, false, 0);
    for line in lines {
        count += 1;
        if count > MAX_HEADERS {
            return Err("it has too many headers");
        }
        let (name, value) = header(line)?;
        if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let digits = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            let number =
                std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
            if length.replace(number.ok_or("its length is no number")?).is_some() {
                return Err("it has several lengths");
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err("its transfer encoding is not plain chunked");
            }
            chunked = true;
        }
    }
    if hosts != 1 {
        return Err("it has not exactly one Host");
    }
    match (length, chunked) {
        (Some(_), true) => Err("it has a length and chunks"),
        (length, chunked) if method == b"CONNECT" => {
            if chunked || length.is_some_and(|length: u64| length > 0) {
                Err("a tunnel has no body")
            } else {
                Ok(Following::Tunnel)
            }
        }
        (None, true) => Ok(Following::Chunks),
        (length, false) => Ok(Following::Length(length.unwrap_or(0))),
    }
}

/// The lines between CR LF pairs; a lone CR or LF stays in its line and is refused there.
fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.windows(2).position(|pair| pair == b"\r\n");
        rest = end.and_then(|end| text.get(end + 2..));
        text.get(..end.unwrap_or(text.len()))
    })
}

/// The method of a request line.
fn start(line: &[u8]) -> Result<&[u8], Refused> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, words.next()) else {
        return Err("its first line is not METHOD TARGET VERSION");
    };
    if version != b"HTTP/1.1" {
        return Err("it is not HTTP/1.1");
    }
    if !std::str::from_utf8(method).is_ok_and(is_method) {
        return Err("its method is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS and CONNECT");
    }
    let plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
    if target.is_empty() || !target.iter().all(plain) {
        return Err("its target has a fragment, a backslash, a control byte or what is not ASCII");
    }
    // What the parser behind this would refuse is refused here, with a reason and on the record.
    if Uri::try_from(target).is_err() {
        return Err("its target is no URL");
    }
    Ok(method)
}

/// Name and value of one header.
fn header(line: &[u8]) -> Result<(&[u8], &[u8]), Refused> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a header has no colon")?;
    let (name, value) = line.split_at(colon);
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(token) {
        return Err("the name of a header is no token");
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    let visible = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    if !value.iter().all(visible) {
        return Err("a header has a control byte");
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &str) -> Result<Following, Refused> {
        check(format!("POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{headers}\r\n").as_bytes())
    }

    #[test]
    fn says_what_follows() {
        assert_eq!(with(""), Ok(Following::Length(0)));
        assert_eq!(with("Content-Length: 12\r\n"), Ok(Following::Length(12)));
        assert_eq!(with("transfer-ENCODING: Chunked\r\n"), Ok(Following::Chunks));
        let connect = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
        assert_eq!(check(connect), Ok(Following::Tunnel));
    }

    #[test]
    fn refuses_what_two_parsers_read_in_two_ways() {
        for headers in [
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 0x5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 9999999999999999999\r\n",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding\t: chunked\r\n",
            "X: a\r\n folded\r\n",
            "X: a\r\n\tfolded\r\n",
            "X: a\nContent-Length: 5\r\n",
            "X: a\rContent-Length: 5\r\n",
            "X: a\0b\r\n",
            "X: \x7f\r\n",
            "Host: b.test\r\n",
            "NoColon\r\n",
            ": empty\r\n",
            "\u{e9}: x\r\n",
        ] {
            assert!(with(headers).is_err(), "{headers:?}");
        }
        assert!(with(&"X: a\r\n".repeat(MAX_HEADERS)).is_err());
        assert!(with(&"X: a\r\n".repeat(MAX_HEADERS - 1)).is_ok());
    }

    #[test]
    fn refuses_odd_first_lines() {
        for line in [
            "GET http://a.test/ HTTP/1.0",
            "GET http://a.test/ HTTP/2.0",
            "GET http://a.test/",
            "GET  http://a.test/ HTTP/1.1",
            "GET http://a.test/ x HTTP/1.1",
            "GET http://a.test/#f HTTP/1.1",
            "GET http://a.test/\\..\\ HTTP/1.1",
            "GET http://b\u{fc}cher.test/ HTTP/1.1",
            "GET http://a.test/\0 HTTP/1.1",
            "TRACE http://a.test/ HTTP/1.1",
            "get http://a.test/ HTTP/1.1",
            "PROPFIND http://a.test/ HTTP/1.1",
            "PRI * HTTP/2.0",
            "",
        ] {
            let head = format!("{line}\r\nHost: a.test\r\n\r\n");
            assert!(check(head.as_bytes()).is_err(), "{line:?}");
        }
        assert!(check(b"GET http://a.test/ HTTP/1.1\r\n\r\n").is_err(), "no host");
        assert!(check(b"GET http://a.test/ HTTP/1.1\nHost: a.test\n\n").is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_stops_and_what_passes_has_no_control_bytes(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        ) {
            let mut head = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nX: ".to_vec();
            head.extend(&bytes);
            head.extend(b"\r\n\r\n");
            if check(&head).is_ok() {
                let lines = head.split(|byte| *byte == b'\n').count();
                proptest::prop_assert_eq!(lines, head.windows(2).filter(|pair| *pair == b"\r\n").count() + 1);
                proptest::prop_assert!(!head.contains(&0));
            }
            let _whatever = check(&bytes);
        }
    }
}

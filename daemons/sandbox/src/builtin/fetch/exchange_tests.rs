use std::io::Cursor;

use super::*;

struct Script(Cursor<Vec<u8>>);

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte at a time: nothing may depend on how an answer is cut on its way.
        self.0.read(&mut buffer[..1])
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn read(answer: &[u8], most: usize) -> Result<(Head, Body, Vec<u8>), ExchangeError> {
    let mut exchange = Exchange::new(Script(Cursor::new(answer.to_vec())));
    let head = exchange.get(&Address::parse("https://a.example/").unwrap())?;
    let body = exchange.body(&head, most)?;
    let mut rest = exchange.ahead;
    exchange.stream.0.read_to_end(&mut rest).unwrap();
    Ok((head, body, rest))
}

#[test]
fn bodies_end_where_their_heads_say() {
    for (answer, body, rest) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcde", "abc", "de"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nt: u\r\n\r\nde",
            "abc",
            "de",
        ),
        ("HTTP/1.0 200 OK\r\n\r\nabc", "abc", ""),
        ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\nde", "", "de"),
    ] {
        let (_, found, left) = read(answer.as_bytes(), 100).unwrap();
        assert_eq!((found.bytes.as_slice(), found.more), (body.as_bytes(), false), "{answer}");
        assert_eq!(left, rest.as_bytes(), "{answer}");
    }
}

#[test]
fn a_body_is_cut_at_the_limit_and_says_so() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n4\r\ncdef\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nabcdef",
    ] {
        let (_, body, _) = read(answer.as_bytes(), 4).unwrap();
        assert_eq!((body.bytes.as_slice(), body.more), (&b"abcd"[..], true), "{answer}");
        let (_, body, _) = read(answer.as_bytes(), 6).unwrap();
        assert_eq!((body.bytes.as_slice(), body.more), (&b"abcdef"[..], false), "{answer}");
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    for answer in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        assert!(read(answer.as_bytes(), 100).is_err(), "{answer:?}");
    }
}

#[test]
fn endless_parts_end() {
    let many = |part: &str, count: usize| part.repeat(count);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nx: {}", many("y", 2 * HEAD)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", many("x: y\r\n", 1000)),
        many("HTTP/1.1 100 Continue\r\n\r\n", 50),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", many("x", 2 * LINE)),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}", many("x: y\r\n", HEAD)),
    ] {
        assert!(matches!(read(answer.as_bytes(), 100), Err(ExchangeError::Malformed(_))));
    }
}

use std::io::{self, Cursor};

use proptest::prelude::*;

use super::*;

/// Answers that are all there from the beginning, given out in pieces of some size.
struct Script {
    answers: Cursor<Vec<u8>>,
    piece: usize,
    asked: Vec<u8>,
}

impl Script {
    fn of(answers: impl Into<Vec<u8>>) -> Self {
        Self { answers: Cursor::new(answers.into()), piece: usize::MAX, asked: Vec::new() }
    }

    fn requests(&self) -> Vec<String> {
        let asked = String::from_utf8(self.asked.clone()).unwrap();
        asked.split_terminator("\r\n\r\n").map(|head| head.lines().next().unwrap().to_owned()).collect()
    }
}

impl Read for &mut Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.piece.min(buffer.len());
        self.answers.read(&mut buffer[..piece])
    }
}

impl Write for &mut Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asked.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const ROOM: u64 = 1 << 20;

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn fetched(answers: impl Into<Vec<u8>>) -> (Result<Value, String>, Vec<String>) {
    let mut script = Script::of(answers);
    let result = fetch(Some(&mut script), "https://a.example/page?x=1", None, ROOM);
    (result.map_err(|error| error.to_string()), script.requests())
}

#[test]
fn a_page_becomes_markdown() {
    let html =
        "<html><head><title> A  page </title></head><body><h1>Hi</h1><p>Some <b>words</b></p></body></html>";
    let (page, requests) = fetched(answer("200 OK", "content-type: text/html; charset=utf-8\r\n", html));
    let page = page.unwrap();
    assert_eq!(page["content"], "# Hi\n\nSome **words**");
    assert_eq!(
        (&page["title"], &page["status"], &page["truncated"]),
        (&json!("A page"), &json!(200), &json!(false))
    );
    assert_eq!(page["url"], "https://a.example/page?x=1");
    assert_eq!(requests, ["GET https://a.example/page?x=1 HTTP/1.1"]);
}

#[test]
fn redirects_are_new_requests_on_the_same_connection() {
    let moved = |to: &str| answer("302 Found", &format!("location: {to}\r\n"), "gone");
    let all = moved("/two")
        + &moved("https://b.example/three")
        + &answer("200 OK", "content-type: text/plain\r\n", "x");
    let (page, requests) = fetched(all);
    assert_eq!(page.unwrap()["url"], "https://b.example/three");
    assert_eq!(
        requests,
        [
            "GET https://a.example/page?x=1 HTTP/1.1",
            "GET https://a.example/two HTTP/1.1",
            "GET https://b.example/three HTTP/1.1"
        ]
    );
    let (error, requests) = fetched(moved("/on").repeat(9));
    assert!(error.unwrap_err().contains("more than 5"));
    assert_eq!(requests.len(), 6);
    for (to, why) in [
        ("http://a.example/", "from https to http://a.example/"),
        ("javascript:x", "is no address"),
        ("https://u@b/", "is no address"),
    ] {
        let (error, requests) = fetched(moved(to));
        assert!(error.unwrap_err().contains(why), "{to}");
        assert_eq!(requests.len(), 1);
    }
    let closing = answer("302 Found", "connection: close\r\nlocation: /two\r\n", "");
    assert!(fetched(closing).0.unwrap_err().contains("fetch https://a.example/two instead"));
}

#[test]
fn what_egressd_refuses_is_an_error_that_says_so() {
    let refusal = answer("403 Forbidden", "testudo-refused: denied\r\n", "a rule says no\u{1b}[31m");
    let error = fetched(refusal).0.unwrap_err();
    assert_eq!(
        error,
        "cannot fetch https://a.example/page?x=1: egressd refused it (denied): a rule says no␛[31m"
    );
}

#[test]
fn a_page_that_is_not_there_is_read_all_the_same() {
    let page = fetched(answer("404 Not Found", "content-type: text/plain\r\n", "no such page")).0.unwrap();
    assert_eq!((&page["status"], &page["content"]), (&json!(404), &json!("no such page")));
}

#[test]
fn only_text_is_read() {
    for (headers, expected) in [
        ("content-type: image/png\r\n", "it is image/png of 3 bytes"),
        ("content-type: application/octet-stream\r\n", "it is application/octet-stream of 3 bytes"),
        ("content-type: text/html\r\ncontent-encoding: gzip\r\n", "it is compressed (gzip) of 3 bytes"),
    ] {
        let error = fetched(answer("200 OK", headers, "xyz")).0.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    for kind in ["application/json", "application/ld+json", "text/csv; charset=x", "TEXT/Markdown"] {
        let page = fetched(answer("200 OK", &format!("content-type: {kind}\r\n"), "{\"a\":1}")).0.unwrap();
        assert_eq!(page["content"], "{\"a\":1}");
    }
}

#[test]
fn sizes_are_bounded() {
    let body = "ä".repeat(1000);
    let mut script = Script::of(answer("200 OK", "content-type: text/plain\r\n", &body));
    let page = fetch(Some(&mut script), "https://a.example/", Some(101), ROOM).unwrap();
    assert_eq!(
        (&page["size"], &page["truncated"], &page["lossy"]),
        (&json!(101), &json!(true), &json!(false))
    );
    assert_eq!(page["content"].as_str().unwrap(), "ä".repeat(50));
    let mut script = Script::of(answer("200 OK", "content-type: text/plain\r\n", &body));
    let page = fetch(Some(&mut script), "https://a.example/", None, 300).unwrap();
    assert_eq!(page["content"].as_str().unwrap(), "ä".repeat(50));
    assert_eq!(page["truncated"], true);
}

#[test]
fn what_is_no_utf_8_is_said() {
    let mut answers = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n".to_vec();
    answers.extend(b"caf\xe9");
    let page = fetched(answers).0.unwrap();
    assert_eq!((&page["content"], &page["lossy"]), (&json!("caf\u{fffd}"), &json!(true)));
}

#[test]
fn without_a_network_nothing_is_fetched() {
    let error = fetch(None::<&mut Script>, "https://a.example/", None, ROOM).unwrap_err().to_string();
    assert_eq!(error, "cannot fetch https://a.example/: this sandbox has no network");
    let error = fetch(Some(&mut Script::of("")), "gopher://a", None, ROOM).unwrap_err().to_string();
    assert_eq!(error, "cannot fetch \"gopher://a\": it is neither https nor http");
}

/// Bytes that are nearly an answer, so that every part of the reading is reached.
fn nearly_an_answer() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"HTTP/1.1 200 OK\r\n"[..]),
        Just(&b"HTTP/1.1 302 Found\r\nlocation: /x\r\n"[..]),
        Just(&b"HTTP/1.1 100 Continue\r\n\r\n"[..]),
        Just(&b"content-type: text/html\r\n"[..]),
        Just(&b"content-length: 9\r\n"[..]),
        Just(&b"content-length: 99999999999999999\r\n"[..]),
        Just(&b"transfer-encoding: chunked\r\n"[..]),
        Just(&b"testudo-refused: x\r\n"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"5\r\nhello\r\n"[..]),
        Just(&b"ffffffffffffff\r\n"[..]),
        Just(&b"0\r\n\r\n"[..]),
        Just(&b"<table><tr><td><ul><li><pre><a href='x'><b>"[..]),
        Just(&b"</p></table></ul><title>x<!-- "[..]),
        Just(&b"\xff\x00\x1b\xe2\x80"[..]),
    ];
    prop::collection::vec(
        prop_oneof![4 => piece.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..9)],
        0..24,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_answer_is_a_bounded_page_or_an_error(answers in nearly_an_answer(), piece in 1_usize..40) {
        let mut script = Script { piece, ..Script::of(answers) };
        match fetch(Some(&mut script), "https://a.example/", Some(4096), 3000) {
            Ok(page) => {
                let content = page["content"].as_str().unwrap();
                prop_assert!(content.len() <= 1000);
                prop_assert!(!content.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
            }
            Err(error) => prop_assert!(error.to_string().len() < 1500),
        }
        prop_assert!(script.requests().len() <= 6);
    }
}

use super::*;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

const GET: &str = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
const CONNECT: &str = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";

/// What passes when the text comes in pieces of this size, and the verdict.
async fn through(text: &[u8], size: usize) -> (Vec<u8>, Option<Refused>) {
    let (mut client, stream) = duplex(1 << 20);
    let (mut screen, verdict) = Screen::new(stream, true);
    let mut all = Vec::new();
    for piece in text.chunks(size) {
        client.write_all(piece).await.unwrap();
        while let Some(Ok(length)) = futures_util::FutureExt::now_or_never(screen.read_buf(&mut all)) {
            if length == 0 {
                break;
            }
        }
    }
    (all, verdict.get().copied())
}

#[tokio::test]
async fn what_is_well_formed_passes_as_it_came() {
    let text = [GET, POST, CHUNKED, GET, POST, POST, CONNECT, "\0anything\n\n\0"].concat();
    for size in [1, 2, 3, 7, 50, 1000] {
        assert_eq!(through(text.as_bytes(), size).await, (text.as_bytes().to_vec(), None), "{size}");
    }
}

#[tokio::test]
async fn nothing_passes_from_a_refused_head_on() {
    for bad in
        ["GET / HTTP/1.0\r\n\r\n", "X\n", "\n", "\r\n\r\n", "GET http://a.test/ HTTP/1.1\r\nX: a\n\r\n\r\n"]
    {
        let text = [POST, bad, GET].concat();
        for size in [1, 3, 1000] {
            let (passed, verdict) = through(text.as_bytes(), size).await;
            assert!(verdict.is_some(), "{bad:?}");
            assert_eq!(passed, [POST.as_bytes(), NOTHING].concat(), "{bad:?}");
        }
    }
    let endless = format!("GET http://a.test/ HTTP/1.1\r\nX: {}", "a".repeat(MAX_HEAD));
    assert_eq!(through(endless.as_bytes(), 1000).await, (NOTHING.to_vec(), Some("its head is too long")));
}

#[tokio::test]
async fn a_body_that_is_no_body_ends_the_stream() {
    let text = CHUNKED.replace("0\r\n\r\n", "0\r\nX: trailer\r\n\r\n") + GET;
    let (passed, verdict) = through(text.as_bytes(), 1000).await;
    assert!(verdict.is_none() && !String::from_utf8_lossy(&passed).contains("GET"));
}

proptest! {
    #[test]
    fn every_head_that_passes_was_checked(
        parts in proptest::collection::vec(proptest::sample::select(vec![GET, POST, CHUNKED, "\r\n", "\n", "x", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]), 0..6),
        size in 1_usize..40,
    ) {
        let text = parts.concat();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (passed, verdict) = runtime.block_on(through(text.as_bytes(), size));
        let passed = String::from_utf8(passed).unwrap();
        // Every GET and POST that passes is one of the well-formed ones, whole, but for the empty request at the end.
        let own = passed.strip_suffix(std::str::from_utf8(NOTHING).unwrap()).unwrap_or(&passed);
        prop_assert!(verdict.is_some() || own == passed);
        prop_assert!(text.starts_with(own));
        prop_assert!(own.matches("GET ").count() == own.matches(GET).count(), "{own:?}");
    }
}

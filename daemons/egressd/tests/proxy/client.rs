//! A client that says exactly what the test wants, byte by byte.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::world::soon;

/// A connection to the proxy.
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
    /// Whether the body was cut off.
    pub(crate) cut: bool,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The code of a refusal by the proxy.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.header("testudo-refused")
    }
}

impl Client {
    pub(crate) async fn connect(path: &Path) -> Self {
        Self { stream: UnixStream::connect(path).await.unwrap(), read: Vec::new() }
    }

    /// Says this; a proxy that has hung up already does not matter.
    pub(crate) async fn say(&mut self, text: &str) {
        let _gone = self.stream.write_all(text.as_bytes()).await;
    }

    /// GET with its Host and other headers, each with its line end.
    pub(crate) async fn get(&mut self, url: &str, headers: &str) -> Answer {
        self.ask("GET", url, headers, "").await
    }

    /// A request with a body of a known length.
    pub(crate) async fn ask(&mut self, method: &str, url: &str, headers: &str, body: &str) -> Answer {
        let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or(url);
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.say(&format!("{method} {url} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}")).await;
        soon(self.answer(method == "HEAD")).await.unwrap_or_else(|| panic!("no answer to {method} {url}"))
    }

    /// CONNECT; after 200 the stream is the tunnel's.
    pub(crate) async fn tunnel(&mut self, to: &str) -> Answer {
        self.say(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
        soon(self.answer(true)).await.expect("an answer to CONNECT")
    }

    /// The next answer; none when the proxy hung up before its head was whole.
    pub(crate) async fn answer(&mut self, bodiless: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.read[..end]).to_lowercase();
        self.read.drain(..end + 4);
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: String::new(), cut: false };
        if bodiless && answer.refused().is_none() {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let Some(size) = self.line().await.and_then(|line| usize::from_str_radix(&line, 16).ok())
                else {
                    answer.cut = true;
                    return Some(answer);
                };
                if size == 0 {
                    self.line().await;
                    return Some(answer);
                }
                answer.cut = !self.take(size, &mut answer.body).await;
                self.line().await;
                if answer.cut {
                    return Some(answer);
                }
            }
        }
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.cut = !self.take(length, &mut answer.body).await;
        Some(answer)
    }

    /// Everything until the proxy hangs up.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while soon(self.more()).await.is_some() {}
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) -> Option<()> {
        // Broken or ended is the same here.
        let length = self.stream.read_buf(&mut self.read).await.unwrap_or(0);
        (length > 0).then_some(())
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.read[..end]).into_owned();
                self.read.drain(..end + 2);
                return Some(line);
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize, body: &mut String) -> bool {
        while self.read.len() < length && self.more().await.is_some() {}
        let here = length.min(self.read.len());
        body.push_str(&String::from_utf8_lossy(&self.read[..here]));
        self.read.drain(..here);
        here == length
    }
}

//! Requests and answers of HTTP/1.1 over one connection to a proxy, bounded in every part.
//!
//! Written for an other side that is hostile: what has two readings is refused, and nothing is held that the limits do
//! not allow for. One [`Exchange`] carries several requests, each of which must be read to its end first.

use std::io::{self, Read, Write};

use crate::address::Address;

/// Most bytes of an answer's head, and of the trailers of a chunked one.
const HEAD: usize = 64 * 1024;
/// Most headers of an answer.
const HEADERS: usize = 128;
/// Most bytes of a line before a chunk.
const LINE: usize = 1024;
/// Most answers that only announce another one.
const INTERIM: usize = 8;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The connection.
    #[error("the connection broke: {0}")]
    Stream(#[from] io::Error),
    /// It ended too early.
    #[error("the connection ended in the middle of the answer")]
    Cut,
    /// The answer is not HTTP, or has two readings.
    #[error("the answer is not plain HTTP: {0}")]
    Malformed(&'static str),
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    framing: Framing,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunks,
    Close,
}

/// As much of a body as was wanted.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// There is more. The connection is of no use then.
    pub(super) more: bool,
}

impl Head {
    /// The first header of this name, in lower case; what is no UTF-8 in it is lost.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
    }

    /// Whether another request may follow on the connection, once the body was read whole.
    pub(super) fn keeps_alive(&self) -> bool {
        let close = self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        self.framing != Framing::Close && !close
    }

    /// The head that these bytes begin with, and its length.
    fn read(bytes: &[u8]) -> Result<(Self, usize), ExchangeError> {
        let mut room = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut room);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Err(httparse::Error::TooManyHeaders) => {
                return Err(ExchangeError::Malformed("it has too many headers"));
            }
            Ok(httparse::Status::Partial) | Err(_) => {
                return Err(ExchangeError::Malformed("its head cannot be read"));
            }
        };
        let headers: Vec<_> = response
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
            .collect();
        let status = response.code.unwrap_or_default();
        let framing = framing(status, &headers)?;
        Ok((Self { status, headers, framing }, length))
    }
}

fn framing(status: u16, headers: &[(String, Vec<u8>)]) -> Result<Framing, ExchangeError> {
    let all = |name: &'static str| -> Vec<&[u8]> {
        headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect()
    };
    let (chunked, lengths) = (all("transfer-encoding"), all("content-length"));
    if matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::Length(0));
    }
    match (chunked.as_slice(), lengths.as_slice()) {
        ([], []) => Ok(Framing::Close),
        ([coding], []) if coding.trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunks),
        ([], [first, rest @ ..]) if rest.iter().all(|other| other == first) => {
            let digits = std::str::from_utf8(first).unwrap_or_default().trim();
            let plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            let length = digits.parse().ok().filter(|_| plain);
            length.map(Framing::Length).ok_or(ExchangeError::Malformed("its length is no number"))
        }
        ([], _) => Err(ExchangeError::Malformed("it has several lengths")),
        (_, []) => Err(ExchangeError::Malformed("its transfer encoding is not chunked")),
        _ => Err(ExchangeError::Malformed("it has a length and chunks")),
    }
}

/// A connection and what was read of it and not used.
pub(super) struct Exchange<S> {
    stream: S,
    ahead: Vec<u8>,
}

impl<S: Read + Write> Exchange<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: Vec::new() }
    }

    /// Asks for a page and reads the head of the answer.
    pub(super) fn get(&mut self, address: &Address) -> Result<Head, ExchangeError> {
        let request = format!(
            "GET {address} HTTP/1.1\r\nHost: {}\r\nUser-Agent: testudo/{}\r\n\
             Accept: text/html, text/markdown, text/plain, application/json, text/*;q=0.8, */*;q=0.1\r\n\
             Accept-Encoding: identity\r\n\r\n",
            address.authority(),
            env!("CARGO_PKG_VERSION"),
        );
        self.stream.write_all(request.as_bytes())?;
        for _ in 0..INTERIM {
            let head = self.head()?;
            if !(100..=199).contains(&head.status) {
                return Ok(head);
            }
        }
        Err(ExchangeError::Malformed("it is announced again and again"))
    }

    fn head(&mut self) -> Result<Head, ExchangeError> {
        // Parsed once, however slowly it drips in.
        let mut looked = 0_usize;
        loop {
            let from = looked.saturating_sub(3);
            let end =
                self.ahead.get(from..).and_then(|new| new.windows(4).position(|four| four == b"\r\n\r\n"));
            if end.is_some() {
                let (head, length) = Head::read(&self.ahead)?;
                self.ahead.drain(..length);
                return Ok(head);
            }
            looked = self.ahead.len();
            if looked >= HEAD {
                return Err(ExchangeError::Malformed("its head is too long"));
            }
            if !self.fill()? {
                return Err(ExchangeError::Cut);
            }
        }
    }

    /// Reads the body of the answer with this head, at most `most` bytes of it.
    pub(super) fn body(&mut self, head: &Head, most: usize) -> Result<Body, ExchangeError> {
        let mut body = Body::default();
        match head.framing {
            Framing::Length(length) => self.take(length, most, &mut body)?,
            Framing::Close => {
                while !body.more && (!self.ahead.is_empty() || self.fill()?) {
                    let length = self.ahead.len() as u64;
                    self.take(length, most, &mut body)?;
                }
            }
            Framing::Chunks => self.chunks(most, &mut body)?,
        }
        Ok(body)
    }

    fn chunks(&mut self, most: usize, body: &mut Body) -> Result<(), ExchangeError> {
        loop {
            let line = self.line()?;
            let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            let plain =
                (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let size = u64::from_str_radix(digits, 16).ok().filter(|_| plain);
            match size.ok_or(ExchangeError::Malformed("the size of a chunk is no number"))? {
                0 => return self.trailers(),
                size => self.take(size, most, body)?,
            }
            if body.more {
                return Ok(());
            }
            if !self.line()?.is_empty() {
                return Err(ExchangeError::Malformed("a chunk is longer than its size"));
            }
        }
    }

    fn trailers(&mut self) -> Result<(), ExchangeError> {
        let mut length = 0;
        loop {
            let line = self.line()?;
            length += line.len();
            if line.is_empty() {
                return Ok(());
            }
            if length > HEAD {
                return Err(ExchangeError::Malformed("its end is too long"));
            }
        }
    }

    /// Adds `length` bytes to a body, or says that it has more than `most`.
    fn take(&mut self, length: u64, most: usize, body: &mut Body) -> Result<(), ExchangeError> {
        let mut left = length;
        while left > 0 {
            if self.ahead.is_empty() && !self.fill()? {
                return Err(ExchangeError::Cut);
            }
            let room = most - body.bytes.len().min(most);
            if room == 0 {
                body.more = true;
                return Ok(());
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.ahead.len()).min(room);
            body.bytes.extend(self.ahead.drain(..count));
            left -= count as u64;
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Vec<u8>, ExchangeError> {
        loop {
            if let Some(end) = self.ahead.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.ahead.drain(..=end).collect();
                line.pop();
                if line.pop_if(|byte| *byte == b'\r').is_none() {
                    return Err(ExchangeError::Malformed("a line does not end in CR LF"));
                }
                return Ok(line);
            }
            if self.ahead.len() > LINE {
                return Err(ExchangeError::Malformed("a line between chunks is too long"));
            }
            if !self.fill()? {
                return Err(ExchangeError::Cut);
            }
        }
    }

    /// Reads on; false at the end.
    fn fill(&mut self) -> Result<bool, ExchangeError> {
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(length) => {
                    self.ahead.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;

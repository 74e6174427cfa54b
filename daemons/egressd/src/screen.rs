//! Stands between a client and the HTTP parser, and holds each head back until it was checked as raw bytes.
//!
//! ```text
//!  head ──check──▶ body of N bytes ─┐        head ──refused──▶ deaf: an empty request, then nothing
//!   ▲  └─────────▶ chunks ──────────┤        head ──CONNECT──▶ tunnel: everything passes
//!   └───────────────────────────────┘
//! ```
//! After a refused head the parser sees one request that asks for nothing; the service answers it with the refusal, which it
//! finds in [`Verdict`], and the connection ends. A disagreement with the parser about where a body ends can only make
//! the screen read a body as a head, and refuse it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::chunks::{Chunks, Step};
use crate::head::{self, Following, MAX_HEAD, Refused};

/// Set once a head was refused.
pub(crate) type Verdict = Arc<OnceLock<Refused>>;

/// Read in the place of what was refused.
const NOTHING: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";
const CHUNK: usize = 16 * 1024;

enum State {
    Head,
    Body(u64),
    Chunks(Chunks),
    Tunnel,
    Deaf,
}

/// A checked stream.
pub(crate) struct Screen<S> {
    stream: S,
    state: State,
    verdict: Verdict,
    /// Read, not yet looked at.
    raw: BytesMut,
    /// How much of a head in `raw` was searched for its end.
    searched: usize,
    /// Looked at, not yet handed on.
    passed: BytesMut,
    ended: bool,
}

impl<S> Screen<S> {
    /// Checks what comes from `stream`; without `strict` everything passes.
    pub(crate) fn new(stream: S, strict: bool) -> (Self, Verdict) {
        let verdict = Verdict::default();
        let state = if strict { State::Head } else { State::Tunnel };
        let (raw, passed) = (BytesMut::new(), BytesMut::new());
        (
            Self { stream, state, verdict: Arc::clone(&verdict), raw, searched: 0, passed, ended: false },
            verdict,
        )
    }

    /// Moves what can be judged from `raw` to `passed`.
    fn judge(&mut self) {
        while !self.raw.is_empty() {
            match &mut self.state {
                State::Head => {
                    // The end may have begun in what was searched already.
                    let from = self.searched.saturating_sub(3);
                    let before = from.checked_sub(1).and_then(|at| self.raw.get(at)).copied();
                    let fresh = self.raw.get(from..).unwrap_or_default();
                    let end = fresh.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4);
                    let bare = end.is_none() && bare(before, fresh);
                    self.searched = if end.is_some() { 0 } else { self.raw.len() };
                    let length = end.unwrap_or(self.raw.len());
                    let verdict = match end {
                        _ if length > MAX_HEAD => Err("its head is too long"),
                        None if bare => Err("a line does not end in CR LF"),
                        None => return,
                        Some(end) => head::check(self.raw.get(..end).unwrap_or_default()),
                    };
                    match verdict {
                        Ok(following) => {
                            self.passed.unsplit(self.raw.split_to(length));
                            self.state = match following {
                                Following::Length(0) => State::Head,
                                Following::Length(length) => State::Body(length),
                                Following::Chunks => State::Chunks(Chunks::default()),
                                Following::Tunnel => State::Tunnel,
                            };
                        }
                        Err(why) => self.refuse(why),
                    }
                }
                State::Body(left) => {
                    let length = self.raw.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= length as u64;
                    if *left == 0 {
                        self.state = State::Head;
                    }
                    self.passed.unsplit(self.raw.split_to(length));
                }
                State::Chunks(chunks) => match chunks.read(&self.raw) {
                    Step::More => self.passed.unsplit(self.raw.split()),
                    Step::End(length) => {
                        self.state = State::Head;
                        self.passed.unsplit(self.raw.split_to(length));
                    }
                    Step::Refused(why) => self.refuse(why),
                },
                State::Tunnel => self.passed.unsplit(self.raw.split()),
                State::Deaf => self.raw.clear(),
            }
        }
    }

    fn refuse(&mut self, why: Refused) {
        // In the middle of a body there is a request under way already, which ends with the stream.
        if matches!(self.state, State::Head) && self.verdict.set(why).is_ok() {
            self.passed.extend_from_slice(NOTHING);
        }
        self.raw.clear();
        self.state = State::Deaf;
    }
}

/// Whether a line feed stands without its carriage return in what follows `before`: a head that waits in vain.
fn bare(before: Option<u8>, bytes: &[u8]) -> bool {
    let befores = before.into_iter().chain(bytes.iter().copied());
    // At the very beginning there is no byte before.
    let befores = before.is_none().then_some(0).into_iter().chain(befores);
    befores.zip(bytes).any(|(before, byte)| *byte == b'\n' && before != b'\r')
}

impl<S: AsyncRead + Unpin> AsyncRead for Screen<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.passed.is_empty() {
            if this.verdict.get().is_some() {
                // An end here would look like a client that is gone, and the refusal would not be sent. The parser ends
                // the connection by itself after the answer to `NOTHING`.
                return Poll::Pending;
            }
            if this.ended || matches!(this.state, State::Deaf) {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk))?;
            this.ended = chunk.filled().is_empty();
            this.raw.extend_from_slice(chunk.filled());
            this.judge();
        }
        let length = this.passed.len().min(buffer.remaining());
        buffer.put_slice(this.passed.get(..length).unwrap_or_default());
        this.passed.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Screen<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;

//! Telling a client what a call prints while it runs.
//!
//! Pieces are gathered for a moment and sent without waiting: a client that does not read is not told any more, and
//! finds everything in the call's result. Characters are never cut; bytes that are no UTF-8 become U+FFFD.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, sendmsg};

use crate::protocol::Reply;

/// Pieces follow each other no faster than this, unless they are [`LARGE`].
const MOMENT: Duration = Duration::from_millis(50);
/// As many bytes are sent at once, however soon.
const LARGE: usize = 8 * 1024;
/// With as many bytes waiting for a client that does not read, it is not told any more.
const MOST: usize = 256 * 1024;

/// What one call prints, on its way to the client.
pub(crate) struct Stream {
    call: String,
    sequence: u64,
    /// Standard output, then standard error: what was printed and is not yet in a frame.
    waiting: [Vec<u8>; 2],
    /// The rest of a frame of which the client took the beginning.
    unsent: Vec<u8>,
    /// When something began to wait.
    since: Option<Instant>,
    told: Option<Instant>,
    deaf: bool,
}

impl Stream {
    /// A stream for a call.
    pub(crate) fn new(call: &str) -> Self {
        Self {
            call: call.to_owned(),
            sequence: 0,
            waiting: [Vec::new(), Vec::new()],
            unsent: Vec::new(),
            since: None,
            told: None,
            deaf: false,
        }
    }

    /// Takes what was printed.
    pub(crate) fn hear(&mut self, error: bool, bytes: &[u8]) {
        if self.deaf || bytes.is_empty() {
            return;
        }
        let [stdout, stderr] = &mut self.waiting;
        if error { stderr } else { stdout }.extend_from_slice(bytes);
        self.since.get_or_insert_with(Instant::now);
        if self.waiting.iter().map(Vec::len).sum::<usize>() > MOST {
            self.deaf = true;
            self.waiting = [Vec::new(), Vec::new()];
            self.since = None;
        }
    }

    /// When there is something to do even if nothing is printed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| self.told.map_or(since, |told| (told + MOMENT).max(since)))
    }

    /// Sends what is due, as far as the client takes it.
    pub(crate) fn tell(&mut self, connection: BorrowedFd<'_>, now: Instant) {
        let large = self.waiting.iter().any(|waiting| waiting.len() >= LARGE);
        if !large && self.due().is_none_or(|due| due > now) {
            return;
        }
        if self.flush(connection) {
            self.frame(now);
            self.flush(connection);
        } else {
            // The client is slow: look again in a moment.
            self.told = Some(now);
        }
    }

    /// What the client still has to get before any other frame.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        self.unsent
    }

    /// Puts what waits into frames.
    fn frame(&mut self, now: Instant) {
        let mut left = false;
        for (error, waiting) in [false, true].into_iter().zip(&mut self.waiting) {
            let text = whole(waiting);
            left |= !waiting.is_empty();
            if text.is_empty() {
                continue;
            }
            let reply = Reply::Output { call: self.call.clone(), seq: self.sequence, error, text };
            if let Ok(mut frame) = serde_json::to_vec(&reply) {
                self.sequence += 1;
                frame.push(0);
                self.unsent.append(&mut frame);
            }
        }
        self.told = Some(now);
        // The beginning of a character waits for its end, or for the call's.
        self.since = left.then(|| now + MOMENT);
    }

    /// Sends what is framed; true when nothing is left.
    fn flush(&mut self, connection: BorrowedFd<'_>) -> bool {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        while !self.unsent.is_empty() {
            match sendmsg::<()>(connection.as_raw_fd(), &[IoSlice::new(&self.unsent)], &[], flags, None) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

/// Takes the characters that are whole from the front of `bytes`.
fn whole(bytes: &mut Vec<u8>) -> String {
    let tail = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    let cut = bytes.len() - tail;
    let unfinished = bytes
        .get(cut..)
        .is_some_and(|tail| std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none()));
    let end = if unfinished { cut } else { bytes.len() };
    let rest = bytes.split_off(end);
    let text = String::from_utf8_lossy(bytes).into_owned();
    *bytes = rest;
    text
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn told(stream: &mut Stream, connection: &UnixStream, now: Instant, client: &mut UnixStream) -> String {
        stream.tell(connection.as_fd(), now);
        let mut bytes = vec![0; 64 * 1024];
        client.set_nonblocking(true).unwrap();
        let length = client.read(&mut bytes).unwrap_or(0);
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn pieces_are_gathered_and_characters_are_kept_whole() {
        let (ours, mut client) = UnixStream::pair().unwrap();
        let mut stream = Stream::new("c");
        let start = Instant::now() + MOMENT;
        stream.hear(false, "a\u{20ac}".as_bytes().get(..3).unwrap());
        let first = told(&mut stream, &ours, start, &mut client);
        assert!(first.contains(r#""seq":0,"error":false,"text":"a""#), "{first}");
        stream.hear(false, &[0xac]);
        stream.hear(true, b"oops");
        assert_eq!(told(&mut stream, &ours, start + MOMENT / 2, &mut client), "", "too soon");
        let second = told(&mut stream, &ours, start + MOMENT * 2, &mut client);
        assert!(second.contains(r#""seq":1,"error":false,"text":"€""#), "{second}");
        assert!(second.contains(r#""seq":2,"error":true,"text":"oops""#), "{second}");
        assert!(stream.due().is_none());
    }

    #[test]
    fn what_is_no_text_is_replaced_and_large_pieces_do_not_wait() {
        let (ours, mut client) = UnixStream::pair().unwrap();
        let mut stream = Stream::new("c");
        let start = Instant::now() + MOMENT;
        stream.hear(false, b"x\xffy");
        assert!(told(&mut stream, &ours, start, &mut client).contains("x\u{fffd}y"));
        stream.hear(false, &vec![b'z'; LARGE]);
        assert!(told(&mut stream, &ours, start, &mut client).len() > LARGE);
    }

    #[test]
    fn a_client_that_does_not_read_is_given_up_without_waiting() {
        let (ours, _client) = UnixStream::pair().unwrap();
        let mut stream = Stream::new("c");
        let start = Instant::now();
        for round in 0..10_000_u32 {
            stream.hear(false, &[b'x'; 4096]);
            stream.tell(ours.as_fd(), start + MOMENT * round);
        }
        assert!(stream.deaf && stream.waiting.iter().all(Vec::is_empty));
        assert!(stream.unsent.len() < 2 * MOST);
        assert!(!stream.into_rest().is_empty());
    }
}

//! The body of a request: bounded, searched for placeholders, and small ones read whole before anything is asked.
//!
//! A placeholder in a body makes the request refused. In the first [`AHEAD`] bytes that is known before a byte is sent;
//! further on the connection is cut, so that the server never sees a whole request, and a value is never filled anyway.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::answer::{Body, whole};
use crate::bounds::Limits;
use crate::gate::{Reason, Turned};
use crate::pipe::{Cut, Pipe, Writer};
use crate::secrets::{self, OPENING};

/// How much of a body is read before the request is decided.
pub(crate) const AHEAD: usize = 128 * 1024;
/// A placeholder in the escapes of a URL is this long before its name begins.
const TAIL: usize = OPENING.len() + 4 - 1;

/// A body of which the beginning was read.
pub(crate) struct Upload {
    first: Bytes,
    rest: Option<(Incoming, Scan)>,
    /// Its whole length, where it is known.
    length: Option<u64>,
}

/// What an upload did while it was sent.
#[derive(Default)]
pub(crate) struct Sending {
    /// Bytes that were handed on.
    pub(crate) sent: AtomicU64,
    /// Why it was cut off.
    pub(crate) cut: OnceLock<Turned>,
}

/// What was seen of a body.
struct Scan {
    limits: Limits,
    size: u64,
    tail: Vec<u8>,
    searched: bool,
}

impl Upload {
    /// Reads the beginning of a body. `searched` is whether placeholders are looked for.
    pub(crate) async fn begin(mut body: Incoming, limits: Limits, searched: bool) -> Result<Self, Turned> {
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length > limits.request) {
            return Err(too_long(&limits));
        }
        let mut scan = Scan { limits, size: 0, tail: Vec::new(), searched };
        // One buffer: pieces of a byte each, kept as they came, would cost a hundred times what they say.
        let mut first = BytesMut::new();
        while scan.size < AHEAD as u64 {
            match scan.next(&mut body).await? {
                Some(piece) => first.extend_from_slice(&piece),
                None => return Ok(Self { first: first.freeze(), rest: None, length: Some(scan.size) }),
            }
        }
        Ok(Self { first: first.freeze(), rest: Some((body, scan)), length })
    }

    /// How long the whole body is, where that is known.
    pub(crate) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The body to send, and what becomes of it.
    pub(crate) fn send(self) -> (Body, Arc<Sending>) {
        let sending = Arc::new(Sending::default());
        let Some((body, scan)) = self.rest else {
            sending.sent.store(self.first.len() as u64, Ordering::Relaxed);
            return (whole(self.first), sending);
        };
        let (writer, pipe) = Pipe::new(self.length);
        tokio::spawn(pass(self.first, body, scan, writer, Arc::clone(&sending)));
        (pipe.boxed(), sending)
    }
}

async fn pass(first: Bytes, mut body: Incoming, mut scan: Scan, writer: Writer, sending: Arc<Sending>) {
    let mut first = Some(first);
    loop {
        let piece = match first.take() {
            Some(piece) => Ok(Some(piece)),
            None => scan.next(&mut body).await,
        };
        match piece {
            Ok(Some(piece)) => {
                let length = piece.len() as u64;
                if writer.send(Ok(piece)).await.is_err() {
                    return;
                }
                sending.sent.fetch_add(length, Ordering::Relaxed);
            }
            Ok(None) => return,
            Err(turned) => {
                // Only this task sets it, once.
                let _first = sending.cut.set(turned);
                let _gone = writer.send(Err(Cut)).await;
                return;
            }
        }
    }
}

impl Scan {
    /// The next piece; none at the end.
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, Turned> {
        loop {
            let frame = tokio::time::timeout(self.limits.idle, body.frame()).await;
            let late = |_| Turned::new(Reason::Time, "the body of the request does not come");
            let Some(frame) = frame.map_err(late)? else { return Ok(None) };
            let broken = |_| Turned::new(Reason::Gone, "the body of the request breaks off");
            // Trailers end here, as all that is said between two neighbours.
            if let Ok(piece) = frame.map_err(broken)?.into_data() {
                self.look(&piece)?;
                return Ok(Some(piece));
            }
        }
    }

    fn look(&mut self, piece: &[u8]) -> Result<(), Turned> {
        self.size = self.size.saturating_add(piece.len() as u64);
        if self.size > self.limits.request {
            return Err(too_long(&self.limits));
        }
        if self.searched {
            let border = [&self.tail[..], piece.get(..TAIL.min(piece.len())).unwrap_or_default()].concat();
            if secrets::holds(&border) || secrets::holds(piece) {
                return Err(secrets::misplaced("a body"));
            }
            let seen = if piece.len() >= TAIL { piece } else { &border };
            self.tail = seen.get(seen.len().saturating_sub(TAIL)..).unwrap_or_default().to_vec();
        }
        Ok(())
    }
}

fn too_long(limits: &Limits) -> Turned {
    Turned::new(Reason::Size, format!("the body of the request is longer than {} bytes", limits.request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_found_across_every_border() {
        for text in [&b"x {{secret:one}}"[..], b"x=%7B%7bsecret:one%7D%7D"] {
            for first in 0..text.len() {
                for second in first..text.len() {
                    let mut scan = Scan { limits: Limits::none(), size: 0, tail: Vec::new(), searched: true };
                    let pieces = [&text[..first], &text[first..second], &text[second..]];
                    assert!(pieces.iter().any(|piece| scan.look(piece).is_err()), "{first} {second}");
                }
            }
        }
    }

    #[test]
    fn a_body_has_a_largest_size() {
        let limits = Limits { request: 10, ..Limits::none() };
        let mut scan = Scan { limits, size: 0, tail: Vec::new(), searched: true };
        assert!(scan.look(b"0123456789").is_ok());
        assert_eq!(scan.look(b"0").unwrap_err().reason, Reason::Size);
    }
}

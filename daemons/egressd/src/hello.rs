//! The first frame of a connection: who comes, as JSON ended by a NUL byte.

use bytes::{Bytes, BytesMut};
use testudo::egress::{Hello, MAX_HELLO};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::gate::{Reason, Turned};

/// Reads the frame; gives back what came after it.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<(Hello, Bytes), Turned> {
    let wrong = |why: &str| Turned::new(Reason::Ticket, format!("cannot take the first frame: {why}"));
    let mut bytes = BytesMut::with_capacity(MAX_HELLO);
    loop {
        if let Some(end) = bytes.iter().take(MAX_HELLO).position(|byte| *byte == 0) {
            let frame = bytes.split_to(end + 1);
            let json = frame.get(..end).unwrap_or_default();
            let hello = serde_json::from_slice(json).map_err(|_| wrong("it is no greeting with a ticket"))?;
            return Ok((hello, bytes.freeze()));
        }
        if bytes.len() >= MAX_HELLO {
            return Err(wrong("it does not end within 512 bytes"));
        }
        if !matches!(stream.read_buf(&mut bytes).await, Ok(length) if length > 0) {
            return Err(wrong("it breaks off"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_one_frame_and_keeps_what_follows() {
        let (hello, rest) = read(&mut &b"{\"ticket\":\"t\"}\0GET"[..]).await.unwrap();
        assert_eq!((hello.ticket.as_deref(), &rest[..]), (Some("t"), &b"GET"[..]));
        let (hello, rest) = read(&mut &b"{}\0"[..]).await.unwrap();
        assert_eq!((hello.ticket, rest.len()), (None, 0));
    }

    #[tokio::test]
    async fn refuses_everything_else() {
        let long = [&[b' '; MAX_HELLO][..], b"{}\0"].concat();
        let frames: [&[u8]; 6] = [b"", b"{}", b"\0", b"{\"ticket\":7}\0", b"{\"other\":1}\0", &long];
        for frame in frames {
            assert!(read(&mut &frame[..]).await.is_err(), "{frame:?}");
        }
    }
}

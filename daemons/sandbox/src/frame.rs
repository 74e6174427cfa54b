//! Frames of bytes ended by NUL, out of a stream that may break them anywhere.

use crate::protocol::MAX_FRAME;

/// The peer sent a frame longer than [`MAX_FRAME`]; the stream cannot be trusted any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the frame: it is longer than {MAX_FRAME} bytes")]
pub struct FrameTooLong;

/// Collects bytes and gives out whole frames; never holds more than one frame and one read.
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    searched: usize,
}

impl FrameBuffer {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame without its NUL, or none until more is read.
    ///
    /// # Errors
    /// The frame is too long, ended or not.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameTooLong> {
        let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(end) = unsearched.iter().position(|&byte| byte == 0).map(|at| self.searched + at) else {
            self.searched = self.bytes.len();
            return if self.bytes.len() > MAX_FRAME { Err(FrameTooLong) } else { Ok(None) };
        };
        if end > MAX_FRAME {
            return Err(FrameTooLong);
        }
        let rest = self.bytes.split_off(end + 1);
        let mut frame = std::mem::replace(&mut self.bytes, rest);
        self.searched = 0;
        frame.truncate(end);
        Ok(Some(frame))
    }

    /// Nothing is left over: the stream may end here.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Request;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec(prop::collection::vec(1u8..=255, 0..40), 0..8),
            cut in 1usize..17,
        ) {
            let mut stream = Vec::new();
            for frame in &frames {
                stream.extend_from_slice(frame);
                stream.push(0);
            }
            let (mut buffer, mut found) = (FrameBuffer::default(), Vec::new());
            for part in stream.chunks(cut) {
                buffer.push(part);
                while let Some(frame) = buffer.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            prop_assert!(buffer.is_empty());
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn any_bytes_are_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<Request>(&bytes);
        }

        #[test]
        fn any_json_is_a_request_or_an_error(text in r#"\{"(run|apply|probe)":[\[\]{}":a-z0-9,]{0,80}"#) {
            let _ = serde_json::from_str::<Request>(&text);
        }
    }

    #[test]
    fn a_frame_too_long_is_refused_before_its_end_comes() {
        let mut buffer = FrameBuffer::default();
        buffer.push(&vec![b'x'; MAX_FRAME]);
        assert_eq!(buffer.next_frame(), Ok(None));
        buffer.push(b"x");
        assert_eq!(buffer.next_frame(), Err(FrameTooLong));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(serde_json::from_str::<Request>(&deep).is_err());
    }
}

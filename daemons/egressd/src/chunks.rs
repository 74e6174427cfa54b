//! Finds the end of a chunked body without taking it apart: sizes in plain hexadecimal, no extensions, no trailers.

use crate::head::Refused;

/// Most digits of a size; more would only be zeros or an overflow.
const DIGITS: u8 = 8;

/// What a piece of the body was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// All of it belongs to the body, and more follows.
    More,
    /// The body ends after so many bytes of it.
    End(usize),
    /// It is no body in this form.
    Refused(Refused),
}

/// Where in a chunked body the reading is.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: State,
    size: u64,
    digits: u8,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Size,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    LastReturn,
    LastEnd,
}

impl Chunks {
    /// Reads one more piece.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Step {
        let mut at = 0;
        while let Some(byte) = piece.get(at) {
            at += 1;
            self.state = match (self.state, byte) {
                (State::Size, digit) if digit.is_ascii_hexdigit() && self.digits < DIGITS => {
                    let digit = char::from(*digit).to_digit(16).unwrap_or_default();
                    self.size = self.size * 16 + u64::from(digit);
                    self.digits += 1;
                    State::Size
                }
                (State::Size, b'\r') if self.digits > 0 => State::SizeEnd,
                (State::SizeEnd, b'\n') if self.size == 0 => State::LastReturn,
                (State::SizeEnd, b'\n') => State::Data,
                (State::Data, _) => {
                    // This byte and as many more as are here.
                    let here = (piece.len() - at + 1).min(usize::try_from(self.size).unwrap_or(usize::MAX));
                    at += here - 1;
                    self.size -= here as u64;
                    if self.size == 0 { State::DataReturn } else { State::Data }
                }
                (State::DataReturn, b'\r') => State::DataEnd,
                (State::DataEnd, b'\n') => {
                    self.digits = 0;
                    State::Size
                }
                (State::LastReturn, b'\r') => State::LastEnd,
                (State::LastEnd, b'\n') => return Step::End(at),
                (State::LastReturn, _) => return Step::Refused("it has trailers"),
                _ => return Step::Refused("its chunks are not plain"),
            };
        }
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end() {
        let body = b"5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\nGET";
        assert_eq!(Chunks::default().read(body), Step::End(body.len() - 3));
        for cut in 1..body.len() - 3 {
            let mut chunks = Chunks::default();
            assert_eq!(chunks.read(&body[..cut]), Step::More);
            assert_eq!(chunks.read(&body[cut..]), Step::End(body.len() - 3 - cut), "{cut}");
        }
    }

    #[test]
    fn refuses_what_is_not_plain() {
        for body in [
            "5;x=y\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\r\n",
            "0x5\r\nhello\r\n",
            "-5\r\n",
            "\r\n",
            "123456789\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n",
            "0\r\nTrailer: x\r\n\r\n",
        ] {
            assert!(matches!(Chunks::default().read(body.as_bytes()), Step::Refused(_)), "{body:?}");
        }
    }
}

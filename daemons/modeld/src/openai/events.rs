//! Cuts a stream of bytes into server-sent events, keeping nothing but their data.
//!
//! Promises: what comes out does not depend on how the bytes were cut on their way, and no event makes
//! it hold more than [`LIMIT`] bytes. Names, ids and comments of events are skipped.

/// The most bytes of one event.
pub(crate) const LIMIT: usize = 1 << 20;

/// Why a stream is no stream of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventError {
    /// An event or a line is over [`LIMIT`].
    TooLarge,
    /// An event is not UTF-8.
    NotText,
}

/// What is known of a stream so far.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The byte before was a carriage return, so that a line feed now ends no second line.
    returned: bool,
    begun: bool,
}

impl Events {
    /// Takes the next bytes; gives the data of the events that they end.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, EventError> {
        let mut events = Vec::new();
        for byte in bytes {
            let after_return = std::mem::take(&mut self.returned);
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => {
                    self.returned = *byte == b'\r';
                    events.extend(self.end_line()?);
                }
                _ if self.line.len() + self.data.len() >= LIMIT => return Err(EventError::TooLarge),
                _ => self.line.push(*byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<String>, EventError> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return if std::mem::take(&mut self.has_data) {
                String::from_utf8(data).map(Some).map_err(|_| EventError::NotText)
            } else {
                Ok(None)
            };
        }
        let value = if line == b"data" { Some(&[][..]) } else { line.strip_prefix(b"data:") };
        if let Some(value) = value {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(stream: &[u8]) -> Result<Vec<String>, EventError> {
        Events::default().push(stream)
    }

    #[test]
    fn events_end_with_an_empty_line() {
        let table: &[(&str, &[&str])] = &[
            ("data: a\n\n", &["a"]),
            ("data:a\r\n\r\ndata:  b\r\rdata: c\n\n", &["a", " b", "c"]),
            ("\u{feff}data: a\n\n", &["a"]),
            (": ping\n\nevent: x\nid: 1\ndata: a\ndata: b\n\n", &["a\nb"]),
            ("data\n\n", &[""]),
            ("data: broken off\n", &[]),
            ("database: a\n\nretry: 1\n\n", &[]),
            ("{\"error\": 1}\n\n", &[]),
            ("data: [DONE]\n\n", &["[DONE]"]),
        ];
        for (stream, events) in table {
            assert_eq!(all(stream.as_bytes()).unwrap(), *events, "{stream:?}");
        }
    }

    #[test]
    fn limits_hold() {
        let giant = [b"data: ".as_slice(), &vec![b'x'; LIMIT], b"\n\n"].concat();
        assert_eq!(all(&giant), Err(EventError::TooLarge));
        let lines = b"data: 0123456789\n".repeat(LIMIT / 10);
        assert_eq!(all(&lines), Err(EventError::TooLarge));
        assert_eq!(all(b"data: \xff\n\n"), Err(EventError::NotText));
        let many = b"data: 0123456789\n\n".repeat(LIMIT / 10);
        assert_eq!(all(&many).unwrap().len(), LIMIT / 10);
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(pieces in proptest::collection::vec(
            proptest::sample::select(vec!["data:", " ", "x", "é", "\n", "\r", "\r\n", "\n\n", ":", "data", "\u{feff}"]), 0..60),
            size in 1usize..7,
        ) {
            let stream = pieces.concat();
            let mut events = Events::default();
            let mut cut = Vec::new();
            for bytes in stream.as_bytes().chunks(size) {
                cut.extend(events.push(bytes).unwrap());
            }
            prop_assert_eq!(cut, all(stream.as_bytes()).unwrap());
        }

        #[test]
        fn no_bytes_stop_it(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ends = all(&bytes);
        }
    }
}

//! The name in a TLS greeting, read from the first bytes of a tunnel without taking part in it.
//!
//! Only what every server reads in the same way is taken: one `ClientHello`, at most one name, no list of names. With
//! an encrypted greeting inside, the outer name is what counts: it is the one that leads the connection.

/// Most bytes of the records of a greeting.
pub const MAX_GREETING: usize = 16 * 1024;
/// Most bytes of one record, as TLS has it.
const MAX_RECORD: usize = 1 << 14;
/// The type of its records, and the major version in all of them.
const HANDSHAKE: u8 = 22;
const MAJOR: u8 = 3;

/// What is known after some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Greeting {
    /// It is not complete.
    More,
    /// It is complete, with this name in it if there is one.
    Name(Option<String>),
    /// It is no greeting of TLS, or not in the one form.
    Refused(&'static str),
}

/// Reads what has come so far, from the first byte on.
pub fn read(bytes: &[u8]) -> Greeting {
    let message = match message(bytes) {
        Ok(Some(message)) => message,
        Ok(None) if bytes.len() >= MAX_GREETING => return Greeting::Refused("it is too long"),
        Ok(None) => return Greeting::More,
        Err(why) => return Greeting::Refused(why),
    };
    match name(&message) {
        Some(Ok(name)) => Greeting::Name(name),
        Some(Err(why)) => Greeting::Refused(why),
        None => Greeting::Refused("its parts do not fit together"),
    }
}

/// The body of the one handshake message, put together from its records; none while it is not complete.
fn message(bytes: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    let (mut rest, mut message) = (bytes, Vec::new());
    loop {
        let starts = |at: usize, byte: u8| rest.get(at).is_none_or(|known| *known == byte);
        if !starts(0, HANDSHAKE) || !starts(1, MAJOR) {
            return Err("it is not TLS");
        }
        let Some(([_, _, _, high, low], after)) = rest.split_first_chunk::<5>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length == 0 || length > MAX_RECORD {
            return Err("a record of it is empty or too long");
        }
        let here = after.get(..length.min(after.len())).unwrap_or_default();
        message.extend_from_slice(here);
        if let Some(([kind, one, two, three], body)) = message.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes([0, *one, *two, *three])).unwrap_or(usize::MAX);
            if *kind != 1 {
                return Err("it does not begin with a ClientHello");
            }
            if length > MAX_GREETING {
                return Err("it is too long");
            }
            if body.len() > length {
                return Err("more follows in the record of its ClientHello");
            }
            if body.len() == length {
                // A record that promises more than this message would hold another one.
                return if here.len() == usize::from(u16::from_be_bytes([*high, *low])) {
                    Ok(Some(body.to_vec()))
                } else {
                    Err("more follows in the record of its ClientHello")
                };
            }
        }
        let Some(next) = after.get(length..) else { return Ok(None) };
        rest = next;
    }
}

/// The name in a `ClientHello`; none when the parts do not fit.
fn name(hello: &[u8]) -> Option<Result<Option<String>, &'static str>> {
    let mut hello = Reader(hello);
    hello.take(2 + 32)?;
    hello.vector(1).filter(|session| session.0.len() <= 32)?;
    hello.vector(2).filter(|ciphers| ciphers.0.len() >= 2 && ciphers.0.len() % 2 == 0)?;
    hello.vector(1).filter(|compressions| !compressions.0.is_empty())?;
    if hello.0.is_empty() {
        return Some(Ok(None));
    }
    let mut extensions = hello.vector(2).filter(|_| hello.0.is_empty())?;
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.take(2)?;
        let mut content = extensions.vector(2)?;
        if kind != [0, 0] {
            continue;
        }
        if name.is_some() {
            return Some(Err("it names hosts twice"));
        }
        let mut list = content.vector(2).filter(|_| content.0.is_empty())?;
        if list.take(1)? != [0] {
            return Some(Err("it names something that is no host"));
        }
        let host = list.vector(2)?;
        if !list.0.is_empty() {
            return Some(Err("it names several hosts"));
        }
        match std::str::from_utf8(host.0) {
            Ok(host) if !host.is_empty() && host.is_ascii() => name = Some(host.to_ascii_lowercase()),
            _ => return Some(Err("its name is no name")),
        }
    }
    Some(Ok(name))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A part with its length in front, in so many bytes.
    fn vector(&mut self, bytes: usize) -> Option<Self> {
        let length = self.take(bytes)?.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        self.take(length).map(Reader)
    }
}

#[cfg(test)]
mod tests;

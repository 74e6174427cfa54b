//! The code of a prompt: four characters that a person copies, so that his yes names what he was shown.
//!
//! It is drawn for each prompt and stands in nothing but the encrypted prompt, so whoever gives it has read that. It has
//! a digit from 2 to 9 in it: no word of a language does, so nothing that people say by chance is a code.

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq as _;

/// Crockford's base 32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code.
const LENGTH: usize = 4;

/// A code. Two are compared in a time that says nothing about them.
#[derive(Clone)]
pub struct Code([u8; LENGTH]);

impl Code {
    /// A new code out of a source of randomness, as [`Code::random`] opens it.
    ///
    /// # Errors
    /// When there is no randomness; then nothing must be asked.
    pub fn draw(source: &mut impl Read) -> io::Result<Self> {
        loop {
            let mut bytes = [0; LENGTH];
            source.read_exact(&mut bytes)?;
            // 256 is a multiple of 32, so each character is as likely as any other.
            let drawn = bytes.map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0'));
            if drawn.iter().any(|character| is_telling(*character)) {
                return Ok(Self(drawn));
            }
        }
    }

    /// A new code out of the randomness of the operating system.
    ///
    /// # Errors
    /// When there is none.
    pub fn random() -> io::Result<Self> {
        Self::draw(&mut std::fs::File::open("/dev/urandom")?)
    }

    /// A word as a code, in either case; O is read as 0, and I and L as 1.
    pub fn parse(word: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = word.as_bytes().try_into().ok()?;
        if !bytes.iter().any(|byte| is_telling(*byte)) {
            return None;
        }
        let read = bytes.map(|byte| match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        });
        read.iter().all(|byte| ALPHABET.contains(byte)).then_some(Self(read))
    }
}

/// Whether a character shows that a word is a code and not a word of a language.
const fn is_telling(character: u8) -> bool {
    matches!(character, b'2'..=b'9')
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(…)")
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::parse(&word).ok_or_else(|| de::Error::custom("not the code of a prompt"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_drawn_has_a_digit_that_no_word_has() {
        // 'A' 'B' 'C' 'D' is drawn again, 'A' 'B' 'C' '2' is taken.
        let mut source: &[u8] = &[10, 11, 12, 13, 10, 11, 12, 2];
        assert_eq!(Code::draw(&mut source).unwrap().to_string(), "ABC2");
        assert!(Code::draw(&mut source).is_err(), "without randomness there is no code");
    }

    #[test]
    fn a_code_is_read_as_people_write_it() {
        for (word, code) in [("K7QM", "K7QM"), ("k7qm", "K7QM"), ("kO2l", "K021"), ("2222", "2222")] {
            assert_eq!(Code::parse(word).unwrap().to_string(), code, "{word}");
        }
        for word in ["", "K7Q", "K7QMM", "that", "tool", "U234", "K7Q ", "K7Qé", "K７QM", "1010", "K7.M"] {
            assert!(Code::parse(word).is_none(), "{word}");
        }
    }

    #[test]
    fn a_code_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", Code::parse("K7QM")), "Some(Code(…))");
    }

    proptest! {
        #[test]
        fn a_drawn_code_is_read_again(bytes in proptest::collection::vec(any::<u8>(), 64..65)) {
            if let Ok(code) = Code::draw(&mut bytes.as_slice()) {
                prop_assert_eq!(Code::parse(&code.to_string()), Some(code));
            }
        }

        #[test]
        fn words_of_letters_are_no_codes(word in "[A-Za-z01]{4}") {
            prop_assert!(Code::parse(&word).is_none());
        }
    }
}

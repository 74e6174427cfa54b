//! The ways in which a server can give back a secret: as it is, in base64 and in hexadecimal digits, each with its
//! characters spelled in whatever way.
//!
//! A server that means harm has the secret anyway and can send it in any cipher; this stops the honest one that repeats
//! what it was sent in an error, a log or an echo.

use std::fmt;

use zeroize::Zeroizing;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Parts of an encoding that are shorter could stand anywhere.
const SHORTEST: usize = 8;

/// Which characters count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None.
    Exact,
    /// Those of the two alphabets; lines may break.
    Base64,
    /// Small and capital letters; lines may break.
    Hex,
}

/// One form of a value.
pub(crate) struct Form {
    text: Zeroizing<Vec<u8>>,
    kind: Kind,
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Form({:?})", self.kind)
    }
}

impl Form {
    /// A text of this kind.
    pub(crate) fn new(text: Vec<u8>, kind: Kind) -> Self {
        Self { text: Zeroizing::new(text), kind }
    }

    /// How many characters it has.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether the character at `at` can be this one; `fold` is whether letters' case is nothing anywhere.
    pub(crate) fn has(&self, at: usize, byte: u8, fold: bool) -> bool {
        let Some(own) = self.text.get(at) else { return false };
        let same = match self.kind {
            Kind::Exact => false,
            Kind::Base64 => matches!((own, byte), (b'+', b'-') | (b'/', b'_')),
            Kind::Hex => own.eq_ignore_ascii_case(&byte),
        };
        *own == byte || same || (fold && own.eq_ignore_ascii_case(&byte))
    }

    /// Whether lines may break in it.
    pub(crate) fn breaks(&self) -> bool {
        self.kind != Kind::Exact
    }
}

/// Every form of a value.
pub(crate) fn forms(value: &[u8]) -> Vec<Form> {
    let encoded = (0..3).map(|lead| Form::new(base64(value, lead), Kind::Base64));
    let others =
        [Form::new(value.to_vec(), Kind::Exact), Form::new(hex::encode(value).into_bytes(), Kind::Hex)];
    others.into_iter().chain(encoded).filter(|form| form.len() >= SHORTEST).collect()
}

/// What is the same in the base64 of every text in which `lead` bytes (modulo 3) stand before the value.
fn base64(value: &[u8], lead: usize) -> Vec<u8> {
    let bits = value.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    // The first digit that is made of the value's bits alone.
    let skip = [0, 4, 2].get(lead).copied().unwrap_or(0);
    let bits: Vec<u8> = bits.skip(skip).collect();
    let digit = |six: &[u8]| six.iter().fold(0_usize, |digit, bit| digit << 1 | usize::from(*bit));
    bits.chunks_exact(6).filter_map(|six| BASE64.get(digit(six)).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needles::Needles;

    fn found(value: &str, text: &str) -> bool {
        Needles::new(forms(value.as_bytes()), "[x]".into()).replace(text.as_bytes()).1
    }

    #[test]
    fn knows_the_usual_encodings_and_mixtures_of_them() {
        let value = "p/a+ss\"w&o'r<d>\\?=";
        for text in [
            "p/a+ss\"w&o'r<d>\\?=",
            r#"{"echo":"p/a+ss\"w&o'r<d>\\?="}"#,
            r#"{"echo":"p\/a+ss\"w&o'r<d>\\?="}"#,
            r#""p/a+ss\"w\u0026o\u0027r\u003cd\u003e\\?\u003d""#,
            r#""p\u002Fa\u002Bss\u0022w\x26o\x27r\x3Cd\x3e\\?=""#,
            "p%2Fa%2Bss%22w%26o%27r%3Cd%3E%5C%3F%3D",
            "p%2fa%2bss%22w%26o%27r%3cd%3e%5c%3f%3d",
            "p/a%2Bss\"w&o'r<d>\\?%3d",
            "p/a&#43;ss&quot;w&amp;o&#39;r&lt;d&gt;\\?=",
            "p&#x2F;a&#x2b;ss&#34;w&amp;o&apos;r&lt;d&gt;&bsol;?&equals;",
            "p%252Fa%252Bss%2522w%2526o%2527r%253Cd%253E%255C%253F%253D",
            "%70/%61+%73%73\"w&o'r<d>\\?=",
        ] {
            assert!(found(value, text), "{text}");
        }
        assert!(found(value, &hex::encode(value)) && found(value, &hex::encode_upper(value)));
        assert!(!found(value, "p/a+ss\"w&o'r<d>\\?") && !found(value, "P/a+ss\"w&o'r<d>\\?="));
        // What the value itself has of an escape is no escape.
        assert!(found("sk-%2Bpercent", "is sk-%2Bpercent") && found("sk-%2Bpercent", "is sk-%252Bpercent"));
    }

    #[test]
    fn knows_base64_wherever_it_begins_and_breaks() {
        // The base64 of "", "a", "ab" and "abc" followed by the value and by " end".
        let value = "s3cr3t-value";
        for text in [
            "czNjcjN0LXZhbHVlIGVuZA==",
            "YXMzY3IzdC12YWx1ZSBlbmQ=",
            "YWJzM2NyM3QtdmFsdWUgZW5k",
            "YWJjczNjcjN0LXZhbHVlIGVuZA==",
            "YWJjczNj\r\n  cjN0LXZh\r\n  bHVlIGVuZA==",
            "YWJjczNj\\ncjN0LXZh\\r\\nbHVlIGVuZA\\u003d\\u003d",
            "YWJjczNj%0D%0AcjN0LXZhbHVlIGVuZA",
        ] {
            assert!(found(value, text), "{text}");
        }
        assert!(!found(value, "YWJjczNjcjN0LXZhbHVmIGVuZA=="));
        // The two alphabets.
        assert!(found("\x7f~?>?>?>?>", "f34_Pj8-Pz4_Pg") && found("\x7f~?>?>?>?>", "f34/Pj8+Pz4/Pg"));
    }
}

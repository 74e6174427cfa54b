//! One-time codes by the clock (RFC 6238): SHA-1, 30 seconds, six digits, one step of drift each way. Pure.
//!
//! The secret is `policyd`'s alone, so whoever carries a code to it cannot make one. A code is good once, ever: the
//! [`register`] remembers the last step that was used and takes only later ones. [`secret`] is how it is kept.

use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

mod enrolment;
pub mod register;
pub mod secret;

pub use secret::{Secret, SecretError};

/// Milliseconds of one step.
const STEP_MS: i64 = 30_000;
/// Steps that the clocks may differ, each way.
const DRIFT: i64 = 1;
/// Six digits.
const CODES: u32 = 1_000_000;

/// A code as a person typed it. It cannot be shown.
pub struct Code(u32);

impl Code {
    /// Six digits, nothing else but blanks around and one between the halves.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = match text.trim().split_once(' ') {
            Some((a, b)) if a.len() == 3 && b.len() == 3 => format!("{a}{b}"),
            _ => text.trim().to_owned(),
        };
        let right = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        right.then(|| digits.parse().ok().map(Self)).flatten()
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code")
    }
}

/// What a code turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The code of this step, which is later than the last one that was used.
    Right(i64),
    /// It was right, and it or a later one was used before.
    Used,
    /// It is no code of this time.
    Wrong,
}

/// Checks a code at `now_ms`, when the code of `last_step` was the last one used.
pub fn check(secret: &Secret, code: &Code, now_ms: i64, last_step: i64) -> Check {
    let now = now_ms.div_euclid(STEP_MS);
    let mut found = Check::Wrong;
    // All of them are always compared, so that the time it takes tells nothing.
    for step in (now - DRIFT)..=(now + DRIFT) {
        if bool::from(at(secret, step).ct_eq(&code.0)) {
            found = match found {
                Check::Right(_) => found,
                _ if step > last_step => Check::Right(step),
                _ => Check::Used,
            };
        }
    }
    found
}

/// The code of one step; none fits a step before 1970.
fn at(secret: &Secret, step: i64) -> u32 {
    let Ok(counter) = u64::try_from(step) else { return CODES };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.bytes()) else { return CODES };
    mac.update(&counter.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash.last().copied().unwrap_or_default() & 0x0f);
    let four = hash.get(offset..offset + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    four.map_or(CODES, |bytes| (u32::from_be_bytes(bytes) & 0x7fff_ffff) % CODES)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appendix B of RFC 6238, the rows for SHA-1, cut to six digits.
    const VECTORS: [(i64, u32); 6] = [
        (59, 287_082),
        (1_111_111_109, 81_804),
        (1_111_111_111, 50_471),
        (1_234_567_890, 5_924),
        (2_000_000_000, 279_037),
        (20_000_000_000, 353_130),
    ];

    fn secret() -> Secret {
        Secret::from_text(b"12345678901234567890").unwrap()
    }

    #[test]
    fn the_vectors_of_the_rfc() {
        for (seconds, code) in VECTORS {
            assert_eq!(at(&secret(), seconds / 30), code, "{seconds}");
            assert_eq!(check(&secret(), &Code(code), seconds * 1000, -1), Check::Right(seconds / 30));
        }
    }

    #[test]
    fn one_step_of_drift_and_no_more() {
        let step = 1_111_111_111 / 30;
        for (drift, right) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let code = Code(at(&secret(), step + drift));
            let found = check(&secret(), &code, step * STEP_MS, -1);
            assert_eq!(found == Check::Right(step + drift), right, "{drift}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_so_are_those_before_it() {
        let step = 1_111_111_111 / 30;
        for used in [step, step + 1] {
            let code = Code(at(&secret(), step));
            assert_eq!(check(&secret(), &code, step * STEP_MS, used), Check::Used);
        }
        assert_eq!(
            check(&secret(), &Code(at(&secret(), step)), step * STEP_MS, step - 1),
            Check::Right(step)
        );
    }

    #[test]
    fn only_six_digits_are_a_code() {
        for (text, right) in [
            ("123456", true),
            (" 123 456\n", true),
            ("000000", true),
            ("12345", false),
            ("1234567", false),
            ("12 3456", false),
            ("+12345", false),
            ("１２３４５６", false),
            ("", false),
        ] {
            assert_eq!(Code::parse(text).is_some(), right, "{text:?}");
        }
        assert_eq!(format!("{:?}", Code(123_456)), "Code");
    }
}

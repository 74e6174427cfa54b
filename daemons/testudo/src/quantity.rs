//! Sizes and durations as they are written in configuration.
//!
//! Sizes: `KiB MiB GiB` (powers of 1024), `KB MB GB` (powers of 1000), or a bare number of bytes.
//! Durations: `ms s m h`, never bare. Case matters; white space, signs and fractions are refused, and so is
//! whatever does not fit into 64 bits.

use std::time::Duration;

use thiserror::Error;

/// Why a quantity was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// It has no digits in front.
    #[error("expected digits and a unit, such as {0}")]
    Number(&'static str),
    /// The unit is unknown or missing.
    #[error("unknown unit `{unit}`: use {known}")]
    Unit {
        /// What stands behind the digits.
        unit: String,
        /// What could.
        known: &'static str,
    },
    /// Too large to count.
    #[error("the number is too large")]
    Overflow,
}

/// A size in bytes.
///
/// # Errors
/// When `text` is not of the grammar above.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let (number, unit) = split(text, "64KiB")?;
    let factor = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        other => {
            return Err(QuantityError::Unit { unit: other.to_owned(), known: "KiB, MiB, GiB, KB, MB or GB" });
        }
    };
    number.checked_mul(factor).ok_or(QuantityError::Overflow)
}

/// A duration.
///
/// # Errors
/// When `text` is not of the grammar above.
pub fn duration(text: &str) -> Result<Duration, QuantityError> {
    let (number, unit) = split(text, "30s")?;
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        other => return Err(QuantityError::Unit { unit: other.to_owned(), known: "ms, s, m or h" }),
    };
    number.checked_mul(factor).map(Duration::from_millis).ok_or(QuantityError::Overflow)
}

fn split<'a>(text: &'a str, example: &'static str) -> Result<(u64, &'a str), QuantityError> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if digits.is_empty() {
        return Err(QuantityError::Number(example));
    }
    digits.parse().map(|number| (number, unit)).map_err(|_| QuantityError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [("0", 0), ("17", 17), ("1KiB", 1024), ("2MiB", 2 << 20), ("3GB", 3_000_000_000)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "KiB", "1kib", "1 KiB", "1.5KiB", "-1", "1TiB", "99999999999999999999", "99999999999GiB"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, ms) in [("0s", 0), ("250ms", 250), ("5m", 300_000), ("2h", 7_200_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "5", "5M", "5 m", "1.5s", "1d", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,40}") {
            let _ = size(&text);
            let _ = duration(&text);
        }
    }
}

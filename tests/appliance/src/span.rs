//! Time spans as unit files write them: `100ms`, `30s`, `5min`, `1min 30s`, or a bare number of seconds.

use std::time::Duration;

/// The span, or none if the text is not one. `infinity` and `0` are none too: both mean "no limit".
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let number: u32 = number.parse().ok()?;
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let one = match unit {
            "us" | "usec" => Duration::from_micros(1),
            "ms" | "msec" => Duration::from_millis(1),
            "" | "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "minute" | "minutes" => Duration::from_mins(1),
            "h" | "hr" | "hour" | "hours" => Duration::from_hours(1),
            _ => return None,
        };
        total = total.checked_add(one.checked_mul(number)?)?;
        rest = tail.trim_start();
    }
    (!total.is_zero()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_the_manual() {
        for (text, milliseconds) in [
            ("100ms", 100),
            ("30s", 30_000),
            ("30", 30_000),
            ("5min", 300_000),
            ("1min 30s", 90_000),
            ("2h", 7_200_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0", "infinity", "3 weeks", "-1s", "s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

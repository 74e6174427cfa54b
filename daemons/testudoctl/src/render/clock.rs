//! Times and durations for people.

use jiff::Timestamp;

/// `12 ms`, `3.4 s`, `2 min 5 s`.
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

/// How long until an RFC 3339 time; what is not a time is shown as it is.
pub fn until(time: &str, now: Timestamp) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return crate::screen::line(time) };
    let seconds = then.as_second().saturating_sub(now.as_second());
    match seconds {
        ..=0 => "now".to_owned(),
        1..=90 => format!("in {seconds} s"),
        _ => format!("in {} min", (seconds + 30) / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_grow_in_their_units() {
        for (given, shown) in [(0, "0 ms"), (999, "999 ms"), (1_450, "1.4 s"), (125_000, "2 min 5 s")] {
            assert_eq!(duration(given), shown);
        }
    }

    #[test]
    fn expiry_is_counted_from_now() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (time, shown) in [
            ("2026-01-01T00:05:00Z", "in 5 min"),
            ("2026-01-01T00:00:42.5Z", "in 42 s"),
            ("2025-12-31T23:59:59Z", "now"),
            ("soon\n", "soon\\n"),
        ] {
            assert_eq!(until(time, now), shown);
        }
    }
}

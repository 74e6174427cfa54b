//! Dates: which days a text names, and whether a date of a call is one of them.

use std::collections::HashSet;

use super::lexicon;
use super::said::Text;

/// The days, as month and day, that a text names.
pub(super) fn dates(text: &Text) -> HashSet<(u8, u8)> {
    let mut found = HashSet::new();
    for (at, token) in text.tokens.iter().enumerate() {
        if let Some(date) = iso(&token.text) {
            found.insert(date);
        }
        let Some(month) = lexicon::month(token.text.trim_end_matches('.')) else { continue };
        let near = |place: Option<usize>| place.and_then(|place| text.tokens.get(place));
        let before = near(at.checked_sub(1));
        let before = before
            .filter(|token| token.text != "of")
            .or_else(|| near(at.checked_sub(2)).filter(|_| before.is_some()));
        for neighbour in [near(Some(at + 1)), before].into_iter().flatten() {
            if let Some(day) = day(&neighbour.text) {
                found.insert((month, day));
            }
        }
    }
    found
}

/// Whether a date of a call is a day that the text names; none when the text names no day at all.
pub(super) fn said(text: &Text, value: &str) -> Option<bool> {
    let days = dates(text);
    if days.is_empty() {
        return None;
    }
    Some(iso(value.trim()).is_some_and(|date| days.contains(&date)))
}

/// Whether the hour of a call's time is said, where it has one.
pub(super) fn hour_said(text: &Text, value: &str) -> bool {
    let Some(clock) = value.trim().get(11..16) else { return true };
    let Some((hour, minute)) = clock.split_once(':') else { return true };
    let Ok(hour) = hour.parse::<u8>() else { return false };
    let spoken = if hour % 12 == 0 { 12 } else { hour % 12 };
    let half = if hour < 12 { "am" } else { "pm" };
    text.has(clock)
        || text.has(&format!("{hour}:{minute}"))
        || (minute == "00"
            && (text.has(&format!("{spoken}{half}")) || followed(text, &spoken.to_string(), half)))
}

/// Whether a text gives a time of the day.
pub(super) fn has_hour(text: &Text) -> bool {
    text.tokens.iter().any(|token| {
        token.text.split_once(':').is_some_and(|(hour, rest)| {
            !hour.is_empty() && hour.chars().chain(rest.chars()).all(|c| c.is_ascii_digit())
        })
    })
}

fn followed(text: &Text, first: &str, second: &str) -> bool {
    text.tokens
        .windows(2)
        .any(|pair| matches!(pair, [one, two] if one.text == first && two.text.replace('.', "") == second))
}

fn iso(word: &str) -> Option<(u8, u8)> {
    let date = word.get(..10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || !year.chars().all(|c| c.is_ascii_digit()) || parts.next().is_some() {
        return None;
    }
    let (month, day) = (month.parse().ok()?, day.parse().ok()?);
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some((month, day))
}

fn day(word: &str) -> Option<u8> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = word.get(digits.len()..)?;
    let day: u8 = digits.parse().ok()?;
    (matches!(ending, "" | "st" | "nd" | "rd" | "th") && (1..=31).contains(&day)).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_however_they_are_written() {
        for text in
            ["on 2031-03-12 at noon", "March 12th", "12 March", "the 12th of March", "on March 12, 2031"]
        {
            assert_eq!(dates(&Text::of(text)), HashSet::from([(3, 12)]), "{text}");
        }
        assert!(dates(&Text::of("may I have 30 minutes")).is_empty());
    }

    #[test]
    fn hours_are_found() {
        for text in ["at 10:00", "at 10am", "at 10 a.m."] {
            assert!(hour_said(&Text::of(text), "2031-03-12 10:00"), "{text}");
        }
        assert!(!hour_said(&Text::of("at 11:00"), "2031-03-12 10:00"));
    }
}

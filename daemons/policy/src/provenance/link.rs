//! What leads somewhere or identifies somebody inside of free text: links, addresses, long numbers and codes.

use super::said::Text;

/// Everything in a text that leads somewhere: web addresses, mail addresses, hosts.
pub(super) fn links(text: &str) -> Vec<String> {
    Text::of(text).tokens.into_iter().map(|token| token.text).filter(|word| leads(word)).collect()
}

/// Whether a word leads somewhere.
pub(super) fn leads(word: &str) -> bool {
    if word.contains("://") || word.starts_with("www.") {
        return true;
    }
    if word.split_once('/').is_some_and(|(first, _)| {
        first.rsplit_once('.').is_some_and(|(name, ending)| {
            !name.is_empty() && ending.len() >= 2 && ending.chars().all(char::is_alphabetic)
        })
    }) {
        return true;
    }
    let Some((before, after)) = word.rsplit_once('@').or_else(|| word.split_once('/')).or(Some((word, "")))
    else {
        return false;
    };
    if word.contains('@') {
        return !before.is_empty() && after.contains('.');
    }
    host(before)
}

fn host(word: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "com", "net", "org", "io", "ly", "info", "ru", "co", "me", "app", "dev", "de", "uk", "eu", "biz",
        "xyz", "cn", "us", "ch", "fr", "ai", "gg", "tv", "edu", "gov", "site", "online", "shop", "top",
        "link", "click", "cc", "to",
    ];
    let word = word.split(':').next().unwrap_or_default();
    word.rsplit_once('.').is_some_and(|(name, ending)| {
        !name.is_empty()
            && ENDINGS.contains(&ending)
            && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.')
    })
}

/// Whether a text has an address that is none of the web: `mailto:`, `javascript:`.
pub(super) fn scheme(text: &str) -> Option<&'static str> {
    const SCHEMES: &[&str] =
        &["javascript:", "data:", "mailto:", "tel:", "sms:", "file:", "vbscript:", "geo:", "magnet:"];
    let small = text.to_lowercase();
    SCHEMES.iter().copied().find(|scheme| {
        small.match_indices(scheme).any(|(at, found)| {
            let before = small.get(..at).and_then(|before| before.chars().next_back());
            let after = small.get(at + found.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(char::is_alphanumeric) && after.is_some_and(|c| !c.is_whitespace())
        })
    })
}

/// Whether a word looks like bytes in letters, or like the reference of a booking.
pub(super) fn is_coded(shown: &str) -> bool {
    let long = shown.chars().count() >= 12
        && shown.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-'));
    let turns = shown
        .as_bytes()
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
        .count();
    let digits = shown.chars().any(|c| c.is_ascii_digit());
    let capital = shown.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        && shown.chars().any(|c| c.is_ascii_uppercase());
    let reference = capital && digits && shown.chars().count() >= 5;
    reference || long && (turns >= 2 || (turns >= 1 && digits) || shown.ends_with('='))
}

/// Whether a word identifies an account, a card, a document, or is a code: five digits or more, with nothing that
/// makes it a date, a time or an amount.
pub(super) fn identifies(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let dated = word.len() >= 10 && word.split(['-', '/', '.']).count() == 3 && digits <= 8;
    let amount =
        word.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | '$')) && word.contains('.');
    digits >= 5 && !dated && !amount && !leads(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_somewhere_is_found() {
        assert_eq!(
            links("see www.x.org/a, a@b.com and https://evil.example or bit.ly/2 but not file.txt or 3.5"),
            ["www.x.org/a", "a@b.com", "https://evil.example", "bit.ly/2"]
        );
    }

    #[test]
    fn codes_identify_and_dates_do_not() {
        for word in ["nl02abna0123456789", "5500-0055-5555-5559", "914275", "pq7730146"] {
            assert!(identifies(word), "{word}");
        }
        for word in ["2031-03-12", "1200", "61.35", "3rd", "10:00"] {
            assert!(!identifies(word), "{word}");
        }
    }
}

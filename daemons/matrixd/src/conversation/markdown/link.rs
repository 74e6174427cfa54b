//! Where a link leads, and whether a client may open it.

use url::Url;

/// Schemes that a client may be given.
const SCHEMES: [&str; 3] = ["https", "http", "mailto"];
/// The most characters of a target that are shown.
const SHOWN: usize = 200;

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// It may be opened; this is its canonical spelling, names of hosts in ASCII.
    Open(String),
    /// It is only shown.
    Shown(String),
}

impl Target {
    pub(super) fn of(destination: &str) -> Self {
        match Url::parse(destination) {
            Ok(url) if SCHEMES.contains(&url.scheme()) && !has_account(&url) && !is_permalink(&url) => {
                Self::Open(url.to_string())
            }
            _ => Self::Shown(destination.to_owned()),
        }
    }

    /// As people are shown it: cut where it is long.
    pub(super) fn shown(&self) -> String {
        let (Self::Open(target) | Self::Shown(target)) = self;
        let mut shown: String = target.chars().take(SHOWN).collect();
        if shown.len() < target.len() {
            shown.push('…');
        }
        shown
    }

    /// Whether words say no more and nothing else than the target itself.
    pub(super) fn is_said_by(&self, words: &str) -> bool {
        let Self::Open(target) = self else { return false };
        let bare = |text: &str| text.trim().trim_end_matches('/').to_owned();
        let target = bare(target);
        let words = bare(words);
        words == target || target.strip_prefix("mailto:") == Some(&words)
    }
}

/// Whether a word of a text is something that clients show as a person or a room.
pub(super) fn is_pill(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    lower.contains("matrix.to") || lower.contains("matrix:") || {
        let from = lower.find("http").unwrap_or_default();
        word.get(from..).and_then(|rest| Url::parse(rest).ok()).is_some_and(|url| is_permalink(&url))
    }
}

/// `https://home.org@evil.net` reads like another host.
fn has_account(url: &Url) -> bool {
    url.scheme() != "mailto" && (!url.username().is_empty() || url.password().is_some())
}

/// `https://matrix.to/#/@ann:home.org`, and what web clients make of the same.
fn is_permalink(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let fragment = url.fragment().unwrap_or_default().trim_start_matches('/').to_ascii_lowercase();
    let sigils = ["@", "!", "#", "+", "%40", "%21", "%23", "%2b", "user/", "room/", "group/"];
    host == "matrix.to"
        || host.ends_with(".matrix.to")
        || sigils.iter().any(|sigil| fragment.starts_with(sigil))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_opened_is_a_link() {
        for open in
            ["https://example.org/a?b#c", "http://[::1]:8/", "mailto:ann@home.org", "HTTPS://Example.org"]
        {
            assert!(matches!(Target::of(open), Target::Open(_)), "{open}");
        }
        for shown in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\nscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "/relative",
            "#anchor",
            "",
            "https://home.org@evil.net/",
            "https://matrix.to/#/@ann:home.org",
            "https://MATRIX.TO./#/@ann:home.org",
            "https://app.element.io/#/user/@ann:home.org",
            "https://x.org/#/%40ann:home.org",
            "matrix:u/ann:home.org",
        ] {
            assert!(matches!(Target::of(shown), Target::Shown(_)), "{shown}");
        }
    }

    #[test]
    fn a_host_in_other_letters_shows_what_it_is() {
        assert_eq!(Target::of("https://exаmple.org/"), Target::Open("https://xn--exmple-4nf.org/".into()));
    }

    #[test]
    fn words_that_are_the_target_need_no_second_one() {
        let target = Target::of("https://example.org");
        assert!(target.is_said_by("https://example.org") && target.is_said_by("https://example.org/"));
        assert!(!target.is_said_by("example.org.evil.net"));
        assert!(Target::of("mailto:a@b.c").is_said_by("a@b.c"));
        assert!(!Target::of("javascript:x").is_said_by("javascript:x"));
    }
}

//! Writers as rules name them: a source word of a label, such as `mail` or `web:example.org`.
//!
//! A word without a colon means every source of its kind: `web` is any host. Hosts are compared as hosts are,
//! without regard to case or to a dot at their end.

use testudo::label::Source;

/// The words that need nothing after them.
pub(crate) const WORDS: [&str; 12] = [
    "owner",
    "member",
    "bridged",
    "stranger",
    "web",
    "mail",
    "file",
    "tool",
    "memory",
    "model",
    "catalogue",
    "system",
];

/// Who could have written something, as a condition says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writer {
    /// Every source of a kind.
    Kind(String),
    /// Exactly this one.
    Exactly(String),
}

impl Writer {
    /// Reads a word; nothing when there is no such source.
    pub(crate) fn read(word: &str) -> Option<Self> {
        match word.split_once(':') {
            Some(("web" | "tool", "")) => None,
            Some(("web", host)) => Some(Self::Exactly(format!("web:{}", plain(host)))),
            Some(("tool", _)) => Some(Self::Exactly(word.to_owned())),
            Some(_) => None,
            None => WORDS.contains(&word).then(|| Self::Kind(word.to_owned())),
        }
    }

    /// Whether a source is meant.
    pub(crate) fn means(&self, source: &Source) -> bool {
        match (self, source) {
            (Self::Kind(kind), source) => kind == source.kind(),
            (Self::Exactly(word), Source::Web(host)) => word.strip_prefix("web:") == Some(&plain(host)),
            (Self::Exactly(word), Source::Tool(name)) => word.strip_prefix("tool:") == Some(name),
            (Self::Exactly(_), _) => false,
        }
    }
}

fn plain(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

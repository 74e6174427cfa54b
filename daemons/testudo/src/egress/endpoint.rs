//! Where something may go: scheme, host, port, methods and a path prefix, written as a URL.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::host::{Host, HostError, HostPattern};

/// How a connection is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP inside of TLS that `egressd` speaks itself: it sees method, path and headers.
    Https,
    /// HTTP in the clear.
    Http,
    /// TLS between the call and the other side: only the name in its greeting can be checked.
    Tls,
    /// Anything else, through a declared tunnel.
    Tcp,
}

impl Scheme {
    /// The word before `://`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Tcp => "tcp",
        }
    }

    /// The port that is meant when none is written.
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Https | Self::Tls => Some(443),
            Self::Http => Some(80),
            Self::Tcp => None,
        }
    }

    /// The scheme of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Https, Self::Http, Self::Tls, Self::Tcp].into_iter().find(|scheme| scheme.word() == word)
    }
}

/// `SCHEME://HOST[:PORT][/PATH]`. The host may begin with `*.`; the path is a prefix that ends at a `/` or at its own
/// end; a query, a fragment and a user name are refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// How.
    pub scheme: Scheme,
    /// Where.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    /// Paths below this one; "/" is all of them. Says nothing about `tls` and `tcp`.
    pub path: String,
    /// Methods, in capitals; none means all of them. Says nothing about `tls` and `tcp`.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// This very path and nothing below it, with exactly this query or none; otherwise any query will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

/// What an [`Endpoint`] that is one page says about the query.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// What follows the `?`; none where there is none.
    pub query: Option<String>,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Anything else.
    #[error("cannot take {text:?} for an endpoint: {why}")]
    Form {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Endpoint {
    /// Reads an endpoint for all methods.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let wrong = |why| EndpointError::Form { text: text.chars().take(300).collect(), why };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme =
            Scheme::of_word(scheme).ok_or_else(|| wrong("its scheme is not https, http, tls or tcp"))?;
        if text.contains(['?', '#', '@', '\\', '%']) || text.chars().any(|c| c.is_control() || c == ' ') {
            return Err(wrong("it has a query, a fragment, a user name, an escape or a space"));
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) =
            split_port(authority).ok_or_else(|| wrong("its port is not between 1 and 65535"))?;
        let port = port.or(scheme.port()).ok_or_else(|| wrong("it needs a port"))?;
        let is_plain = path.split('/').all(|part| part != "." && part != "..") && !path.contains("//");
        if !is_plain {
            return Err(wrong("its path has an empty part, . or .."));
        }
        if matches!(scheme, Scheme::Tls | Scheme::Tcp) && path != "/" {
            return Err(wrong("a path cannot be seen in tls and tcp"));
        }
        Ok(Self {
            scheme,
            host: HostPattern::parse(host)?,
            port,
            path: path.to_owned(),
            methods: BTreeSet::new(),
            page: None,
        })
    }

    /// Whether a request goes here. `path` is without its query, about which [`Endpoint::takes`] says more.
    pub fn covers(&self, scheme: Scheme, host: &Host, port: u16, method: &str, path: &str) -> bool {
        let visible = matches!(scheme, Scheme::Https | Scheme::Http);
        self.scheme == scheme
            && self.port == port
            && self.host.matches(host)
            && (!visible || self.methods.is_empty() || self.methods.contains(method))
            && (!visible || is_below(path, &self.path))
            && (!visible || self.page.is_none() || path == self.path)
    }

    /// Whether a request that goes here may have this query.
    pub fn takes(&self, query: Option<&str>) -> bool {
        self.page.as_ref().is_none_or(|page| page.query.as_deref() == query)
    }
}

/// Whether a path could mean another one to the server: `.` and `..` as a part, a backslash, and every escape that some
/// server reads as more than a letter: of a slash, a dot, a semicolon, a percent sign, a control character, and of
/// bytes that are no UTF-8, which old decoders take for any of these. `%uXXXX` is no escape, but some take it for one.
pub fn is_devious(path: &str) -> bool {
    // Some servers take what follows a semicolon for a parameter of the part.
    let dots = |part: &str| matches!(part.split(';').next().unwrap_or_default(), "." | "..");
    path.contains('\\')
        || path.chars().any(char::is_control)
        || path.split('/').any(dots)
        || unescaped(path).is_none_or(|meant| {
            meant.contains(['.', '/', ';', '%', '\\']) || meant.chars().any(char::is_control)
        })
}

/// What is escaped in a path, and only that, in its order; none when an escape is none, or no text.
fn unescaped(path: &str) -> Option<String> {
    let mut pieces = path.split('%');
    pieces.next();
    let mut meant = Vec::new();
    for piece in pieces {
        meant.push(u8::from_str_radix(piece.get(..2).filter(|hex| !hex.starts_with('+'))?, 16).ok()?);
        // A letter in between cuts a character in two.
        if piece.len() > 2 {
            meant.push(b' ');
        }
    }
    String::from_utf8(meant).ok()
}
/// Whether `path` is `prefix` or below it. A devious path is below nothing.
pub fn is_below(path: &str, prefix: &str) -> bool {
    if is_devious(path) {
        return false;
    }
    let rest = path.strip_prefix(prefix);
    rest.is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// The host and the port of an authority; none when the port is no port.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority.get(after..)?.find(':').map(|at| at + after) else {
        return Some((authority, None));
    };
    let (host, port) = (authority.get(..colon)?, authority.get(colon + 1..)?);
    let plain = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    let port = plain.then(|| port.parse().ok()).flatten()?;
    Some((host, Some(port)))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.word(), self.host)?;
        if self.scheme.port() != Some(self.port) {
            write!(f, ":{}", self.port)?;
        }
        if self.path == "/" { Ok(()) } else { f.write_str(&self.path) }
    }
}

#[cfg(test)]
mod tests;

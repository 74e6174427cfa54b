//! The name of a host in its one accepted form, and patterns of such names.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A DNS name in lower case without a trailing dot, or an IP address in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// Letters, digits, hyphens and dots, as the DNS has them; punycode for all else.
    Name(String),
    /// An address literal.
    Address(IpAddr),
}

/// Why a text names no host. What nearly names one is refused, never mended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// It is no name of the DNS and no address.
    #[error("cannot take {0:?} for a host: {1}")]
    Form(String, &'static str),
}

impl Host {
    /// Reads a host as a client wrote it.
    ///
    /// # Errors
    /// Every form but the canonical one.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let wrong = |why| Err(HostError::Form(text.chars().take(300).collect(), why));
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse::<IpAddr>() {
            return if address.is_ipv6() == bare.is_some() || bare.is_none() {
                Ok(Self::Address(address))
            } else {
                wrong("brackets are for IPv6 addresses")
            };
        }
        if text.is_empty() || text.len() > 253 {
            return wrong("a name has 1 to 253 characters");
        }
        let label = |label: &str| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
            (1..=63).contains(&label.len())
                && label.bytes().all(inner)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if !text.split('.').all(label) {
            return wrong("a name is made of lower-case letters, digits and hyphens between single dots");
        }
        // 1.2.3, 0x7f000001, 017700000001: some resolvers take them for addresses.
        let last = text.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
            return wrong("a name whose last part is a number could be taken for an address");
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

/// One host, or with `*.` in front every name below one, without that name itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostPattern {
    /// Exactly this one.
    Exact(Host),
    /// Every name that ends in a dot and this.
    Below(String),
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// As [`Host::parse`]; `*.` of an address.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        let Some(rest) = text.strip_prefix("*.") else { return Host::parse(text).map(Self::Exact) };
        match Host::parse(rest)? {
            Host::Name(name) => Ok(Self::Below(name)),
            Host::Address(_) => Err(HostError::Form(text.to_owned(), "nothing is below an address")),
        }
    }

    /// Whether the host is meant.
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exact(one), host) => one == host,
            (Self::Below(apex), Host::Name(name)) => {
                name.strip_suffix(apex.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(apex) => write!(f, "*.{apex}"),
        }
    }
}

impl TryFrom<String> for HostPattern {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        Self::parse(&text)
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests;

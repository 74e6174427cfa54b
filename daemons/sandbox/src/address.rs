//! The address of a page: `https` or `http`, a host, a port, a path with its query, in the one form that `egressd` takes.
//!
//! The host's letters become lower case and what is no ASCII in path and query is escaped; user names, spaces, control
//! characters and backslashes are refused, since two parsers may read them in two ways. The fragment is dropped.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

/// Most bytes of an address.
pub const LONGEST: usize = 4096;

/// A page's address. Written, it is an absolute URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether the scheme is `https`.
    pub encrypted: bool,
    /// A name in lower case, or an IP address, in brackets if it is an IPv6 one. Whether it can be a host at all, is for
    /// `egressd` to say.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Begins with `/`; without `.` and `..` in it.
    pub path: String,
    /// What follows the `?`.
    pub query: Option<String>,
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it {0}")]
pub struct AddressError(&'static str);

impl Address {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = checked(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(AddressError("does not begin with https://"))?;
        let encrypted = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(AddressError("is neither https nor http")),
        };
        Self::with_scheme(encrypted, rest)
    }

    /// Where a reference on this page leads, such as the one of a redirect.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn join(&self, reference: &str) -> Result<Self, AddressError> {
        let reference = checked(reference)?;
        let head = reference.split(['/', '?']).next().unwrap_or_default();
        if head.contains(':') {
            return Self::parse(reference);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::with_scheme(self.encrypted, rest);
        }
        let (path, query) = split_query(reference);
        let path = match path {
            "" if query.is_none() => return Ok(self.clone()),
            "" => self.path.clone(),
            rooted if rooted.starts_with('/') => rooted.to_owned(),
            relative => {
                let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{relative}")
            }
        };
        Ok(Self { path: normal(&escaped(&path)?), query: query.map(escaped).transpose()?, ..self.clone() })
    }

    /// `HOST[:PORT]`, without the port that the scheme means anyway.
    pub fn authority(&self) -> String {
        if self.port == standard(self.encrypted) {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn with_scheme(encrypted: bool, rest: &str) -> Result<Self, AddressError> {
        let (authority, rest) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(AddressError("holds a user name"));
        }
        let after = authority.rfind(']').map_or(0, |at| at + 1);
        let colon = authority.get(after..).and_then(|tail| tail.find(':')).map(|at| after + at);
        let (host, port) = colon.map_or((authority, None), |at| {
            let (host, port) = authority.split_at(at);
            (host, port.strip_prefix(':'))
        });
        let port = port.map_or(Some(standard(encrypted)), number);
        let port = port.ok_or(AddressError("has a port that is not between 1 and 65535"))?;
        let plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
        };
        if !host.is_ascii() {
            return Err(AddressError("has a host that is no ASCII; write it as xn--"));
        }
        if host.is_empty() || !host.bytes().all(plain) {
            return Err(AddressError("has no plain host"));
        }
        if is_number(host) && host.parse::<Ipv4Addr>().is_err() {
            return Err(AddressError("has a number as its host; write it as an IP address, with four parts"));
        }
        let (path, query) = split_query(rest);
        Ok(Self {
            encrypted,
            host: host.to_ascii_lowercase(),
            port,
            path: normal(&escaped(path)?),
            query: query.map(escaped).transpose()?,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)?;
        self.query.as_ref().map_or(Ok(()), |query| write!(f, "?{query}"))
    }
}

const fn standard(encrypted: bool) -> u16 {
    if encrypted { 443 } else { 80 }
}

fn number(digits: &str) -> Option<u16> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Whether some parser takes a host for an IPv4 address: its last part is a number, decimal, octal or hexadecimal.
fn is_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Without its fragment.
fn checked(text: &str) -> Result<&str, AddressError> {
    if text.len() > LONGEST {
        return Err(AddressError("is longer than 4096 bytes"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(AddressError("holds a space, a control character or a backslash"));
    }
    Ok(text.split('#').next().unwrap_or_default())
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// With `%XX` for what may not stand in a URL as it is.
fn escaped(text: &str) -> Result<String, AddressError> {
    let mut escaped = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()];
                let [Some(high), Some(low)] = digits else {
                    return Err(AddressError("has a % that escapes nothing"));
                };
                if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                    return Err(AddressError("has a % that escapes nothing"));
                }
                escaped.extend(['%', char::from(high), char::from(low)]);
            }
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                let _always_fits = write!(escaped, "%{byte:02X}");
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    Ok(escaped)
}

/// A path without `.` and `..`, also where their dots are escaped.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut open = false;
    for part in path.strip_prefix('/').unwrap_or(path).split('/') {
        let plain = part.replace("%2e", ".").replace("%2E", ".");
        open = matches!(plain.as_str(), "." | "..");
        match plain.as_str() {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let end = if open && !parts.is_empty() { "/" } else { "" };
    format!("/{}{end}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_meant_has_one_form() {
        for (text, form) in [
            ("https://A.Example", "https://a.example/"),
            ("HTTPS://a.example:443/x?y=1#z", "https://a.example/x?y=1"),
            ("http://a.example:8080?q", "http://a.example:8080/?q"),
            ("https://[::1]:1/", "https://[::1]:1/"),
            ("http://127.0.0.1:80/", "http://127.0.0.1/"),
            ("https://1.example/0x7f/@me?a@b", "https://1.example/0x7f/@me?a@b"),
            ("https://a.example/wiki/Käse?q=ü", "https://a.example/wiki/K%C3%A4se?q=%C3%BC"),
            ("https://a.example/a/./b/../c", "https://a.example/a/c"),
            ("https://a.example/a/%2e%2E/../..", "https://a.example/"),
            ("https://a.example/a/..b/.", "https://a.example/a/..b/"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), form, "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for text in [
            "",
            "a.example",
            "//a.example/",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://u@a.example/",
            "https://u:p@a.example/",
            "https://a.example\\@b.example/",
            "https://a.example/ x",
            "https://a.example/\r\nHost: b",
            "https://a.example:0/",
            "https://a.example:080/",
            "https://a.example:65536/",
            "https://a.example:/",
            "https://a.ex%61mple/",
            "https://ä.example/",
            "http://0/@",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://127.1/",
            "http://0177.0.0.1/",
            "http://a.0X7F./",
            "https://a.example/%zz",
            "https://a.example/%4",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        assert!(Address::parse(&format!("https://a.example/{}", "x".repeat(LONGEST))).is_err());
    }

    #[test]
    fn references_lead_where_browsers_follow_them() {
        let page = Address::parse("https://a.example/one/two?x").unwrap();
        for (reference, form) in [
            ("/three", "https://a.example/three"),
            ("three", "https://a.example/one/three"),
            ("../three", "https://a.example/three"),
            ("../../../three", "https://a.example/three"),
            ("?y", "https://a.example/one/two?y"),
            ("#z", "https://a.example/one/two?x"),
            ("//b.example/", "https://b.example/"),
            ("http://b.example:81/q", "http://b.example:81/q"),
            ("./three:four", "https://a.example/one/three:four"),
        ] {
            assert_eq!(page.join(reference).unwrap().to_string(), form, "{reference}");
        }
        for reference in ["javascript:alert(1)", "mailto:a@b", "https:b.example", "/a b"] {
            assert!(page.join(reference).is_err(), "{reference}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused_and_its_form_is_stable(text in "(https?://)?[ -~ä\\\\/?#%.:@\\[\\]]{0,60}") {
            if let Ok(address) = Address::parse(&text) {
                let form = address.to_string();
                prop_assert!(form.is_ascii() && !form.contains(['#', '\\', ' ']));
                // In path and query it is a character like others; before them it would end a user's name.
                prop_assert!(!address.authority().contains('@'));
                prop_assert_eq!(Address::parse(&form).unwrap(), address);
            }
        }
    }
}

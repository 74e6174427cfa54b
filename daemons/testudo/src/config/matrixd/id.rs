//! What a user id, a room id and the URL of a homeserver can look like.
//!
//! Stricter than the specification of Matrix where an id of the past is concerned: a person whose id has other
//! characters than those that are given out today cannot be told apart from one who only looks like him.

use std::net::IpAddr;

/// The longest id, in bytes, with its sigil and its server.
const LONGEST: usize = 255;

/// Checks `@NAME:SERVER`.
pub(super) fn user(id: &str) -> Result<(), String> {
    match id.strip_prefix('@').and_then(|rest| rest.split_once(':')) {
        Some((name, server)) if is_localpart(name) && is_server(server) && id.len() <= LONGEST => Ok(()),
        _ => Err(format!("cannot take {id:?} for a user id, such as \"@ann:example.org\"")),
    }
}

/// Checks a user id of which one star stands for a part of the name.
pub(super) fn pattern(pattern: &str) -> Result<(), String> {
    let parts = pattern.strip_prefix('@').and_then(|rest| rest.split_once(':'));
    let named = |name: &str| {
        let plain = name.replacen('*', "", 1);
        // A star alone would be everybody of a server, and somebody for whom no bridge speaks is among them.
        !plain.is_empty() && is_localpart(&plain)
    };
    match parts {
        Some((name, server)) if named(name) && is_server(server) && pattern.len() <= LONGEST => Ok(()),
        _ => Err(format!(
            "cannot take {pattern:?} for a pattern of user ids: it is \"@PREFIX*:SERVER\" with one star, and not a star alone"
        )),
    }
}

/// Checks `!ID:SERVER`, or `!ID` as newer rooms have it.
pub(super) fn room(id: &str) -> Result<(), String> {
    let opaque = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let good = id.strip_prefix('!').is_some_and(|rest| match rest.split_once(':') {
        Some((name, server)) => opaque(name) && is_server(server),
        None => opaque(rest),
    });
    if good && id.len() <= LONGEST {
        return Ok(());
    }
    let hint = if id.starts_with('#') { "; an alias can be made to mean another room" } else { "" };
    Err(format!("cannot take {id:?} for a room id, such as \"!abc:example.org\"{hint}"))
}

/// Whether the homeserver could have given this device id.
pub(super) fn is_device(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Checks the URL of a homeserver: https, or http to this machine; without a user name, a query or a fragment.
pub(super) fn homeserver(url: &str) -> Result<(), &'static str> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err("must be a URL that begins with https://, such as \"https://matrix.example.org\"");
    };
    if !matches!(scheme, "https" | "http") {
        return Err("must be https, or http to this machine");
    }
    if rest.contains(['?', '#', '@', '\\']) || !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be a plain URL: without a user name, a query and a fragment");
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if !is_server(authority) {
        return Err("must name a host, and a port where it is another than the usual one");
    }
    if scheme == "http" && !is_loopback(host(authority)) {
        return Err("must be https: over http everybody on the way reads who talks when, and the password");
    }
    Ok(())
}

/// A localpart as homeservers give it today.
fn is_localpart(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte);
    !name.is_empty() && name.bytes().all(plain)
}

/// A host name or an address, with or without a port.
fn is_server(name: &str) -> bool {
    let (host, port) = match name.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, after)) => (address, after),
            None => return false,
        },
        None => name
            .split_once(':')
            .map_or((name, ""), |(host, _)| (host, name.get(host.len()..).unwrap_or_default())),
    };
    let port_is_one = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| {
            port.len() <= 5
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        });
    let named = if name.starts_with('[') {
        host.parse::<std::net::Ipv6Addr>().is_ok()
    } else {
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        host.len() <= 253 && host.split('.').all(label)
    };
    named && port_is_one
}

/// The host of a checked authority.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

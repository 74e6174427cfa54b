//! What a request asks for: absolute form for `https` and `http`, authority form for CONNECT, nothing else.
//!
//! A host's letters are put into lower case, as the DNS reads them; everything else that is not the canonical form is
//! refused, never mended: user names, trailing dots, odd numbers for addresses and ports.

use hyper::Method;
use testudo::egress::{Host, Scheme};

use crate::gate::{Load, Reason, Turned, Wish};

/// Whether requests of this method are taken at all.
pub(crate) fn is_method(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "CONNECT")
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A request that is passed on.
    Forward(Wish),
    /// A tunnel to a host and a port.
    Tunnel(Host, u16),
}

/// Reads a target and holds it against the `Host` header. Without `strict` the header may say what it likes, and user
/// names and trailing dots are dropped.
pub(crate) fn read(method: &Method, target: &str, host: Option<&str>, strict: bool) -> Result<Asked, Turned> {
    let wrong = |why: &str| Turned::new(Reason::Form, format!("cannot take the request: {why}"));
    let agrees = |to: &Host, port: u16, otherwise: Option<u16>| {
        let said = host.and_then(|host| authority(host, otherwise, strict).ok());
        if !strict || said.is_some_and(|said| said == (to.clone(), port)) {
            Ok(())
        } else {
            Err(wrong("its Host is not the host of its target"))
        }
    };
    if *method == Method::CONNECT {
        let (to, port) = authority(target, None, strict).map_err(|why| wrong(&why))?;
        // Some clients say the port there, and some do not.
        agrees(&to, port, Some(port))?;
        return Ok(Asked::Tunnel(to, port));
    }
    let (scheme, rest) = target
        .split_once("://")
        .filter(|_| !target.starts_with('/'))
        .ok_or_else(|| wrong("its target is not an absolute URL, as a proxy needs"))?;
    let scheme = [Scheme::Https, Scheme::Http]
        .into_iter()
        .find(|known| known.word().eq_ignore_ascii_case(scheme))
        .ok_or_else(|| wrong("its scheme is not https or http"))?;
    let (written, path) = rest.find(['/', '?']).map_or((rest, "/"), |at| rest.split_at(at));
    let (to, port) = authority(written, scheme.port(), strict).map_err(|why| wrong(&why))?;
    agrees(&to, port, scheme.port())?;
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let path = if path.is_empty() { "/" } else { path };
    Ok(Asked::Forward(Wish {
        scheme,
        host: to,
        port,
        method: method.as_str().to_owned(),
        path: path.to_owned(),
        query: query.map(str::to_owned),
        secrets: Vec::new(),
        load: Load::None,
    }))
}

/// `HOST[:PORT]`, with the port left out where there is one to take instead.
fn authority(text: &str, otherwise: Option<u16>, strict: bool) -> Result<(Host, u16), String> {
    let text = if strict { text } else { text.rsplit('@').next().unwrap_or_default() };
    if text.contains('@') {
        return Err("its target has a user name".to_owned());
    }
    // An IPv6 address has colons of its own and stands in brackets.
    let after = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text.get(after..).and_then(|rest| rest.find(':')) {
        Some(colon) => text.split_at(after + colon),
        None => (text, ""),
    };
    let port = match port.strip_prefix(':') {
        None => otherwise.ok_or("its target has no port")?,
        Some(digits) => {
            let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.parse().ok().filter(|_| plain);
            port.ok_or("its port is not between 1 and 65535, in plain digits")?
        }
    };
    let host = host.to_ascii_lowercase();
    let host = if strict { host.as_str() } else { host.trim_end_matches('.') };
    let bracketed = host.starts_with('[');
    match Host::parse(host) {
        Ok(Host::Address(address)) if address.is_ipv6() && !bracketed => {
            Err("its IPv6 address is not in brackets".to_owned())
        }
        Ok(host) => Ok((host, port)),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;

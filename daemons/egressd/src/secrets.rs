//! The secrets, the only places that they may go to, and the placeholders that name them.
//!
//! `{{secret:NAME}}` is filled in the value of a header, over TLS that this process speaks, for the endpoint that the
//! secret is bound to, and only in the header and the shape that its binding names. Anywhere else it makes the whole
//! request refused.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use testudo::config::egress::{Binding, is_name};
use testudo::egress::Host;
use zeroize::Zeroizing;

use crate::gate::{Reason, Turned, Wish};
use crate::needles::Needles;
use crate::redaction;
use crate::secret::{Secret, SecretError};

/// How every placeholder begins.
pub(crate) const OPENING: &[u8] = b"{{secret:";
const CLOSING: &[u8] = b"}}";

/// All secrets.
#[derive(Default)]
pub struct Secrets(Vec<Known>);

struct Known {
    binding: Binding,
    /// None when the service manager gave no such credential.
    value: Option<Secret>,
    needles: Arc<Needles>,
}

impl Secrets {
    /// Reads the credentials. One that is not there is missed when it is used, not before.
    ///
    /// # Errors
    /// A credential is there and is no secret.
    pub fn load(bindings: &[Binding], directory: Option<&Path>) -> Result<Self, SecretError> {
        let one = |binding: &Binding| {
            let read = directory.map(|directory| Secret::read(directory, &binding.credential)).transpose();
            let value = read?.flatten();
            if value.is_none() {
                tracing::warn!("the secret {} has no credential {}", binding.name, binding.credential);
            }
            let by = Bytes::from(format!("[secret:{}]", binding.name));
            let forms = value.iter().flat_map(|value| redaction::forms(value.expose()));
            let needles = Arc::new(Needles::new(forms, by));
            Ok(Known { binding: binding.clone(), value, needles })
        };
        bindings.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// What answers from there are searched for: the secrets that ever go to this host.
    pub(crate) fn watched(&self, wish: &Wish) -> Vec<Arc<Needles>> {
        let there = |known: &&Known| known.value.is_some() && known.binding.endpoint.host.matches(&wish.host);
        self.0.iter().filter(there).map(|known| Arc::clone(&known.needles)).collect()
    }

    /// What answers to a request that names these secrets are searched for.
    pub(crate) fn named(&self, names: &[String]) -> Vec<Arc<Needles>> {
        let named = |known: &&Known| known.value.is_some() && names.contains(&known.binding.name);
        self.0.iter().filter(named).map(|known| Arc::clone(&known.needles)).collect()
    }

    /// Whether these secrets may go there; `bound` is whether their bindings count.
    pub(crate) fn check(&self, names: &[String], wish: &Wish, bound: bool) -> Result<(), Turned> {
        for name in names {
            let known = self.0.iter().find(|known| known.binding.name == *name);
            let known = known.ok_or_else(|| turned(format!("there is no secret {name}")))?;
            let endpoint = &known.binding.endpoint;
            if bound && !endpoint.covers(wish.scheme, &wish.host, wish.port, &wish.method, &wish.path) {
                return Err(turned(format!("the secret {name} is not bound to {wish}")));
            }
            if known.value.is_none() {
                return Err(turned(format!("the secret {name} has no credential")));
            }
        }
        Ok(())
    }

    /// Whether each of these secrets is asked for once, in the header of its binding, and in its shape to the byte: where
    /// a server would repeat it, or store it as text, it is never put.
    pub(crate) fn shaped(&self, names: &[String], headers: &HeaderMap) -> Result<(), Turned> {
        for (header, value) in headers.iter().filter(|(_, value)| holds(value.as_bytes())) {
            let right = |known: &Known| {
                let whole = format!("{header}: ").into_bytes();
                form(&known.binding).into_bytes() == [&whole, value.as_bytes()].concat()
            };
            if !self.0.iter().any(right) || headers.get_all(header).iter().count() != 1 {
                let bound = self.0.iter().filter(|known| names.contains(&known.binding.name));
                let forms: Vec<String> = bound.map(|known| form(&known.binding)).collect();
                return Err(turned(format!("it goes out as the whole of one header: {}", forms.join(", "))));
            }
        }
        Ok(())
    }

    /// Whether a secret ever goes to this host.
    pub(crate) fn bound_to(&self, host: &Host) -> bool {
        self.0.iter().any(|known| known.binding.endpoint.host.matches(host))
    }

    /// Puts the values in the place of their names. Only after [`Secrets::check`] and the decision.
    pub(crate) fn fill(&self, headers: &mut HeaderMap) -> Result<(), Turned> {
        for value in headers.values_mut().filter(|value| holds(value.as_bytes())) {
            let mut filled = Zeroizing::new(Vec::new());
            let mut rest = value.as_bytes();
            while let Some((before, name, after)) = placeholder(rest)? {
                let known = self.0.iter().find(|known| known.binding.name == name);
                let secret = known.and_then(|known| known.value.as_ref());
                filled.extend_from_slice(before);
                filled.extend_from_slice(
                    secret.ok_or_else(|| turned(format!("there is no secret {name}")))?.expose(),
                );
                rest = after;
            }
            filled.extend_from_slice(rest);
            *value =
                HeaderValue::from_bytes(&filled).map_err(|_| turned("it cannot be put into a header"))?;
            value.set_sensitive(true);
        }
        Ok(())
    }
}

/// The names of the secrets that headers ask for, each once.
pub(crate) fn names(headers: &HeaderMap) -> Result<Vec<String>, Turned> {
    let mut names = Vec::new();
    for value in headers.values() {
        let mut rest = value.as_bytes();
        while let Some((_, name, after)) = placeholder(rest)? {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            rest = after;
        }
    }
    Ok(names)
}

/// Whether there is the beginning of a placeholder, also in the escapes of a URL.
pub(crate) fn holds(bytes: &[u8]) -> bool {
    let escaped = b"%7b%7bsecret:";
    bytes.windows(OPENING.len()).any(|window| window.eq_ignore_ascii_case(OPENING))
        || bytes.windows(escaped.len()).any(|window| window.eq_ignore_ascii_case(escaped))
}

/// The refusal of a request with a placeholder where none may be.
pub(crate) fn misplaced(place: &str) -> Turned {
    turned(format!("a placeholder of a secret may only be in the value of a header, not in {place}"))
}

/// A placeholder's name, and what is before and after it.
type Found<'a> = (&'a [u8], &'a str, &'a [u8]);

/// The first placeholder.
fn placeholder(text: &[u8]) -> Result<Option<Found<'_>>, Turned> {
    let Some(at) = text.windows(OPENING.len()).position(|window| window == OPENING) else {
        return if holds(text) { Err(turned("a placeholder is written {{secret:NAME}}")) } else { Ok(None) };
    };
    let inner = text.get(at + OPENING.len()..).unwrap_or_default();
    let end = inner.windows(CLOSING.len()).position(|window| window == CLOSING);
    let name = end.and_then(|end| inner.get(..end)).and_then(|name| std::str::from_utf8(name).ok());
    let name = name
        .filter(|name| is_name(name))
        .ok_or_else(|| turned("a placeholder is written {{secret:NAME}}"))?;
    let after = inner.get(name.len() + CLOSING.len()..).unwrap_or_default();
    Ok(Some((text.get(..at).unwrap_or_default(), name, after)))
}

/// How a header with the placeholder is written.
fn form(Binding { name, header, shape, .. }: &Binding) -> String {
    format!("{header}: {}", shape.replace("{}", &format!("{{{{secret:{name}}}}}")))
}

fn turned(sentence: impl std::fmt::Display) -> Turned {
    Turned::new(Reason::Secret, format!("cannot send the secret: {sentence}"))
}

#[cfg(test)]
mod tests;

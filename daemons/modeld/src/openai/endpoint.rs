//! The one address that is ever asked for.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::HeaderValue;
use url::Url;

/// Where completions are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The whole URL, with the query of the base URL, which may be confidential.
    pub(crate) uri: Uri,
    /// The value of `Host`.
    pub(crate) authority: HeaderValue,
    /// Host and port, for messages.
    pub(crate) server: String,
}

/// Why a base URL is not taken. No message repeats more of it than host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is no URL.
    #[error("cannot use base_url in [modeld]: it is not a URL such as \"https://host/v1\"")]
    NotUrl,
    /// It holds a user name or password.
    #[error(
        "cannot use base_url in [modeld]: it holds a user name or a password; make the key a secret of [egressd] and name it in api_key_secret"
    )]
    Userinfo,
    /// It is plain HTTP to another machine.
    #[error(
        "cannot use base_url in [modeld]: {server} is not this machine, and http would show the conversation and the key to the network; use https, or set allow_http = true"
    )]
    PlainHttp {
        /// Host and port.
        server: String,
    },
}

impl Endpoint {
    /// The address below `base`, which ends before `/chat/completions`.
    pub(crate) fn below(base: &str, allow_http: bool) -> Result<Self, EndpointError> {
        let mut url = Url::parse(base).map_err(|_| EndpointError::NotUrl)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(EndpointError::NotUrl);
        };
        let server = format!("{host}:{port}");
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Userinfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if allow_http || is_loopback(host) => {}
            "http" => return Err(EndpointError::PlainHttp { server }),
            _ => return Err(EndpointError::NotUrl),
        }
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| EndpointError::NotUrl)?
            .pop_if_empty()
            .extend(["chat", "completions"]);
        let uri: Uri = url.as_str().parse().map_err(|_| EndpointError::NotUrl)?;
        let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        Ok(Self { authority: authority.ok_or(EndpointError::NotUrl)?, uri, server })
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_appended() {
        for (base, url, server) in [
            ("https://a.example/v1", "https://a.example/v1/chat/completions", "a.example:443"),
            ("https://a.example", "https://a.example/chat/completions", "a.example:443"),
            ("https://a.example/v1/?k=v#f", "https://a.example/v1/chat/completions?k=v", "a.example:443"),
            ("http://localhost:11434/v1", "http://localhost:11434/v1/chat/completions", "localhost:11434"),
            ("http://127.8.8.8/v1", "http://127.8.8.8/v1/chat/completions", "127.8.8.8:80"),
            ("http://[::1]:1/v1", "http://[::1]:1/v1/chat/completions", "[::1]:1"),
        ] {
            let endpoint = Endpoint::below(base, false).unwrap();
            assert_eq!((endpoint.uri.to_string().as_str(), endpoint.server.as_str()), (url, server));
        }
    }

    #[test]
    fn what_is_unsafe_is_refused() {
        let server = |server: &str| EndpointError::PlainHttp { server: server.to_owned() };
        for (base, error) in [
            ("", EndpointError::NotUrl),
            ("a.example/v1", EndpointError::NotUrl),
            ("file:///etc/passwd", EndpointError::NotUrl),
            ("ftp://a.example", EndpointError::NotUrl),
            ("https://user:hidden@a.example", EndpointError::Userinfo),
            ("http://a.example/v1?token=hidden", server("a.example:80")),
            ("http://localhost.a.example/", server("localhost.a.example:80")),
            ("http://10.0.0.1:8080", server("10.0.0.1:8080")),
        ] {
            let refused = Endpoint::below(base, false).unwrap_err();
            assert!(!refused.to_string().contains("hidden"));
            assert_eq!(refused, error, "{base}");
        }
        assert!(Endpoint::below("http://10.0.0.1:8080", true).is_ok());
    }
}

//! What an action reaches outside of this machine, and patterns of it.
//!
//! A connection says it in its arguments; a tool says it in those that are declared to be addresses of the web. What
//! cannot be read could be anything: it fits a rule that restricts and no rule that permits.

use serde_json::Value;
use testudo::action::Judged;
use testudo::declaration::Role;
use testudo::egress::endpoint::{is_below, is_devious};
use testudo::egress::{CONNECT, Endpoint, EndpointError, Host, HostPattern, Scheme};

use crate::matter::Reach;

/// One place that an action reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Not known of what is not seen.
    path: Option<String>,
}

/// `HOST`, `HOST:PORT` or `SCHEME://HOST[:PORT][/PATH]`; the host may begin with `*.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outward {
    scheme: Option<Scheme>,
    host: HostPattern,
    port: Option<u16>,
    path: String,
}

impl Outward {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.contains("://") {
            let Endpoint { scheme, host, port, path, .. } = Endpoint::parse(text)?;
            return Ok(Self { scheme: Some(scheme), host, port: Some(port), path });
        }
        let whole = "/".to_owned();
        match HostPattern::parse(text) {
            Ok(host) => Ok(Self { scheme: None, host, port: None, path: whole }),
            Err(error) if !text.contains(':') || text.contains('/') => Err(error.into()),
            Err(_) => {
                let Endpoint { host, port, .. } = Endpoint::parse(&format!("tcp://{text}"))?;
                Ok(Self { scheme: None, host, port: Some(port), path: whole })
            }
        }
    }

    /// Whether a place is meant; nothing is a place that cannot be read.
    pub(crate) fn matches(&self, place: Option<&Place>, reach: Reach) -> bool {
        let restricts = reach == Reach::Any;
        let Some(place) = place else { return restricts };
        // What is spoken inside of a tunnel is not seen: it could be this.
        let unseen = matches!(
            (self.scheme, place.scheme),
            (Some(Scheme::Https), Scheme::Tls | Scheme::Tcp)
                | (Some(Scheme::Http | Scheme::Tls), Scheme::Tcp)
        );
        let path = self.path == "/"
            || match &place.path {
                Some(path) => is_below(path, &self.path) || (restricts && is_devious(path)),
                None => restricts,
            };
        (self.scheme.is_none_or(|scheme| scheme == place.scheme) || (restricts && unseen))
            && self.port.is_none_or(|port| port == place.port)
            && self.host.matches(&place.host)
            && path
    }
}

/// The places that an action reaches; none in it stands for one that cannot be read.
pub(crate) fn places(judged: &Judged) -> Vec<Option<Place>> {
    let arguments = &judged.action.arguments;
    if judged.action.tool == CONNECT {
        return vec![connection(arguments)];
    }
    let mut found = Vec::new();
    for (name, value) in arguments.as_object().into_iter().flatten() {
        if judged.declaration.arguments.get(name) == Some(&Role::Url) {
            match value {
                Value::Array(all) => found.extend(all.iter().map(address)),
                one => found.push(address(one)),
            }
        }
    }
    found
}

fn connection(arguments: &Value) -> Option<Place> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let scheme = Scheme::of_word(text("scheme")?)?;
    let Endpoint { host, port, .. } = Endpoint::parse(&format!("tcp://{}", text("destination")?)).ok()?;
    let HostPattern::Exact(host) = host else { return None };
    Some(Place { scheme, host, port, path: text("path").map(str::to_owned) })
}

/// An address of the web as somebody wrote it.
fn address(value: &Value) -> Option<Place> {
    let text = value.as_str()?;
    let (address, _) = text.split_once(['?', '#']).unwrap_or((text, ""));
    let authority = address.split_once("://")?.1;
    // An escape in a path is none in a host; the path itself may be anything.
    let end = authority.find('/').unwrap_or(authority.len()) + address.len() - authority.len();
    let (origin, path) = address.split_at(end);
    let Endpoint { scheme, host, port, .. } = Endpoint::parse(&origin.to_ascii_lowercase()).ok()?;
    let HostPattern::Exact(host) = host else { return None };
    let path = if path.is_empty() { "/" } else { path };
    Some(Place { scheme, host, port, path: Some(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::action::{Action, Effect, Phase};
    use testudo::identity::Principal;

    fn judged(tool: &str, arguments: Value) -> Judged {
        let action = Action {
            tool: tool.into(),
            arguments,
            effect: Effect::ReadExternal,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: None,
        };
        let mut judged = Judged::new(action, "c-1");
        judged.declaration.arguments.insert("url".into(), Role::Url);
        judged
    }

    fn connect(url: &str) -> Judged {
        let endpoint = Endpoint::parse(url).unwrap();
        let mut arguments = json!({
            "destination": format!("{}:{}", endpoint.host, endpoint.port),
            "scheme": endpoint.scheme.word(),
            "listed": false,
        });
        if matches!(endpoint.scheme, Scheme::Https | Scheme::Http) {
            arguments["method"] = json!("GET");
            arguments["path"] = json!(endpoint.path);
        }
        judged(CONNECT, arguments)
    }

    /// Whether a rule that permits, and whether one that restricts, means this.
    fn meant(pattern: &str, judged: &Judged) -> (bool, bool) {
        let pattern = Outward::parse(pattern).unwrap();
        let places = places(judged);
        let fits = |reach| {
            let mut all = places.iter().map(|place| pattern.matches(place.as_ref(), reach));
            all.next().is_some_and(|first| first)
        };
        (fits(Reach::Every), fits(Reach::Any))
    }

    #[test]
    fn a_connection_is_meant_by_host_port_scheme_and_path() {
        for (pattern, url, expected) in [
            ("a.example", "https://a.example/", (true, true)),
            ("a.example", "tls://a.example:8443", (true, true)),
            ("a.example:443", "https://a.example/", (true, true)),
            ("a.example:443", "https://a.example:444/", (false, false)),
            ("*.a.example:443", "https://b.a.example/", (true, true)),
            ("*.a.example:443", "https://a.example/", (false, false)),
            ("*.a.example:443", "https://xa.example/", (false, false)),
            ("https://a.example/x", "https://a.example/x/y", (true, true)),
            ("https://a.example/x", "https://a.example/xy", (false, false)),
            ("https://a.example/x", "tls://a.example", (false, true)),
            ("https://a.example", "tcp://a.example:443", (false, true)),
            ("https://a.example", "http://a.example:443/", (false, false)),
            ("[2a00::1]:443", "https://[2a00::1]/", (true, true)),
        ] {
            assert_eq!(meant(pattern, &connect(url)), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_denied_and_not_allowed() {
        for arguments in [
            json!({}),
            json!({"destination": "a.example", "scheme": "https"}),
            json!({"destination": "A.example:443", "scheme": "https"}),
            json!({"destination": "a.example:443", "scheme": "gopher"}),
            json!({"destination": "*.example:443", "scheme": "https"}),
            json!({"destination": 5, "scheme": "https"}),
        ] {
            assert_eq!(meant("b.example", &judged(CONNECT, arguments.clone())), (false, true), "{arguments}");
        }
        let devious = judged(
            CONNECT,
            json!({"destination": "a.example:443", "scheme": "https", "path": "/open/%2e%2e/closed"}),
        );
        assert_eq!(meant("https://a.example/open", &devious), (false, true));
        assert_eq!(meant("https://a.example/closed", &devious), (false, true));
    }

    #[test]
    fn addresses_of_tools_are_places_too() {
        for (url, expected) in [
            ("https://a.example/x?q=1#y", (true, true)),
            ("HTTPS://A.Example/x", (true, true)),
            ("https://a.example/y", (false, false)),
            ("https://b.example/x", (false, false)),
            ("https://u@a.example/x", (false, true)),
            ("no address", (false, true)),
        ] {
            let tool = judged("web.fetch", json!({"url": url}));
            assert_eq!(meant("https://a.example/x", &tool), expected, "{url}");
        }
        assert!(places(&judged("echo", json!({"text": "https://a.example"}))).is_empty());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "A.example",
            "a.example:0",
            "a.example:99999",
            "a.example/x",
            "ftp://a.example",
            "a b",
            "1.2.3",
            "a..b",
        ] {
            assert!(Outward::parse(text).is_err(), "{text}");
        }
    }
}

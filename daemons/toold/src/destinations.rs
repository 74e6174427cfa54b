//! Where a decided call may go without another question, and its tunnels: read from its arguments and nothing else. Pure.

use serde_json::Value;
use testudo::action::Action;
use testudo::egress::{Endpoint, Host, HostPattern, Page, Scheme};
use testudo_sandbox::address::Address;
use testudo_sandbox::protocol::Tunnel;

/// Destinations that were decided with the call: the page that `web.fetch` names. What cannot be written as an endpoint
/// is left out, and asked about.
pub(crate) fn listed(action: &Action) -> Vec<Endpoint> {
    let url = action.arguments.get("url").and_then(Value::as_str);
    let url = url.filter(|_| action.tool == "web.fetch");
    url.and_then(page).into_iter().collect()
}

fn page(url: &str) -> Option<Endpoint> {
    let address = Address::parse(url).ok()?;
    let host = Host::parse(&address.host).ok()?;
    Some(Endpoint {
        scheme: if address.encrypted { Scheme::Https } else { Scheme::Http },
        host: HostPattern::Exact(host),
        port: address.port,
        path: address.path,
        methods: ["GET", "HEAD"].map(str::to_owned).into(),
        // What is below it, or another query, is something else that is said there.
        page: Some(Page { query: address.query }),
    })
}

/// The tunnels that a call declares; its schema has let nothing else through.
pub(crate) fn tunnels(arguments: &Value) -> Vec<Tunnel> {
    let declared = arguments.get("tunnels").cloned().unwrap_or_default();
    serde_json::from_value(declared).unwrap_or_default()
}

/// The argument that names no place to go, and why; none when all of them do.
pub(crate) fn unusable(tool: &str, arguments: &Value) -> Option<(&'static str, String)> {
    let url = arguments.get("url").and_then(Value::as_str).filter(|_| tool == "web.fetch");
    let wrong = url.and_then(|url| match Address::parse(url) {
        Err(error) => Some(format!("the URL cannot be used: {error}")),
        Ok(address) => Host::parse(&address.host).err().map(|error| error.to_string()),
    });
    wrong.map(|why| ("/url", why)).or_else(|| {
        let wrong = testudo_sandbox::tunnels::check(&tunnels(arguments)).err();
        wrong.map(|error| ("/tunnels", error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::action::{Effect, Phase};
    use testudo::identity::Principal;

    fn action(tool: &str, arguments: Value) -> Action {
        Action {
            tool: tool.into(),
            arguments,
            effect: Effect::ReadExternal,
            phase: Phase::Call,
            session: "s".into(),
            requester: Principal::Operator("alice".into()),
            change_set: None,
        }
    }

    #[test]
    fn a_page_is_its_origin_and_path_for_reading() {
        let listed = listed(&action("web.fetch", json!({"url": "https://A.example/x%20y?z=1"})));
        let [endpoint] = listed.as_slice() else { panic!("{listed:?}") };
        assert_eq!((endpoint.to_string().as_str(), endpoint.port), ("https://a.example/x%20y", 443));
        let host = Host::parse("a.example").unwrap();
        for (method, path, covered) in [
            ("GET", "/x%20y", true),
            ("HEAD", "/x%20y", true),
            ("POST", "/x%20y", false),
            ("GET", "/", false),
            ("GET", "/x%20y/z", false),
        ] {
            assert_eq!(endpoint.covers(Scheme::Https, &host, 443, method, path), covered, "{method} {path}");
        }
        for (query, taken) in [(Some("z=1"), true), (Some("z=2"), false), (None, false)] {
            assert_eq!(endpoint.takes(query), taken, "{query:?}");
        }
    }

    #[test]
    fn nothing_else_lists_a_destination() {
        for (tool, arguments) in [
            ("test.run", json!({"command": "x", "url": "https://a.example/"})),
            ("web.fetch", json!({"url": "https://1.2.3/"})),
            ("web.fetch", json!({"url": "nonsense"})),
            ("web.fetch", json!({})),
        ] {
            assert!(listed(&action(tool, arguments)).is_empty());
        }
    }

    #[test]
    fn what_names_no_place_is_told_with_its_field() {
        for (tool, arguments, field) in [
            ("web.fetch", json!({"url": "https://a.example/"}), None),
            ("web.fetch", json!({"url": "https://0x7f000001/"}), Some("/url")),
            ("web.fetch", json!({"url": "https://u@a.example/"}), Some("/url")),
            ("test.run", json!({"tunnels": [{"host": "db.example", "port": 5432, "local": 5432}]}), None),
            (
                "test.run",
                json!({"tunnels": [{"host": "10.0.0.1", "port": 5432, "local": 5432}]}),
                Some("/tunnels"),
            ),
        ] {
            assert_eq!(unusable(tool, &arguments).map(|(field, _)| field), field, "{arguments}");
        }
    }
}

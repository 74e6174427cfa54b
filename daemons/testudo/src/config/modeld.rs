//! `[modeld]`: which model is asked, and under which name its key lies with `egressd`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::egress::Binding;
use crate::config::reader::Table;
use crate::egress::{Endpoint, HostPattern};

/// What a base URL is followed by.
const COMPLETIONS: &str = "/chat/completions";

/// Which model `modeld` asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Modeld {
    /// The provider.
    pub provider: Provider,
    /// The longest that one completion may take.
    pub timeout: Duration,
    /// Where `egressd` answers `modeld`.
    pub egress_socket: PathBuf,
}

/// A provider with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provider {
    /// The built-in offline planner.
    Rehearsal,
    /// A server that speaks the `OpenAI` chat format.
    OpenAi {
        /// Up to and without `/chat/completions`.
        base_url: String,
        /// The model's name at that server.
        model: String,
        /// Other models of that server, which a session can choose.
        other_models: Vec<String>,
        /// The name of the key in `[egressd.secrets]`; none for servers without one.
        api_key_secret: Option<String>,
        /// Plain HTTP to other than loopback addresses.
        allow_http: bool,
    },
}

impl Modeld {
    /// The one destination that `modeld` reaches; none without a server, or with a base URL that it refuses to start with.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match &self.provider {
            Provider::Rehearsal => None,
            Provider::OpenAi { base_url, .. } => endpoint(base_url),
        }
    }

    pub(super) fn read(table: &Table<'_>, secrets: &[Binding]) -> Self {
        let provider = table.word("provider", &["rehearsal", "openai"]);
        let base_url = table.string("base_url");
        let model = table.string("model");
        let other_models = table.strings("other_models");
        let api_key_secret = table.string("api_key_secret");
        let allow_http = table.boolean("allow_http");
        let timeout = table.duration("timeout").unwrap_or(Duration::from_mins(5));
        let egress_socket =
            table.path("egress_socket").unwrap_or_else(|| "/run/testudo/egress/models.sock".into());
        let provider = if provider.as_deref() == Some("openai") {
            if base_url.is_none() {
                table.require("base_url", "the URL of the server, such as \"http://127.0.0.1:11434/v1\"");
            }
            if model.is_none() {
                table.require("model", "the name of the model at that server");
            }
            if let Some(url) = &base_url
                && !url.starts_with("https://")
                && !url.starts_with("http://")
            {
                table.refuse("base_url", "expected a URL that begins with https:// or http://");
            }
            let names = || model.iter().chain(other_models.iter().flatten());
            if names().any(|name| name.trim().is_empty())
                || names().collect::<BTreeSet<_>>().len() < names().count()
            {
                table.refuse("other_models", "needs names, each once and another than `model`");
            }
            if let Some(why) = api_key_secret.as_ref().and_then(|name| {
                let endpoint = base_url.as_deref().and_then(endpoint);
                unusable(name, secrets, endpoint.as_ref())
            }) {
                table.refuse("api_key_secret", &why);
            }
            Provider::OpenAi {
                base_url: base_url.unwrap_or_default(),
                model: model.unwrap_or_default(),
                other_models: other_models.unwrap_or_default(),
                api_key_secret,
                allow_http: allow_http.unwrap_or(false),
            }
        } else {
            for (key, given) in [
                ("base_url", base_url.is_some()),
                ("model", model.is_some()),
                ("other_models", other_models.is_some()),
                ("api_key_secret", api_key_secret.is_some()),
                ("allow_http", allow_http.is_some()),
            ] {
                if given {
                    table.refuse(
                        key,
                        "has no effect with this provider: set provider = \"openai\" or remove it",
                    );
                }
            }
            Provider::Rehearsal
        };
        table.finish();
        Self { provider, timeout, egress_socket }
    }
}

/// Why a secret cannot be the key for a server.
fn unusable(name: &str, secrets: &[Binding], server: Option<&Endpoint>) -> Option<String> {
    let Some(binding) = secrets.iter().find(|binding| binding.name == name) else {
        return Some(format!("there is no such secret: it needs a table [egressd.secrets.{name}]"));
    };
    let server = server?;
    let HostPattern::Exact(host) = &server.host else { return None };
    let covers = binding.endpoint.covers(server.scheme, host, server.port, "POST", &server.path);
    (!covers).then(|| format!("this secret only goes to {}, which base_url is not below", binding.endpoint))
}

/// Where completions below a base URL are asked for. Nothing of the URL but host, port and path is in it.
fn endpoint(base_url: &str) -> Option<Endpoint> {
    let plain = base_url.split(['?', '#']).next()?.trim_end_matches('/');
    let (scheme, rest) = plain.split_once("://")?;
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let endpoint = Endpoint::parse(&format!("{scheme}://{authority}{path}{COMPLETIONS}")).ok()?;
    Some(Endpoint { methods: ["POST".to_owned()].into(), ..endpoint })
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const SECRET: &str = "[egressd.secrets.model]\nendpoint = \"https://a.example/v1/\"\n";

    fn config(base_url: &str, more: &str) -> String {
        format!("[modeld]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"{base_url}\"\n{more}")
    }

    #[test]
    fn the_destination_is_what_completions_are_posted_to() {
        for (base, endpoint) in [
            ("https://a.example/v1", "https://a.example/v1/chat/completions"),
            ("https://A.Example/v1/?k=hidden#f", "https://a.example/v1/chat/completions"),
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1/chat/completions"),
            ("http://[::1]:1", "http://[::1]:1/chat/completions"),
        ] {
            let config = parse("t", &config(base, "")).unwrap();
            let found = config.modeld.endpoint().unwrap();
            assert_eq!((found.to_string().as_str(), found.methods.len()), (endpoint, 1));
        }
        assert!(parse("t", "").unwrap().modeld.endpoint().is_none());
        assert!(parse("t", &config("https://u:p@a.example", "")).unwrap().modeld.endpoint().is_none());
    }

    #[test]
    fn other_models_have_names_of_their_own() {
        for (names, is_taken) in [
            ("[\"s\", \"t\"]", true),
            ("\"s\"", true),
            ("[\"m\"]", false),
            ("[\"s\", \"s\"]", false),
            ("[\" \"]", false),
        ] {
            let read = parse("t", &config("https://a.example", &format!("other_models = {names}\n")));
            assert_eq!(read.is_ok(), is_taken, "{names}");
            assert!(
                is_taken || read.unwrap_err().to_string().starts_with("t:5:16: `other_models` needs names")
            );
        }
        let shown = parse("t", "[modeld]\nother_models = [\"m\"]\n").unwrap_err().to_string();
        assert!(shown.contains("t:2:16: `other_models` has no effect"), "{shown}");
    }

    #[test]
    fn a_key_is_a_secret_that_goes_to_the_server() {
        let key = "api_key_secret = \"model\"\n";
        parse("t", &config("https://a.example/v1", &format!("{key}{SECRET}"))).unwrap();
        for (base, more, expected) in [
            ("https://a.example/v1", key.to_owned(), "t:5:18: `api_key_secret` there is no such secret"),
            ("https://b.example/v1", format!("{key}{SECRET}"), "only goes to https://a.example/v1/"),
            ("https://a.example/v2", format!("{key}{SECRET}"), "only goes to https://a.example/v1/"),
            ("http://a.example/v1", format!("{key}{SECRET}"), "only goes to https://a.example/v1/"),
        ] {
            let shown = parse("t", &config(base, &more)).unwrap_err().to_string();
            assert!(shown.contains(expected), "{shown}");
        }
    }
}

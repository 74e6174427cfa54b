//! Which model: from the environment of the human, as other programs of the kind have it.
//!
//! `OPENAI_API_KEY`, `OPENAI_BASE_URL` and `OPENAI_MODEL`, or `OLLAMA_HOST`; `TESTUDO_MODEL` names the model in both
//! cases, and without a name it is the first that the server lists. A key becomes a credential of
//! `egressd`, bound to that server; it never gets into a configuration, a daemon's environment or `modeld`. It goes over
//! https alone.

use anyhow::{Context, Result};
use testudo_appliance::Plan;

/// The name of the key, and its credential as the unit of `egressd` imports it.
const SECRET: &str = "model";
const CREDENTIAL: &str = "testudo.egressd.model";
const OPENAI: &str = "https://api.openai.com/v1";
const OLLAMA_PORT: &str = "11434";

/// A model to use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Model {
    /// The built-in planner.
    Rehearsal,
    /// A server.
    Server { base_url: String, model: String, key: Option<String> },
}

impl Model {
    /// Looks into an environment; `first_model` asks a server, by base URL and key, for what it has.
    ///
    /// # Errors
    /// When a server is given without a model, and does not name one.
    pub(crate) fn from(
        environment: impl Fn(&str) -> Option<String>,
        first_model: impl Fn(&str, Option<&str>) -> Result<String>,
    ) -> Result<Self> {
        let given =
            |name| environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let key = given("OPENAI_API_KEY");
        let base_url = match (given("OPENAI_BASE_URL"), &key, given("OLLAMA_HOST")) {
            (Some(url), ..) => url.trim_end_matches('/').to_owned(),
            (None, Some(_), _) => OPENAI.to_owned(),
            (None, None, Some(host)) => ollama(&host),
            (None, None, None) => return Ok(Self::Rehearsal),
        };
        let model = match given("TESTUDO_MODEL").or_else(|| given("OPENAI_MODEL")) {
            Some(model) => model,
            None => first_model(&base_url, key.as_deref())
                .with_context(|| format!("cannot choose a model of {base_url}; name one in TESTUDO_MODEL"))?,
        };
        Ok(Self::Server { base_url, model, key })
    }

    /// Puts it into a plan.
    pub(crate) fn enter(&self, plan: &mut Plan) {
        let Self::Server { base_url, model, key } = self else { return };
        plan.set("modeld", "provider", "openai")
            .set("modeld", "base_url", base_url)
            .set("modeld", "model", model);
        if is_plain_and_remote(base_url) {
            plan.set("modeld", "allow_http", true);
        }
        if let Some(key) = key.as_ref().filter(|_| is_encrypted(base_url)) {
            // A path of a URL ends before its query, and a prefix of paths ends with a slash.
            let place = base_url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            plan.set("modeld", "api_key_secret", SECRET)
                .set(&format!("egressd.secrets.{SECRET}"), "endpoint", format!("{place}/"))
                .credential("egressd", CREDENTIAL, key);
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Rehearsal => {
                "rehearsal: offline, follows plain commands, no intelligence (OPENAI_API_KEY, OLLAMA_HOST: a real one)".into()
            }
            Self::Server { base_url, model, key } => {
                let open = if is_plain_and_remote(base_url) { ", unencrypted" } else { "" };
                let unsent = key.is_some() && !is_encrypted(base_url);
                let unsent = if unsent { "; the key stays here, since it only goes over https" } else { "" };
                format!("{model} at {base_url}{open}{unsent}")
            }
        }
    }
}

/// `OLLAMA_HOST` in all the forms that ollama takes: with or without scheme and port; 0.0.0.0 is for its server.
fn ollama(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let authority = rest.split('/').next().unwrap_or(rest);
    let bracketed = authority.rfind(']').map_or(0, |end| end + 1);
    let tail = authority.get(bracketed..).unwrap_or_default();
    let (name, port) = match tail.rfind(':') {
        Some(colon) => authority.split_at(bracketed + colon),
        None => (authority, ""),
    };
    let port = port.strip_prefix(':').filter(|port| !port.is_empty()).unwrap_or(OLLAMA_PORT);
    let name = match name {
        "" | "0.0.0.0" => "127.0.0.1",
        name => name,
    };
    format!("{scheme}://{name}:{port}/v1")
}

fn is_encrypted(url: &str) -> bool {
    url.starts_with("https://")
}

fn is_plain_and_remote(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let host =
        if authority.starts_with('[') { authority } else { authority.split(':').next().unwrap_or(authority) };
    !(host == "localhost" || host.starts_with("127.") || host.starts_with("[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn from(variables: &[(&str, &str)]) -> Result<Model> {
        let variable =
            |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Model::from(variable, |url, _| {
            if url.contains("nothing") {
                anyhow::bail!("no answer");
            }
            Ok("first".to_owned())
        })
    }

    #[test]
    fn nothing_given_is_the_rehearsal() {
        assert_eq!(from(&[]).unwrap(), Model::Rehearsal);
        assert_eq!(from(&[("OPENAI_API_KEY", " ")]).unwrap(), Model::Rehearsal);
        let mut plan = Plan::bare(Path::new("/u"), Path::new("/b"));
        Model::Rehearsal.enter(&mut plan);
        assert!(plan.settings.is_empty());
    }

    #[test]
    fn a_key_becomes_a_credential_and_nothing_else() {
        let model = from(&[("OPENAI_API_KEY", "sk-1"), ("OPENAI_MODEL", "m")]).unwrap();
        let mut plan = Plan::bare(Path::new("/u"), Path::new("/b"));
        model.enter(&mut plan);
        assert_eq!(plan.credentials["egressd"][CREDENTIAL], "sk-1");
        assert!(!plan.credentials.contains_key("modeld"));
        assert_eq!(plan.settings["egressd.secrets.model"]["endpoint"], "https://api.openai.com/v1/");
        assert!(!serde_json::to_string(&plan.settings).unwrap().contains("sk-1"));
        assert_eq!(plan.settings["modeld"]["base_url"], "https://api.openai.com/v1");
        assert!(!plan.settings["modeld"].contains_key("allow_http"));
        assert!(!model.describe().contains("sk-1"));
    }

    #[test]
    fn a_key_does_not_go_where_it_can_be_read() {
        let model = from(&[("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://box.lan/v1")]).unwrap();
        let mut plan = Plan::bare(Path::new("/u"), Path::new("/b"));
        model.enter(&mut plan);
        assert!(plan.credentials.is_empty() && !plan.settings["modeld"].contains_key("api_key_secret"));
        assert_eq!(
            model.describe(),
            "first at http://box.lan/v1, unencrypted; the key stays here, since it only goes over https"
        );
    }

    #[test]
    fn forms_of_ollama_host() {
        for (host, url) in [
            ("127.0.0.1", "http://127.0.0.1:11434/v1"),
            ("0.0.0.0:11435", "http://127.0.0.1:11435/v1"),
            ("https://box.lan/", "https://box.lan:11434/v1"),
            ("[::1]:1", "http://[::1]:1/v1"),
            ("[::1]", "http://[::1]:11434/v1"),
            (":5", "http://127.0.0.1:5/v1"),
        ] {
            assert_eq!(ollama(host), url, "{host}");
        }
    }

    #[test]
    fn plain_http_is_allowed_only_where_it_was_asked_for() {
        assert!(is_plain_and_remote("http://box.lan:1/v1"));
        for url in ["https://box.lan/v1", "http://127.0.0.1:1/v1", "http://localhost/v1", "http://[::1]:1/v1"]
        {
            assert!(!is_plain_and_remote(url), "{url}");
        }
    }

    #[test]
    fn without_a_name_it_is_the_server_s_first_and_else_an_error_that_says_what_to_do() {
        let model = from(&[("OLLAMA_HOST", "h")]).unwrap();
        assert_eq!(model.describe(), "first at http://h:11434/v1, unencrypted");
        let error = from(&[("OLLAMA_HOST", "nothing")]).unwrap_err().to_string();
        assert!(error.contains("http://nothing:11434/v1") && error.contains("TESTUDO_MODEL"), "{error}");
    }
}

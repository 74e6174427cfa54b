//! `testudo.toml`: one file, a table per daemon, read whole by every daemon.
//!
//! A mistake in any table stops every daemon with exit status 78 and shows all mistakes of the file at once.
//! Start with [`load`]; the shape of each table is in its `read` function; [`reader`] does the work.

pub mod reader;

use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::diagnostic::Diagnostics;
use reader::{Document, Table};

/// Where the file is when nobody says otherwise.
const DEFAULT_DIRECTORY: &str = "/etc/testudo";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[agentd]`
    pub agentd: Agentd,
    /// `[modeld]`
    pub modeld: Modeld,
    /// `[policyd]`
    pub policyd: Policyd,
    /// `[toold]`
    pub toold: Toold,
}

/// How `agentd` runs its loop.
#[derive(Debug, Clone, PartialEq)]
pub struct Agentd {
    /// Most model calls in one turn; 1 to 1000.
    pub max_turns: u32,
}

/// Which model `modeld` asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Modeld {
    /// The provider.
    pub provider: Provider,
    /// The longest that one completion may take.
    pub timeout: Duration,
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
        /// The credential with the key, by its file name; none for servers without one.
        api_key_credential: Option<String>,
        /// Plain HTTP to other than loopback addresses.
        allow_http: bool,
    },
}

/// How `policyd` decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Policyd {
    /// The policy files, all of them in force together.
    pub rules: Vec<PathBuf>,
    /// How long an approval waits for an answer.
    pub approval_ttl: Duration,
}

/// How `toold` acts.
#[derive(Debug, Clone, PartialEq)]
pub struct Toold {
    /// Where sandbox instances answer.
    pub sandbox_socket: PathBuf,
    /// Where the runner that applies change sets answers.
    pub apply_socket: PathBuf,
    /// The longest that one tool call may run.
    pub call_timeout: Duration,
    /// Most bytes of output of one call.
    pub output_limit: u64,
    /// Calls per minute and session that are sustained.
    pub calls_per_minute: u32,
    /// Calls per session that may come at once.
    pub burst: u32,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Diagnostics),
}

/// Reads the file that was named, or the default one, which may be absent.
///
/// # Errors
/// When a file that was named is not there, or a file cannot be read, or has mistakes.
pub fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
    let directory = std::env::var_os("CONFIGURATION_DIRECTORY").unwrap_or_else(|| DEFAULT_DIRECTORY.into());
    let path = named.map_or_else(|| Path::new(&directory).join("testudo.toml"), Path::to_path_buf);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ConfigError::Read { path, source }),
    };
    Ok(parse(&path.display().to_string(), &text)?)
}

/// Parses the text of a file.
///
/// # Errors
/// All mistakes of the text.
pub fn parse(file: &str, text: &str) -> Result<Config, Diagnostics> {
    let document = Document::parse(file, text);
    let root = document.root();
    let config = Config {
        agentd: Agentd::read(&root.table("agentd")),
        modeld: Modeld::read(&root.table("modeld")),
        policyd: Policyd::read(&root.table("policyd")),
        toold: Toold::read(&root.table("toold")),
    };
    root.finish();
    document.conclude()?;
    Ok(config)
}

impl Agentd {
    fn read(table: &Table<'_>) -> Self {
        let max_turns = table.integer("max_turns", 1..=1000).unwrap_or(25);
        table.finish();
        Self { max_turns }
    }
}

impl Modeld {
    fn read(table: &Table<'_>) -> Self {
        let provider = table.word("provider", &["rehearsal", "openai"]);
        let base_url = table.string("base_url");
        let model = table.string("model");
        let api_key_credential = table.string("api_key_credential");
        let allow_http = table.boolean("allow_http");
        let timeout = table.duration("timeout").unwrap_or(Duration::from_mins(5));
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
            if let Some(name) = &api_key_credential
                && (name.is_empty() || name.contains('/') || name.starts_with('.'))
            {
                table.refuse("api_key_credential", "expected the name of a credential, which is not a path");
            }
            Provider::OpenAi {
                base_url: base_url.unwrap_or_default(),
                model: model.unwrap_or_default(),
                api_key_credential,
                allow_http: allow_http.unwrap_or(false),
            }
        } else {
            for (key, given) in [
                ("base_url", base_url.is_some()),
                ("model", model.is_some()),
                ("api_key_credential", api_key_credential.is_some()),
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
        Self { provider, timeout }
    }
}

impl Policyd {
    fn read(table: &Table<'_>) -> Self {
        let rules =
            table.paths("rules").unwrap_or_else(|| vec!["/usr/share/testudo/policies/default.toml".into()]);
        let approval_ttl = table.duration("approval_ttl").unwrap_or(Duration::from_mins(5));
        if approval_ttl.is_zero() {
            table.refuse("approval_ttl", "must be more than 0: nobody could ever answer");
        }
        table.finish();
        Self { rules, approval_ttl }
    }
}

impl Toold {
    fn read(table: &Table<'_>) -> Self {
        let config = Self {
            sandbox_socket: table
                .path("sandbox_socket")
                .unwrap_or_else(|| "/run/testudo/sandbox.sock".into()),
            apply_socket: table.path("apply_socket").unwrap_or_else(|| "/run/testudo/apply.sock".into()),
            call_timeout: table.duration("call_timeout").unwrap_or(Duration::from_mins(1)),
            output_limit: table.size("output_limit").unwrap_or(1 << 20),
            calls_per_minute: table.integer("calls_per_minute", 1..=1_000_000).unwrap_or(600),
            burst: table.integer("burst", 1..=1_000_000).unwrap_or(100),
        };
        table.finish();
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_a_whole_configuration() {
        let config = parse("t", "").unwrap();
        assert_eq!(config.agentd.max_turns, 25);
        assert_eq!(config.modeld.provider, Provider::Rehearsal);
        assert_eq!(config.policyd.approval_ttl, Duration::from_mins(5));
    }

    #[test]
    fn all_mistakes_are_shown_at_once_with_their_places() {
        let text =
            "[agentd]\nmax_turn = 3\n[policyd]\napproval_ttl = \"5\"\n[toold]\nburst = \"x\"\n[auditdd]\n";
        let shown = parse("testudo.toml", text).unwrap_err().to_string();
        for expected in [
            "testudo.toml:2:1: unknown key `max_turn`: did you mean `max_turns`?\n  max_turn = 3\n  ^~~~~~~~",
            "testudo.toml:4:16: unknown unit ``: use ms, s, m or h",
            "testudo.toml:6:9: expected an integer",
            "testudo.toml:7:2: unknown table `auditdd`",
        ] {
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
    }

    #[test]
    fn a_provider_says_what_it_lacks() {
        let shown = parse("t", "[modeld]\nprovider = \"openai\"\n").unwrap_err().to_string();
        assert!(shown.contains("t:1:1: `base_url` is missing"), "{shown}");
        assert!(shown.contains("`model` is missing"), "{shown}");
        let shown = parse("t", "[modeld]\nmodel = \"x\"\n").unwrap_err().to_string();
        assert!(shown.contains("t:2:9: `model` has no effect"), "{shown}");
    }

    #[test]
    fn broken_toml_has_a_place_too() {
        let shown = parse("t", "[agentd\nmax_turns = \n").unwrap_err().to_string();
        assert!(shown.starts_with("t:1:"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "(.|\n){0,200}") {
            let _ = parse("t", &text);
        }

        #[test]
        fn almost_right_text_is_taken_or_refused(
            table in "(agentd|modeld|policyd|toold|x)", key in "[a-z_]{1,12}|max_turns|rules|burst", value in "[0-9]{1,30}|\"[a-z0-9]{0,9}\"|\\[\\]|true"
        ) {
            let _ = parse("t", &format!("[{table}]\n{key} = {value}\n"));
        }
    }
}

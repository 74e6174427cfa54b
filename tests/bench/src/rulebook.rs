//! The same rules for us and for Cedar, and the calls that are decided by them.
//!
//! Of five rules four name a tool, as most rules of a site do, and one is about any tool. In the other kind of book
//! only one rule names a tool, so that nothing but paths tells the rules apart.

use std::fmt::Write as _;

use serde_json::json;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::identity::{Daemon, Principal};

/// How many calls take turns.
const CALLS: usize = 64;

/// What kind of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Most name their tool.
    ByTool,
    /// One does.
    AnyTool,
}

/// Rules in both languages.
pub(crate) struct Rulebook {
    /// As one of our policy files.
    pub(crate) toml: String,
    /// As Cedar policies.
    pub(crate) cedar: String,
    /// Calls of which some are allowed and some denied.
    pub(crate) calls: Vec<Judged>,
}

impl Rulebook {
    /// So many rules.
    pub(crate) fn of(kind: Kind, rules: usize) -> Self {
        let mut book = Self { toml: String::new(), cedar: String::new(), calls: Vec::new() };
        let tools = match kind {
            Kind::ByTool => (rules / 5).max(1),
            Kind::AnyTool => 1,
        };
        for number in 0..rules {
            match kind {
                Kind::ByTool if number / tools < 4 => book.about_tool(number, number % tools, number / tools),
                Kind::AnyTool if number == 0 => book.about_tool(number, 0, 0),
                Kind::ByTool | Kind::AnyTool => book.about_any(number),
            }
        }
        book.calls = (0..CALLS).map(|turn| call(turn * 7 % tools, turn, rules)).collect();
        book
    }

    /// Each tool may write documents and sources, never secrets.
    fn about_tool(&mut self, number: usize, tool: usize, which: usize) {
        let (action, folder, except) = match which {
            0 => ("allow", "docs", None),
            1 => ("allow", "src", Some("src/generated")),
            2 => ("deny", "secret", None),
            _ => ("allow", "notes", None),
        };
        let unless = except.map_or_else(String::new, |path| format!("except = {{ path = \"{path}/**\" }}\n"));
        // Writing to a String cannot fail.
        let _ = write!(
            self.toml,
            "[[rule]]\nname = \"r{number}\"\naction = \"{action}\"\n\
             match = {{ tool = \"t{tool}\", effect = \"write\", path = \"{folder}/**\" }}\n{unless}"
        );
        let verb = if action == "allow" { "permit" } else { "forbid" };
        let unless =
            except.map_or_else(String::new, |path| format!(" unless {{ context.path like \"{path}/*\" }}"));
        let _ = writeln!(
            self.cedar,
            "{verb}(principal, action == Action::\"t{tool}\", resource) \
             when {{ context.effect == \"write\" && context.path like \"{folder}/*\" }}{unless};"
        );
    }

    /// No tool may write or spend in an area of its own.
    fn about_any(&mut self, number: usize) {
        let effect = if number.is_multiple_of(2) { "write" } else { "spend" };
        let _ = write!(
            self.toml,
            "[[rule]]\nname = \"r{number}\"\naction = \"deny\"\n\
             match = {{ effect = \"{effect}\", path = \"area-{number}/**\" }}\n"
        );
        let _ = writeln!(
            self.cedar,
            "forbid(principal, action, resource) \
             when {{ context.effect == \"{effect}\" && context.path like \"area-{number}/*\" }};"
        );
    }
}

/// A call that writes to one of several folders.
fn call(tool: usize, turn: usize, rules: usize) -> Judged {
    let area = turn * 31 % rules;
    let path = match turn % 7 {
        0 | 1 => format!("docs/chapter/{turn}.md"),
        2 => format!("src/module/{turn}.rs"),
        3 => format!("src/generated/{turn}.rs"),
        4 => "secret/key".to_owned(),
        5 => format!("area-{area}/file"),
        _ => format!("elsewhere/{turn}"),
    };
    let action = Action {
        tool: format!("t{tool}"),
        arguments: json!({ "path": path, "content": "a few words that are written" }),
        effect: Effect::Write,
        phase: Phase::Call,
        session: "bench".to_owned(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: None,
    };
    Judged::new(action, "bench")
}

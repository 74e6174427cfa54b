//! Tags: long-lived words of trust on tools and requesters, given by `[[tag]]` tables of policy files.
//!
//! A tool that nobody calls `core` or `trusted` is `third-party`: what is not known is not trusted.

use std::collections::{BTreeMap, BTreeSet};

use testudo::config::reader::Table;

/// Tags that need no `[[tag]]` to be known.
pub const KNOWN: [&str; 3] = ["core", "trusted", "third-party"];

/// One `[[tag]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The word.
    pub name: String,
    tools: BTreeSet<String>,
    requesters: BTreeSet<String>,
}

impl Tag {
    /// Reads one table; nothing when it is not right.
    pub(crate) fn read(table: &Table<'_>) -> Option<Self> {
        let name = table.string("name");
        if name.is_none() {
            table.require("name", "the word that conditions match, such as \"core\"");
        }
        let tools = table.strings("tool");
        let requesters = table.strings("requester");
        if tools.is_none() && requesters.is_none() {
            table.require("tool", "the tools that wear this tag, or `requester` for who asks");
        }
        for requester in requesters.iter().flatten() {
            if !is_requester(requester) {
                table.refuse("requester", "takes `agentd`, `operator` and `operator:NAME`");
            }
        }
        table.finish();
        let set = |words: Option<Vec<String>>| words.unwrap_or_default().into_iter().collect();
        Some(Self { name: name?, tools: set(tools), requesters: set(requesters) })
    }
}

/// Whether a word names who may ask: `agentd`, `operator` or `operator:NAME`.
pub(crate) fn is_requester(word: &str) -> bool {
    matches!(word, "agentd" | "operator")
        || word.strip_prefix("operator:").is_some_and(|name| !name.is_empty())
}

/// All tags of all files: who wears what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tags {
    tools: BTreeMap<String, BTreeSet<String>>,
    requesters: BTreeMap<String, BTreeSet<String>>,
}

/// The tags of one action: of its tool, at least one, and of who asks, perhaps none.
#[derive(Debug)]
pub(crate) struct Worn<'t> {
    pub(crate) tool: BTreeSet<&'t str>,
    pub(crate) requester: BTreeSet<&'t str>,
}

impl Tags {
    pub(crate) fn add(&mut self, tag: &Tag) {
        for (wearers, all) in [(&tag.tools, &mut self.tools), (&tag.requesters, &mut self.requesters)] {
            for wearer in wearers {
                all.entry(wearer.clone()).or_default().insert(tag.name.clone());
            }
        }
    }

    pub(crate) fn worn(&self, tool: &str, requester: &str, person: Option<&str>) -> Worn<'_> {
        let mut tool: BTreeSet<&str> =
            self.tools.get(tool).into_iter().flatten().map(String::as_str).collect();
        if !tool.contains("core") && !tool.contains("trusted") {
            tool.insert("third-party");
        }
        let requester = [Some(requester), person]
            .into_iter()
            .flatten()
            .filter_map(|word| self.requesters.get(word))
            .flatten()
            .map(String::as_str)
            .collect();
        Worn { tool, requester }
    }
}

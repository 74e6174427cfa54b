//! Names of tools on the wire, where a full stop is not allowed: `fs.read` is `fs_read` there.
//!
//! The table is made anew from the tools of each request and is one to one, or the request is refused.
//! What a model makes up is in no table and is passed on as it is: refusing it, with a code and a
//! record, is the business of whoever runs tools.

use testudo::model::ToolSpec;

use crate::provider::ProviderError;

/// The longest name on the wire, in bytes.
const LONGEST: usize = 64;

/// The names of the tools of one request.
#[derive(Debug)]
pub(crate) struct Names {
    pairs: Vec<(String, String)>,
}

impl Names {
    /// The table for `tools`; fails if two of them would have the same name on the wire.
    pub(crate) fn of(tools: &[ToolSpec]) -> Result<Self, ProviderError> {
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(tools.len());
        for tool in tools {
            let wire = on_wire(&tool.name);
            if let Some((first, _)) = pairs.iter().find(|(_, other)| *other == wire) {
                return Err(ProviderError::Names { first: first.clone(), second: tool.name.clone(), wire });
            }
            pairs.push((tool.name.clone(), wire));
        }
        Ok(Self { pairs })
    }

    /// The tool that a model means by `wire`.
    pub(crate) fn tool(&self, wire: &str) -> String {
        self.pairs.iter().find(|(_, other)| other == wire).map_or(wire, |(tool, _)| tool).to_owned()
    }
}

/// `tool` as it may stand on the wire.
pub(crate) fn on_wire(tool: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    tool.chars().take(LONGEST).map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tools(names: &[&str]) -> Vec<ToolSpec> {
        let tool = |name: &&str| ToolSpec {
            name: (*name).into(),
            description: String::new(),
            parameters: json!({}),
        };
        names.iter().map(tool).collect()
    }

    #[test]
    fn names_go_there_and_back() {
        let offered = ["fs.read", "fs.list", "echo", "a-b"];
        let names = Names::of(&tools(&offered)).unwrap();
        for tool in offered {
            assert!(on_wire(tool).chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
            assert_eq!(names.tool(&on_wire(tool)), tool);
        }
        assert_eq!(names.tool("rm_rf"), "rm_rf");
        assert_eq!(names.tool(""), "");
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        assert!(Names::of(&tools(&["fs.read", "fs_read"])).is_err());
        assert!(Names::of(&tools(&["echo", "echo"])).is_err());
    }
}

//! The text of `testudo.toml` from a plan's settings.

use std::fmt::Write as _;

use crate::plan::Plan;

/// The configuration that all daemons of the appliance read.
///
/// Strings, numbers, truth values and lists of them are written in JSON, which is TOML as well.
pub(crate) fn text(plan: &Plan) -> String {
    if let Some(text) = &plan.config_text {
        return text.clone();
    }
    let mut text = String::new();
    for (table, keys) in &plan.settings {
        let _ = writeln!(text, "[{table}]");
        for (key, value) in keys {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn tables_with_strings_that_need_quoting() {
        let mut plan = Plan::bare(Path::new("/u"), Path::new("/b"));
        plan.set("policyd", "approval_ttl", "2s").set("policyd", "rules", [Path::new("/a \"b\"/c.toml")]);
        plan.set("agentd", "max_turns", 3);
        assert_eq!(
            text(&plan),
            "[agentd]\nmax_turns = 3\n[policyd]\napproval_ttl = \"2s\"\nrules = [\"/a \\\"b\\\"/c.toml\"]\n"
        );
        plan.config_text = Some("x".to_owned());
        assert_eq!(text(&plan), "x");
    }
}

//! Rules as they are written: TOML in, compiled rules out, every mistake with its place.

use std::collections::BTreeSet;
use std::time::Duration;

use testudo::config::reader::{Document, Table, Value};
use testudo::diagnostic::{Diagnostic, Diagnostics};
use testudo::verdict::{Verdict, Weight};

use crate::condition::Condition;
use crate::constraint::Constraints;
use crate::judge::Judge;
use crate::matter::{Matter, Reach};
use crate::tag::{KNOWN, Tag};

/// What one policy file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// Its rules.
    pub rules: Vec<Rule>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its rules in plain language.
    pub judges: Vec<Judge>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in reasons and records; unique in its file.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why, in its author's words.
    pub reason: String,
    /// How heavy a yes must be; nothing unless it asks.
    pub approve_by: Option<Weight>,
    /// How long its question stands; nothing unless it asks and says so.
    pub ttl: Option<Duration>,
    when: Condition,
    except: Vec<Condition>,
    constraints: Constraints,
}

/// What a rule makes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opinion {
    /// It is about something else.
    Silent,
    /// It would match, and an exception holds or a constraint is not met.
    Abstains,
    /// It says its verdict.
    Speaks,
}

impl Rule {
    /// The tools that it is about; nothing when it could be about any.
    pub(crate) const fn tools(&self) -> Option<&BTreeSet<String>> {
        self.when.tools.as_ref()
    }

    /// The first segments of paths that it is about; nothing when it could be about any.
    pub(crate) fn starts(&self) -> Option<&BTreeSet<String>> {
        self.when.starts()
    }

    /// What this rule makes of an action.
    pub(crate) fn judge(&self, matter: &Matter<'_>) -> Opinion {
        let (when, except) = match self.verdict {
            Verdict::Allow => (Reach::Every, Reach::Any),
            Verdict::Ask | Verdict::Deny => (Reach::Any, Reach::Every),
        };
        if !self.when.holds(matter, when) {
            Opinion::Silent
        } else if self.except.iter().any(|condition| condition.holds(matter, except))
            || !self.constraints.met(matter.judged)
        {
            Opinion::Abstains
        } else {
            Opinion::Speaks
        }
    }
}

/// A file's rules and the warnings about them.
pub type Checked = (Policy, Vec<Diagnostic>);

/// Reads the rules of one file.
///
/// # Errors
/// All mistakes of the file, and the warnings among them.
pub fn parse(file: &str, text: &str) -> Result<Checked, Diagnostics> {
    let document = Document::parse(file, text);
    let root = document.root();
    let tags: Vec<Tag> = root.tables("tag").iter().filter_map(Tag::read).collect();
    let mut rules: Vec<Rule> = Vec::new();
    for table in root.tables("rule") {
        let Some(rule) = read(&table) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            table.refuse("name", "is taken by an earlier rule of this file");
        }
        for word in rule.conditions().flat_map(Condition::tags) {
            if !KNOWN.contains(&word) && tags.iter().all(|tag| tag.name != word) {
                table.warn(format!("no [[tag]] of this file gives `{word}`"));
            }
        }
        rules.push(rule);
    }
    let mut judges: Vec<Judge> = Vec::new();
    for table in root.tables("judge") {
        let Some(judge) = Judge::read(&table) else { continue };
        if judges.iter().any(|other| other.id == judge.id) {
            table.refuse("id", "is taken by an earlier judge of this file");
        }
        judges.push(judge);
    }
    root.finish();
    let warnings = document.conclude()?;
    Ok((Policy { rules, tags, judges }, warnings))
}

impl Rule {
    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        std::iter::once(&self.when).chain(&self.except)
    }
}

fn read(table: &Table<'_>) -> Option<Rule> {
    for (key, remedy) in [
        ("name", "a short word that reasons and records show"),
        ("match", "the condition, such as { effect = \"read\" }"),
        ("action", "\"allow\", \"ask\" or \"deny\""),
    ] {
        if table.value(key).is_none() {
            table.require(key, remedy);
        }
    }
    let name = table.string("name");
    let verdict = table.word("action", &["allow", "ask", "deny"]).map(|word| verdict(&word));
    let reason = table.string("reason").unwrap_or_default();
    let when =
        table.value("match").and_then(|value| value.table("match")).map(|table| Condition::read(&table));
    let except = exceptions(table, when.as_ref());
    let constraints =
        only_if(table, verdict, Verdict::Allow, "constraints").and_then(|value| value.table("constraints"));
    let weight = only_if(table, verdict, Verdict::Ask, "approve_by").and_then(|_| weight(table));
    let ttl = only_if(table, verdict, Verdict::Ask, "ttl").and_then(|_| table.duration("ttl"));
    let constraints = constraints.map(|table| Constraints::read(&table)).unwrap_or_default();
    table.finish();
    let verdict = verdict?;
    let approve_by = (verdict == Verdict::Ask).then(|| weight.unwrap_or_default());
    Some(Rule { name: name?, verdict, reason, approve_by, ttl, when: when?, except, constraints })
}

/// The value of a key that only rules with one verdict have.
fn only_if<'d>(
    table: &Table<'d>,
    verdict: Option<Verdict>,
    wanted: Verdict,
    key: &'static str,
) -> Option<Value<'d>> {
    let value = table.value(key)?;
    if verdict.is_some_and(|verdict| verdict != wanted) {
        return value.refuse(&format!("`{key}` is for rules that {}", wanted.word()));
    }
    Some(value)
}

/// Exceptions; one that leaves nothing of its rule is warned about where it stands.
fn exceptions(table: &Table<'_>, when: Option<&Condition>) -> Vec<Condition> {
    let mut except = Vec::new();
    for value in table.value("except").map(Value::each).unwrap_or_default() {
        let Some(condition) = value.table("except").map(|table| Condition::read(&table)) else { continue };
        if when == Some(&condition) {
            value.warn("this exception is the same as the match, so the rule never speaks".to_owned());
        } else if condition == Condition::default() {
            value.warn("an exception without keys always holds, so the rule never speaks".to_owned());
        }
        except.push(condition);
    }
    except
}

fn verdict(word: &str) -> Verdict {
    match word {
        "allow" => Verdict::Allow,
        "ask" => Verdict::Ask,
        _ => Verdict::Deny,
    }
}

fn weight(table: &Table<'_>) -> Option<Weight> {
    let word = table.word("approve_by", &Weight::ALL.map(Weight::word))?;
    Weight::ALL.into_iter().find(|weight| weight.word() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shipped_policy_is_right_and_gives_no_warning() {
        let (policy, warnings) =
            parse("default.toml", include_str!("../../../policies/default.toml")).unwrap();
        assert!(policy.rules.len() >= 6);
        assert_eq!(warnings, []);
    }

    #[test]
    fn mistakes_are_all_shown_with_their_places() {
        let text = "[[rule]]\nname = \"a\"\nmatch = { efect = \"read\" }\naction = \"alow\"\n\n[[rule]]\nmatch = { phase = \"cal\" }\n";
        let shown = parse("p.toml", text).unwrap_err().to_string();
        for expected in [
            "p.toml:3:11: unknown key `efect`: did you mean `effect`?",
            "p.toml:4:10: expected one of allow, ask, deny: did you mean `allow`?",
            "p.toml:6:1: `name` is missing",
            "p.toml:6:1: `action` is missing",
            "p.toml:7:19: unknown phase `cal`",
        ] {
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
    }

    /// Every finding about one rule, with its place.
    fn findings(body: &str) -> String {
        let text = format!("[[rule]]\nname = \"a\"\n{body}\n");
        match parse("p.toml", &text) {
            Ok((_, warnings)) => Diagnostics(warnings).to_string(),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn each_mistake_has_a_place_a_caret_and_a_remedy() {
        for (body, expected) in [
            (
                "action = \"alow\"\nmatch = {}",
                "p.toml:3:10: expected one of allow, ask, deny: did you mean `allow`?\n  action = \"alow\"\n           ^~~~~~",
            ),
            (
                "action = \"ask\"\nmatch = { effect = [\"read\", \"spned\"] }",
                "p.toml:4:29: unknown effect `spned`: did you mean `spend`?\n  match = { effect = [\"read\", \"spned\"] }\n                              ^~~~~~~",
            ),
            (
                "action = \"ask\"\nmatch = { paht = \"a\" }",
                "p.toml:4:11: unknown key `paht`: did you mean `path`?",
            ),
            ("action = \"ask\"\nmatch = { path = [\"a\", \"[\"] }", "p.toml:4:24: cannot use the glob `[`"),
            (
                "action = \"ask\"\nmatch = { origin = { to = \"fund\" } }",
                "unknown origin `fund`: did you mean `found`?",
            ),
            ("action = \"ask\"\nmatch = { taint = \"wbe\" }", "unknown source `wbe`: did you mean `web`?"),
            ("action = \"ask\"\nmatch = { requester = \"root\" }", "use agentd, operator, operator:NAME"),
            (
                "action = \"ask\"\nmatch = {}\napprove_by = \"otpp\"",
                "p.toml:5:14: expected one of reaction, reply, otp, local: did you mean `otp`?",
            ),
            (
                "action = \"deny\"\nmatch = {}\napprove_by = \"otp\"",
                "p.toml:5:14: `approve_by` is for rules that ask",
            ),
            ("action = \"allow\"\nmatch = {}\nttl = \"5m\"", "p.toml:5:7: `ttl` is for rules that ask"),
            (
                "action = \"ask\"\nmatch = { flow = \"foriegn\" }",
                "p.toml:4:18: unknown flow `foriegn`: did you mean `foreign`?",
            ),
            (
                "action = \"ask\"\nmatch = {}\nttl = \"5 m\"",
                "p.toml:5:7: unknown unit ` m`: use ms, s, m or h",
            ),
            (
                "action = \"ask\"\nmatch = {}\nconstraints = { token = true }",
                "p.toml:5:15: `constraints` is for rules that allow",
            ),
            (
                "action = \"allow\"\nmatch = {}\nconstraints = { max_sise = \"1\" }",
                "unknown key `max_sise`: did you mean `max_size`?",
            ),
            (
                "action = \"allow\"\nmatch = {}\nconstraints = { sandbox = \"none\" }",
                "expected one of standard",
            ),
            ("action = \"allow\"\nmatch = \"x\"", "p.toml:4:9: expected a table"),
        ] {
            let shown = findings(body);
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
    }

    #[test]
    fn sizes_are_of_the_unit_grammar() {
        let shown = |size: &str| {
            findings(&format!("action = \"allow\"\nmatch = {{}}\nconstraints = {{ max_size = {size} }}"))
        };
        for right in ["\"17\"", "\"64KiB\"", "\"1MB\""] {
            assert_eq!(shown(right), "", "{right}");
        }
        for wrong in ["\"1kib\"", "\"1 KiB\"", "\"1.5KiB\"", "\"-1\"", "\"99999999999GiB\"", "\"\"", "true"] {
            assert!(shown(wrong).contains("p.toml:5:28: "), "{wrong}: {}", shown(wrong));
        }
    }

    #[test]
    fn what_can_never_speak_is_warned_about() {
        for (body, expected) in [
            (
                "match = { tool = \"x\", path = [] }",
                "p.toml:4:30: warning: an empty `path` list matches nothing",
            ),
            ("match = { path = [\"!a\"] }", "warning: a `path` list of exclusions alone matches nothing"),
            ("match = { flow = [] }", "p.toml:4:18: warning: an empty `flow` list matches nothing"),
            ("match = { origin = {} }", "warning: an empty `origin` matches nothing"),
            (
                "match = { origin = { destinaton = \"made\" } }",
                "name of an argument: did you mean `destination`?",
            ),
            ("match = { tag = \"beta\" }", "no [[tag]] of this file gives `beta`"),
            (
                "match = { tool = \"x\", phase = \"call\" }\nexcept = { phase = \"call\", tool = [\"x\"] }",
                "p.toml:5:10: warning: this exception is the same as the match",
            ),
            (
                "match = { tool = \"x\" }\nexcept = [{ tool = \"y\" }, {}]",
                "p.toml:5:27: warning: an exception without keys always holds",
            ),
        ] {
            let shown = findings(&format!("action = \"deny\"\n{body}"));
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
        assert_eq!(findings("action = \"deny\"\nmatch = { tag = \"core\" }"), "");
    }

    #[test]
    fn tags_are_read_or_refused() {
        for (text, expected) in [
            ("[[tag]]\nname = \"a\"\n", "p.toml:1:1: `tool` is missing"),
            ("[[tag]]\ntool = \"x\"\n", "p.toml:1:1: `name` is missing"),
            ("[[tag]]\nname = \"a\"\nrequester = \"bob\"\n", "p.toml:3:13: `requester` takes"),
            ("[[tag]]\nname = \"a\"\ntools = \"x\"\n", "unknown key `tools`: did you mean `tool`?"),
            ("[[tags]]\n", "unknown key `tags`: did you mean `tag`?"),
        ] {
            let shown = parse("p.toml", text).unwrap_err().to_string();
            assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "(.|\n){0,200}") {
            let _ = parse("p", &text);
        }

        #[test]
        fn almost_right_rules_are_taken_or_refused(
            key in "name|match|action|except|reason|x",
            value in "\"[a-z*\\[{]{0,8}\"|\\{ *path *= *\"[a-z*/\\[]{0,8}\" *\\}|\\[\\]|\\[1\\]|3|\\{\\}"
        ) {
            let _ = parse("p", &format!("[[rule]]\nname = \"a\"\n{key} = {value}\n"));
        }
    }
}

//! Rules as they are written: TOML in, compiled rules out, every mistake with its place.

use testudo::action::{Effect, Judged, Phase};
use testudo::config::reader::{Document, Table, Value};
use testudo::diagnostic::{Diagnostic, Diagnostics};
use testudo::identity::Principal;
use testudo::verdict::Verdict;

use crate::pattern::{Patterns, lexical};

/// How many of an action's paths a condition wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One is enough: for what restricts.
    Any,
    /// All of them, and at least one: for what permits.
    Every,
}

/// What an action must be like. An absent key does not matter; present keys must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Condition {
    tools: Option<Vec<String>>,
    effects: Option<Vec<String>>,
    phases: Option<Vec<String>>,
    sessions: Option<Vec<String>>,
    requesters: Option<Vec<String>>,
    paths: Option<Patterns>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in reasons and records; unique.
    pub name: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why, in its author's words.
    pub reason: String,
    when: Condition,
    except: Vec<Condition>,
}

/// What a rule makes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    /// It is about something else.
    Silent,
    /// It would match, and an exception holds.
    Abstains,
    /// It says its verdict.
    Speaks,
}

impl Rule {
    /// What this rule makes of an action.
    pub fn judge(&self, judged: &Judged) -> Opinion {
        // A rule that restricts must not be dodged by one harmless path among harmful ones, nor one that permits
        // be won by it; an exception works the other way round.
        let (when, except) = match self.verdict {
            Verdict::Allow => (Reach::Every, Reach::Any),
            Verdict::Ask | Verdict::Deny => (Reach::Any, Reach::Every),
        };
        if !self.when.holds(judged, when) {
            Opinion::Silent
        } else if self.except.iter().any(|condition| condition.holds(judged, except)) {
            Opinion::Abstains
        } else {
            Opinion::Speaks
        }
    }
}

impl Condition {
    fn holds(&self, judged: &Judged, reach: Reach) -> bool {
        let action = &judged.action;
        let requester = match &action.requester {
            Principal::Daemon(daemon) => daemon.name(),
            Principal::Operator(_) => "operator",
            Principal::Stranger(_) => "stranger",
        };
        let one_of = |words: &Option<Vec<String>>, word: &str| {
            words.as_ref().is_none_or(|words| words.iter().any(|known| known == word))
        };
        one_of(&self.tools, &action.tool)
            && one_of(&self.effects, action.effect.word())
            && one_of(&self.phases, action.phase.word())
            && one_of(&self.sessions, &action.session)
            && one_of(&self.requesters, requester)
            && self.paths.as_ref().is_none_or(|patterns| {
                let paths = paths_of(judged);
                match reach {
                    Reach::Any => paths.iter().any(|path| {
                        patterns.matches(path) || (searches(judged) && patterns.may_match_below(path))
                    }),
                    Reach::Every => !paths.is_empty() && paths.iter().all(|path| patterns.matches(path)),
                }
            })
    }

    fn read(table: &Table<'_>) -> Self {
        let effects: Vec<&str> = Effect::ALL.iter().map(|effect| effect.word()).collect();
        let condition = Self {
            tools: table.strings("tool"),
            effects: words(table, "effect", &effects),
            phases: words(table, "phase", &[Phase::Call.word(), Phase::Apply.word()]),
            sessions: table.strings("session"),
            requesters: words(table, "requester", &["agentd", "operator"]),
            paths: paths(table),
        };
        table.finish();
        condition
    }
}

fn words(table: &Table<'_>, key: &'static str, known: &[&str]) -> Option<Vec<String>> {
    let value = table.value(key)?;
    let words = value.strings()?;
    for word in &words {
        if !known.contains(&word.as_str()) {
            return value.refuse(&format!("unknown {key} `{word}`: use {}", known.join(", ")));
        }
    }
    Some(words)
}

fn paths(table: &Table<'_>) -> Option<Patterns> {
    let value = table.value("path")?;
    let patterns = Patterns::compile(value.strings()?).map_err(|error| value.refuse::<()>(&error)).ok()?;
    if patterns.is_empty() {
        table.warn("an empty `path` list matches nothing, so this condition never holds".into());
    }
    Some(patterns)
}

/// The paths that an action names (before it runs) or changes (before it is applied). A tool that looks into the
/// workspace and names none looks at all of it. Commands name none: what they can see is the sandbox's to say.
fn paths_of(judged: &Judged) -> Vec<String> {
    match judged.action.phase {
        Phase::Apply => judged.changes.iter().map(|change| lexical(&change.path)).collect(),
        Phase::Call => {
            let path = judged.action.arguments.get("path").and_then(|path| path.as_str());
            let whole = judged.action.tool.starts_with("fs.") || searches(judged);
            path.map(lexical).or_else(|| whole.then(String::new)).into_iter().collect()
        }
    }
}

/// Whether the action looks at everything below its path.
fn searches(judged: &Judged) -> bool {
    judged.action.phase == Phase::Call && judged.action.tool.starts_with("search.")
}

/// Rules and the warnings about them.
pub type Checked = (Vec<Rule>, Vec<Diagnostic>);

/// Reads the rules of one file.
///
/// # Errors
/// All mistakes of the file, and the warnings among them.
pub fn parse(file: &str, text: &str) -> Result<Checked, Diagnostics> {
    let document = Document::parse(file, text);
    let root = document.root();
    let mut rules: Vec<Rule> = Vec::new();
    for table in root.tables("rule") {
        let Some(rule) = read(&table) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            table.refuse("name", "is taken by an earlier rule of this file");
        }
        rules.push(rule);
    }
    root.finish();
    let warnings = document.conclude()?;
    Ok((rules, warnings))
}

fn read(table: &Table<'_>) -> Option<Rule> {
    let name = table.string("name");
    let action = table.word("action", &["allow", "ask", "deny"]);
    let reason = table.string("reason").unwrap_or_default();
    let when = table.value("match").map(|value| value.table("match"));
    let except = table.value("except").map(Value::each).unwrap_or_default();
    for (key, missing, remedy) in [
        ("name", table.value("name").is_none(), "a short word that reasons and records show"),
        ("match", table.value("match").is_none(), "the condition, such as { effect = \"read\" }"),
        ("action", table.value("action").is_none(), "\"allow\", \"ask\" or \"deny\""),
    ] {
        if missing {
            table.require(key, remedy);
        }
    }
    let when = when.flatten().map(|condition| Condition::read(&condition));
    let except: Vec<Condition> = except
        .into_iter()
        .filter_map(|value| value.table("except"))
        .map(|condition| Condition::read(&condition))
        .collect();
    table.finish();
    let when = when?;
    if except.contains(&when) {
        table.warn("an exception is the same as the match, so this rule never speaks".into());
    }
    let verdict = match action?.as_str() {
        "allow" => Verdict::Allow,
        "ask" => Verdict::Ask,
        _ => Verdict::Deny,
    };
    Some(Rule { name: name?, verdict, reason, when, except })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_shipped_policy_is_right_and_gives_no_warning() {
        let (rules, warnings) =
            parse("default.toml", include_str!("../../../policies/default.toml")).unwrap();
        assert!(rules.len() >= 6);
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

    #[test]
    fn rules_that_can_never_speak_are_warned_about() {
        let text = "[[rule]]\nname = \"a\"\naction = \"deny\"\nmatch = { tool = \"x\", path = [] }\n[[rule]]\nname = \"b\"\naction = \"deny\"\nmatch = { tool = \"x\", phase = \"call\" }\nexcept = { phase = \"call\", tool = [\"x\"] }\n";
        let (_, warnings) = parse("p.toml", text).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
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

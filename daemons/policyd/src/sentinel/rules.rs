//! Which rules a judge is asked about an action, and what its word is worth.
//!
//! Pure. A judge's word only ever becomes *ask* or *deny*; what a judge allows, it has nothing against.

use testudo::action::Judged;
use testudo::verdict::{Reason, Verdict};
use testudo_policy::index::RuleSet;
use testudo_policy::judge::Mode;
use testudo_policy::pattern::lexical;

use super::prompt::Writer;
use super::verdict::{Failure, Spoken};

/// The id of the workspace's rule. No rule of a policy file can have it.
pub const SECURITY_MD: &str = "SECURITY.md";
/// Longest `SECURITY.md` that is judged by, in bytes.
pub const LONGEST: usize = 32 * 1024;

/// A rule that is about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its name in reasons and records.
    pub id: String,
    /// What the judge is asked; or why nobody can know.
    pub question: Result<String, Failure>,
    /// Who wrote it.
    pub writer: Writer,
    mode: Mode,
    reason: String,
}

impl Asked {
    /// What comes of a verdict, or, as `failing`, of a failure; nothing when there is nothing against the action.
    pub fn reason(&self, outcome: &Result<Spoken, Failure>, failing: Verdict) -> Option<Reason> {
        let (verdict, said) = match outcome {
            Ok(spoken) => (spoken.decision, format!("the judge says \"{}\"", spoken.explanation)),
            Err(failure) => (failing.stricter(Verdict::Ask), failure.to_string()),
        };
        let verdict = match (verdict, self.mode, outcome) {
            (Verdict::Allow, ..) => return None,
            // Its author left the no to a person. A guard that failed where no person is stays a no.
            (Verdict::Deny, Mode::Ask, Ok(_)) => Verdict::Ask,
            (verdict, ..) => verdict,
        };
        let text = if self.reason.is_empty() { said } else { format!("{}: {said}", self.reason) };
        Some(Reason { rule: self.id.clone(), verdict, text })
    }
}

/// The rules of files that could tighten the decision on this action.
pub fn of_files(
    rules: &RuleSet,
    judged: &Judged,
    leaning: Verdict,
    off: impl Fn(&str) -> bool,
) -> Vec<Asked> {
    let judges = rules.judges_of(judged).into_iter().filter(|judge| {
        let switched_off = judge.disableable && off(&judge.id);
        !switched_off && could_tighten(judge.mode, leaning)
    });
    judges
        .map(|judge| Asked {
            id: judge.id.clone(),
            question: Ok(judge.question.clone()),
            writer: Writer::Operator,
            mode: judge.mode,
            reason: judge.reason.clone(),
        })
        .collect()
}

/// The rule of the workspace, if there is one and it could tighten the decision. It can do no more than ask.
pub fn of_workspace(text: &Result<String, String>, leaning: Verdict) -> Option<Asked> {
    if !could_tighten(Mode::Ask, leaning) || text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
        return None;
    }
    let question = match text {
        Ok(text) if text.len() > LONGEST => {
            Err(Failure::Unread(format!("they are longer than {LONGEST} bytes")))
        }
        Ok(text) => Ok(text.clone()),
        Err(why) => Err(Failure::Unread(why.clone())),
    };
    Some(Asked {
        id: SECURITY_MD.to_owned(),
        question,
        writer: Writer::Workspace,
        mode: Mode::Ask,
        reason: "the workspace's own rules".to_owned(),
    })
}

/// What an application that changes the workspace's rules is told without asking a judge: a person must see it, since
/// what is judged next is judged by the changed ones.
pub fn changes_security_md(judged: &Judged) -> Option<Reason> {
    let changed = judged.changes.iter().any(|change| lexical(&change.path) == SECURITY_MD);
    changed.then(|| Reason {
        rule: SECURITY_MD.to_owned(),
        verdict: Verdict::Ask,
        text: "it changes the workspace's own rules".to_owned(),
    })
}

fn could_tighten(mode: Mode, leaning: Verdict) -> bool {
    let most = match mode {
        Mode::Ask => Verdict::Ask,
        Mode::Block => Verdict::Deny,
    };
    leaning < most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentinel::verdict::Risk;
    use serde_json::json;
    use testudo::action::{Action, Effect, Phase};
    use testudo::identity::Principal;
    use testudo_policy::rule;

    fn judged(tool: &str) -> Judged {
        let action = Action {
            tool: tool.into(),
            arguments: json!({}),
            effect: Effect::Execute,
            phase: Phase::Call,
            session: "main".into(),
            requester: Principal::Operator("root".into()),
            change_set: None,
        };
        Judged::new(action, "c-1")
    }

    fn rules() -> RuleSet {
        let text = "[[judge]]\nid = \"asks\"\ntrigger = \"always\"\nquestion = \"?\"\nmode = \"ask\"\nreason = \"r\"\n\
            [[judge]]\nid = \"blocks\"\ntrigger = { tool = \"shell.run\" }\nquestion = \"?\"\nmode = \"block\"\n\
            [[judge]]\nid = \"may-be-off\"\ntrigger = \"always\"\nquestion = \"?\"\nmode = \"block\"\ndisableable = true\n";
        RuleSet::new([rule::parse("t", text).unwrap().0])
    }

    fn ids(asked: &[Asked]) -> Vec<&str> {
        asked.iter().map(|asked| asked.id.as_str()).collect()
    }

    #[test]
    fn only_what_could_tighten_is_asked() {
        use Verdict::{Allow, Ask, Deny};
        let asked = |tool, leaning| of_files(&rules(), &judged(tool), leaning, |_| false);
        assert_eq!(ids(&asked("shell.run", Allow)), ["asks", "blocks", "may-be-off"]);
        assert_eq!(ids(&asked("echo", Allow)), ["asks", "may-be-off"]);
        assert_eq!(ids(&asked("shell.run", Ask)), ["blocks", "may-be-off"]);
        assert_eq!(ids(&asked("shell.run", Deny)), [""; 0]);
    }

    #[test]
    fn only_what_may_be_switched_off_can_be() {
        let all_off = of_files(&rules(), &judged("shell.run"), Verdict::Allow, |_| true);
        assert_eq!(ids(&all_off), ["asks", "blocks"]);
    }

    #[test]
    fn the_word_of_a_judge_is_worth_what_its_rule_says() {
        use Verdict::{Allow, Ask, Deny};
        let said = |decision| Ok(Spoken { decision, explanation: "e".into(), risk: Risk::Low });
        let failed = || Err(Failure::Late);
        let all = of_files(&rules(), &judged("shell.run"), Allow, |_| false);
        let [asks, blocks, _] = all.as_slice() else { panic!("{all:?}") };
        let table = [
            (asks, said(Allow), Ask, None),
            (asks, said(Ask), Ask, Some(Ask)),
            (asks, said(Deny), Ask, Some(Ask)),
            (asks, said(Deny), Deny, Some(Ask)),
            (asks, failed(), Ask, Some(Ask)),
            (asks, failed(), Deny, Some(Deny)),
            (blocks, said(Allow), Ask, None),
            (blocks, said(Ask), Ask, Some(Ask)),
            (blocks, said(Deny), Ask, Some(Deny)),
            (blocks, failed(), Ask, Some(Ask)),
            (blocks, failed(), Deny, Some(Deny)),
            (blocks, failed(), Allow, Some(Ask)),
        ];
        for (rule, outcome, failing, expected) in table {
            let verdict = rule.reason(&outcome, failing).map(|reason| reason.verdict);
            assert_eq!(verdict, expected, "{} {outcome:?} {failing:?}", rule.id);
        }
        assert_eq!(asks.reason(&said(Deny), Ask).unwrap().text, "r: the judge says \"e\"");
    }

    #[test]
    fn who_changes_the_workspaces_rules_is_seen() {
        let changing = |path: &str| {
            let change = json!({"path": path, "kind": "delete", "size": 0, "mode": null, "sha256": null, "target": null});
            Judged { changes: vec![serde_json::from_value(change).unwrap()], ..judged("fs.write") }
        };
        for path in ["SECURITY.md", "./SECURITY.md", "a/../SECURITY.md"] {
            assert_eq!(changes_security_md(&changing(path)).unwrap().verdict, Verdict::Ask, "{path}");
        }
        assert_eq!(changes_security_md(&changing("docs/SECURITY.md")), None);
    }

    #[test]
    fn the_workspace_can_only_ask() {
        let deny = Ok(Spoken { decision: Verdict::Deny, explanation: String::new(), risk: Risk::High });
        let rule = of_workspace(&Ok("never".into()), Verdict::Allow).unwrap();
        assert_eq!(rule.reason(&deny, Verdict::Deny).unwrap().verdict, Verdict::Ask);
        assert_eq!(of_workspace(&Ok("never".into()), Verdict::Ask), None);
        assert_eq!(of_workspace(&Ok(" \n".into()), Verdict::Allow), None);
        for unread in [Ok("x".repeat(LONGEST + 1)), Err("it is a folder".into())] {
            let rule = of_workspace(&unread, Verdict::Allow).unwrap();
            let outcome = Err(rule.question.clone().unwrap_err());
            assert_eq!(rule.reason(&outcome, Verdict::Ask).unwrap().verdict, Verdict::Ask);
        }
    }
}

//! The decision itself: pure, without a clock and without I/O.
//!
//! Strictest wins. Within a layer every rule is heard, so the order of rules cannot change the answer; a denial by
//! the built-in rules ends it, everything else goes on to the policy files. A lease can turn their *ask* into an
//! allow, and nothing else.

use std::collections::BTreeSet;

use testudo::action::{Action, Effect, Judged, Phase};
use testudo::approval::Approval;
use testudo::identity::Principal;
use testudo::verdict::{Decision, Layer, Reason, Verdict};

use crate::builtin;
use crate::rule::{Opinion, Rule};

/// What a person allowed for a whole session: the shape of an action without its arguments.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    session: String,
    requester: Principal,
    tool: String,
    phase: Phase,
    effect: Effect,
}

impl Lease {
    /// The lease that an action falls under.
    pub fn of(action: &Action) -> Self {
        Self {
            session: action.session.clone(),
            requester: action.requester.clone(),
            tool: action.tool.clone(),
            phase: action.phase,
            effect: action.effect,
        }
    }

    /// The lease that a yes for the session gives.
    pub fn given_by(approval: &Approval) -> Self {
        Self {
            session: approval.session.clone(),
            requester: approval.requester.clone(),
            tool: approval.tool.clone(),
            phase: approval.phase,
            effect: approval.effect,
        }
    }
}

/// Decides. `digest` is the action's own.
pub fn decide(rules: &[Rule], leases: &BTreeSet<Lease>, judged: &Judged, digest: String) -> Decision {
    let mut reasons = builtin::reasons(judged);
    let builtin = strictest(&reasons);
    if builtin == Some(Verdict::Deny) {
        return Decision {
            verdict: Verdict::Deny,
            layer: Layer::Builtin,
            reasons,
            abstained: Vec::new(),
            digest,
            approval: None,
        };
    }
    let mut abstained = Vec::new();
    let mut spoken = Vec::new();
    for rule in rules {
        match rule.judge(judged) {
            Opinion::Silent => {}
            Opinion::Abstains => abstained.push(rule.name.clone()),
            Opinion::Speaks => spoken.push(Reason {
                rule: rule.name.clone(),
                verdict: rule.verdict,
                text: rule.reason.clone(),
            }),
        }
    }
    // In the order of names, so that two files read in another order give the same answer to the last byte.
    spoken.sort_by(|a, b| a.rule.cmp(&b.rule));
    abstained.sort();
    let ruled = strictest(&spoken);
    reasons.extend(spoken);
    let (verdict, layer) = match (builtin, ruled) {
        (_, None) => (Verdict::Deny, Layer::Default),
        (None, Some(Verdict::Ask)) if leases.contains(&Lease::of(&judged.action)) => {
            reasons.push(Reason {
                rule: "lease".into(),
                verdict: Verdict::Allow,
                text: "a person allowed this kind of action for this session".into(),
            });
            (Verdict::Allow, Layer::Lease)
        }
        (None, Some(ruled)) => (ruled, Layer::Rules),
        (Some(builtin), Some(ruled)) => {
            (ruled.stricter(builtin), if ruled > builtin { Layer::Rules } else { Layer::Builtin })
        }
    };
    if layer == Layer::Default {
        reasons.push(Reason {
            rule: "default".into(),
            verdict: Verdict::Deny,
            text: "no rule allows this".into(),
        });
    }
    Decision { verdict, layer, reasons, abstained, digest, approval: None }
}

fn strictest(reasons: &[Reason]) -> Option<Verdict> {
    reasons.iter().map(|reason| reason.verdict).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule;
    use proptest::prelude::*;
    use serde_json::json;
    use testudo::change::ChangeSummary;
    use testudo::label::Labels;

    fn judged(tool: &str, phase: Phase, paths: &[&str]) -> Judged {
        Judged {
            action: Action {
                tool: tool.into(),
                arguments: serde_json::json!({ "path": paths.first().copied().unwrap_or_default() }),
                effect: Effect::Write,
                phase,
                session: "main".into(),
                requester: Principal::Daemon(testudo::identity::Daemon::Agentd),
                change_set: (phase == Phase::Apply).then(|| "00".into()),
            },
            call: "c-1".into(),
            taint: Labels::default(),
            changes: paths
                .iter()
                .map(|path| ChangeSummary {
                    path: (*path).into(),
                    kind: "add".into(),
                    size: 0,
                    mode: Some(0o644),
                    sha256: None,
                    target: None,
                })
                .collect(),
            diff: None,
            hidden: None,
        }
    }

    /// `allow t`, `deny t a/**`, `ask t a/** except a/tests/**` … one rule a line.
    fn rules(lines: &[&str]) -> Vec<Rule> {
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let path =
                |at: usize| words.get(at).map(|path| format!(", path = \"{path}\"")).unwrap_or_default();
            let except = words
                .iter()
                .position(|word| *word == "except")
                .map(|at| format!("except = [{{ path = \"{}\" }}]\n", words[at + 1]))
                .unwrap_or_default();
            let path = if words.get(2) == Some(&"except") { String::new() } else { path(2) };
            text.push_str(&format!(
                "[[rule]]\nname = \"r{index}\"\naction = \"{}\"\nmatch = {{ tool = \"{}\"{path} }}\n{except}\n",
                words[0], words[1]
            ));
        }
        rule::parse("t", &text).unwrap().0
    }

    fn verdict(lines: &[&str], judged: &Judged) -> Verdict {
        decide(&rules(lines), &BTreeSet::new(), judged, String::new()).verdict
    }

    #[test]
    fn the_strictest_rule_wins_and_silence_denies() {
        use Verdict::{Allow, Ask, Deny};
        let call = judged("t", Phase::Call, &["a/x"]);
        let table: &[(&[&str], Verdict)] = &[
            (&[], Deny),
            (&["allow other"], Deny),
            (&["allow t"], Allow),
            (&["allow t", "deny t"], Deny),
            (&["deny t", "allow t"], Deny),
            (&["allow t", "ask t"], Ask),
            (&["ask t a/** except a/x"], Deny),
            (&["ask t a/** except a/x", "allow t"], Allow),
            (&["ask t a/** except a/y"], Ask),
            (&["allow t b/**"], Deny),
            (&["allow t", "deny t b/**"], Allow),
        ];
        for (lines, expected) in table {
            assert_eq!(verdict(lines, &call), *expected, "{lines:?}");
        }
    }

    #[test]
    fn one_path_is_enough_to_restrict_and_all_are_needed_to_permit() {
        use Verdict::{Allow, Ask, Deny};
        let both = judged("t", Phase::Apply, &["docs/a", "secret/b"]);
        let table: &[(&[&str], Verdict)] = &[
            (&["allow t docs/**"], Deny),
            (&["allow t **"], Allow),
            (&["allow t", "deny t secret/**"], Deny),
            (&["ask t ** except docs/**"], Ask),
            (&["allow t ** except secret/**"], Deny),
            (&["allow t", "deny t x/../secret/**"], Allow),
        ];
        for (lines, expected) in table {
            assert_eq!(verdict(lines, &both), *expected, "{lines:?}");
        }
        let dodging = judged("t", Phase::Apply, &["docs/../secret/b"]);
        assert_eq!(verdict(&["allow t", "deny t secret/**"], &dodging), Deny);
    }

    #[test]
    fn a_search_cannot_look_past_a_rule_for_what_lies_below() {
        let rules = rules(&["allow search.grep", "deny search.grep secret/**"]);
        let decided = |arguments: serde_json::Value| {
            let mut call = judged("search.grep", Phase::Call, &[]);
            call.action.arguments = arguments;
            decide(&rules, &BTreeSet::new(), &call, String::new()).verdict
        };
        for denied in [json!({}), json!({ "path": "." }), json!({ "path": "//workspace/secret/key" })] {
            assert_eq!(decided(denied.clone()), Verdict::Deny, "{denied}");
        }
        assert_eq!(decided(json!({ "path": "src" })), Verdict::Allow);
    }

    #[test]
    fn built_in_rules_outrank_every_rule_and_lease() {
        for path in [".testudo/journal", "a/../.testudo/x", "../x", "/etc/passwd", ""] {
            let judged = judged("t", Phase::Apply, &["fine", path]);
            let leases = BTreeSet::from([Lease::of(&judged.action)]);
            let decision = decide(&rules(&["allow t"]), &leases, &judged, String::new());
            assert_eq!((decision.verdict, decision.layer), (Verdict::Deny, Layer::Builtin), "{path}");
        }
        let mut unbound = judged("t", Phase::Apply, &["fine"]);
        unbound.action.change_set = None;
        assert_eq!(verdict(&["allow t"], &unbound), Verdict::Deny);
    }

    #[test]
    fn a_lease_answers_a_question_and_lifts_no_denial() {
        let call = judged("t", Phase::Call, &["a"]);
        let leases = BTreeSet::from([Lease::of(&call.action)]);
        for (lines, expected) in [
            (&["ask t"][..], (Verdict::Allow, Layer::Lease)),
            (&["ask t", "deny t"], (Verdict::Deny, Layer::Rules)),
            (&[], (Verdict::Deny, Layer::Default)),
        ] {
            let decision = decide(&rules(lines), &leases, &call, String::new());
            assert_eq!((decision.verdict, decision.layer), expected, "{lines:?}");
        }
        for other in [judged("u", Phase::Call, &["a"]), judged("t", Phase::Apply, &["a"])] {
            let decision = decide(&rules(&["ask t", "ask u"]), &leases, &other, String::new());
            assert_eq!(decision.verdict, Verdict::Ask);
        }
    }

    #[test]
    fn every_rule_that_spoke_is_named() {
        let decision = decide(
            &rules(&["ask t", "ask t a"]),
            &BTreeSet::new(),
            &judged("t", Phase::Call, &["a"]),
            "d".into(),
        );
        assert_eq!(decision.reasons.len(), 2);
        assert_eq!(decision.digest, "d");
    }

    proptest! {
        #[test]
        fn order_never_matters(order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle(), path in "(a|b|a/b|../c)") {
            let lines =
                ["allow t", "ask t a", "deny t b", "ask t ** except a", "allow t a/**", "ask u", "allow u", "deny t c"];
            let shuffled: Vec<&str> = order.iter().map(|index| lines[*index]).collect();
            let call = judged("t", Phase::Apply, &[&path]);
            prop_assert_eq!(verdict(&lines, &call), verdict(&shuffled, &call));
        }
    }
}

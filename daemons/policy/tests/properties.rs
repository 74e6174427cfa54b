//! What holds for any rules and any action.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

mod scene;

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use scene::{apply, call};
use testudo::action::{Effect, Judged};
use testudo::flow::Finding;
use testudo::verdict::{Decision, Layer, Reason, Verdict};
use testudo_policy::engine::Hearing;
use testudo_policy::index::RuleSet;
use testudo_policy::rule::{self, Policy};

use Verdict::{Allow, Ask, Deny};

/// One rule as it is written, without its name.
#[derive(Debug, Clone)]
struct Written {
    action: Verdict,
    when: String,
    except: Vec<String>,
}

impl Written {
    fn text(&self, name: &str) -> String {
        let except: Vec<String> = self.except.iter().map(|condition| format!("{{ {condition} }}")).collect();
        format!(
            "[[rule]]\nname = \"{name}\"\naction = \"{}\"\nmatch = {{ {} }}\nexcept = [{}]\n",
            self.action.word(),
            self.when,
            except.join(", ")
        )
    }
}

fn condition() -> impl Strategy<Value = String> {
    let key = |words: &'static [&'static str]| proptest::option::weighted(0.3, select(words));
    (
        key(&["tool = \"t\"", "tool = [\"u\", \"t\"]", "tool = \"u\""]),
        key(&[
            "path = \"a/**\"",
            "path = \"**\"",
            "path = [\"b\", \"!b/c\"]",
            "path = \"*.md\"",
            "path = []",
        ]),
        key(&["effect = \"read\"", "effect = [\"write\", \"message\"]", "effect = \"message\""]),
        key(&["phase = \"call\"", "phase = \"apply\""]),
        key(&["flow = \"foreign\"", "flow = \"*\"", "private = true", "private = false"]),
    )
        .prop_map(|(tool, path, effect, phase, flow)| {
            [tool, path, effect, phase, flow].into_iter().flatten().collect::<Vec<_>>().join(", ")
        })
}

fn written() -> impl Strategy<Value = Written> {
    let except = proptest::collection::vec(condition(), 0..3);
    (select(vec![Allow, Ask, Deny]), condition(), except).prop_map(|(action, when, except)| Written {
        action,
        when,
        except,
    })
}

fn many() -> impl Strategy<Value = Vec<Written>> {
    proptest::collection::vec(written(), 0..7)
}

fn judged() -> impl Strategy<Value = Judged> {
    let paths = select(vec!["a/x", "a", "b", "b/c", "c.md", "d", "a/../b", "/etc/hosts"]);
    let effects = subsequence(vec![Effect::Read, Effect::Write, Effect::Message], 0..=2);
    let findings = subsequence(vec!["foreign", "made-up"], 0..=2);
    (
        select(vec!["t", "u", "v"]),
        proptest::collection::vec(paths, 1..3),
        effects,
        findings,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(tool, paths, effects, findings, private, applies)| {
            let paths: Vec<&str> =
                paths.into_iter().filter(|path| !applies || !path.starts_with('/')).collect();
            let mut judged = if applies {
                apply(tool, &paths)
            } else {
                call(tool, paths.first().copied().unwrap_or_default())
            };
            judged.declaration.effects = effects.into_iter().collect();
            judged.flow.findings = findings
                .into_iter()
                .map(|word| Finding { word: word.into(), text: "because".into() })
                .collect();
            judged.taint.private = private;
            judged
        })
}

fn spoken(layer: &'static str) -> impl Strategy<Value = Vec<Reason>> {
    let verdict = select(vec![Allow, Ask, Deny]);
    proptest::collection::vec(verdict, 0..4).prop_map(move |verdicts| {
        let numbered = verdicts.into_iter().enumerate();
        numbered
            .map(|(at, verdict)| Reason { rule: format!("{layer}{at}"), verdict, text: String::new() })
            .collect()
    })
}

fn policy(text: &str) -> Policy {
    rule::parse("p.toml", text).unwrap().0
}

fn set(rules: &[Written]) -> RuleSet {
    let text: Vec<String> = rules.iter().enumerate().map(|(at, rule)| rule.text(&format!("r{at}"))).collect();
    scene::rules(&text.concat())
}

/// All layers that can speak, in their order.
fn heard(
    judged: &Judged,
    rules: &RuleSet,
    extension: Vec<Reason>,
    lease: bool,
    sentinel: Vec<Reason>,
) -> Decision {
    let open = Hearing::open(judged, "d".into()).and_then(|hearing| hearing.rules(rules, judged));
    match open.and_then(|hearing| hearing.hear(Layer::Extension, extension)) {
        Err(decision) => *decision,
        Ok(hearing) => hearing.lease(lease.then_some("a person allowed it")).sentinel(sentinel).conclude(),
    }
}

fn plain(judged: &Judged, rules: &RuleSet) -> Decision {
    heard(judged, rules, Vec::new(), false, Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn neither_the_order_of_rules_nor_of_files_nor_of_exceptions_matters(
        judged in judged(), rules in many(), keys in proptest::collection::vec(any::<u64>(), 7), files in 1..4usize,
    ) {
        let mut shuffled: Vec<(usize, Written)> = rules.iter().cloned().enumerate().collect();
        shuffled.sort_by_key(|(at, _)| keys[*at]);
        let mut texts = vec![String::new(); files];
        for (at, mut rule) in shuffled {
            rule.except.reverse();
            let file = usize::try_from(keys[at] % u64::try_from(files).unwrap()).unwrap();
            texts[file].push_str(&rule.text(&format!("r{at}")));
        }
        let other = RuleSet::new(texts.iter().map(|text| policy(text)));
        prop_assert_eq!(plain(&judged, &set(&rules)), plain(&judged, &other));
    }

    #[test]
    fn the_order_within_a_layer_does_not_matter(
        judged in judged(), rules in many(), said in spoken("x"), order in any::<u64>(),
    ) {
        let rules = set(&rules);
        let mut other = said.clone();
        other.sort_by_key(|reason| reason.rule.len() as u64 ^ order.rotate_left(u32::from(reason.rule.as_bytes()[1])));
        prop_assert_eq!(
            heard(&judged, &rules, said, false, Vec::new()),
            heard(&judged, &rules, other, false, Vec::new())
        );
    }

    #[test]
    fn a_denying_rule_never_allows_more(judged in judged(), rules in many(), mut one in written(), at in any::<Index>()) {
        one.action = Deny;
        let before = plain(&judged, &set(&rules)).verdict;
        let mut more = rules.clone();
        more.insert(at.index(rules.len() + 1), one);
        prop_assert!(plain(&judged, &set(&more)).verdict >= before);
    }

    #[test]
    fn an_asking_rule_never_makes_an_allow(judged in judged(), rules in many(), mut one in written(), lease in any::<bool>()) {
        one.action = Ask;
        let before = plain(&judged, &set(&rules)).verdict;
        let mut more = rules.clone();
        more.push(one);
        let after = plain(&judged, &set(&more)).verdict;
        prop_assert!(before == Allow || after != Allow);
        // Only a person who gave a lease for this very shape makes one of an ask.
        if after == Deny {
            prop_assert_eq!(heard(&judged, &set(&more), Vec::new(), lease, Vec::new()).verdict, Deny);
        }
    }

    #[test]
    fn what_is_allowed_was_allowed_by_somebody(
        judged in judged(), rules in many(), said in spoken("x"), lease in any::<bool>(), sentinel in spoken("s"),
    ) {
        let decision = heard(&judged, &set(&rules), said, lease, sentinel);
        if decision.verdict == Allow {
            let by = decision.reasons.iter().any(|reason| reason.verdict == Allow && !reason.rule.starts_with('s'));
            prop_assert!(by, "{:?}", decision.reasons);
            prop_assert!(lease || decision.reasons.iter().all(|reason| reason.verdict == Allow));
        }
    }

    #[test]
    fn every_rule_that_matches_is_in_the_answer(judged in judged(), rules in many()) {
        let together = plain(&judged, &set(&rules));
        for (at, rule) in rules.iter().enumerate() {
            let alone = plain(&judged, &scene::rules(&rule.text("r")));
            let name = format!("r{at}");
            let speaks = alone.reasons.iter().any(|reason| reason.rule == "r");
            prop_assert_eq!(together.reasons.iter().any(|reason| reason.rule == name), speaks, "{}", &name);
            let abstains = alone.abstained.contains(&"r".to_owned());
            prop_assert_eq!(together.abstained.contains(&name), abstains, "{}", &name);
            prop_assert!(!(speaks && abstains));
        }
    }

    #[test]
    fn a_lease_never_lifts_a_denial(judged in judged(), rules in many(), said in spoken("x")) {
        let rules = set(&rules);
        let without = heard(&judged, &rules, said.clone(), false, Vec::new());
        let with = heard(&judged, &rules, said, true, Vec::new());
        match without.verdict {
            Deny => prop_assert_eq!(with.verdict, Deny),
            Ask | Allow => prop_assert_eq!(with.verdict, Allow),
        }
    }

    #[test]
    fn the_sentinel_only_tightens(
        judged in judged(), rules in many(), said in spoken("x"), lease in any::<bool>(), sentinel in spoken("s"),
    ) {
        let rules = set(&rules);
        let without = heard(&judged, &rules, said.clone(), lease, Vec::new()).verdict;
        let strictest = sentinel.iter().map(|reason| reason.verdict).max().unwrap_or(Allow);
        let with = heard(&judged, &rules, said, lease, sentinel).verdict;
        prop_assert_eq!(with, without.max(strictest));
    }

    #[test]
    fn an_extension_only_adds(judged in judged(), rules in many(), said in spoken("x")) {
        let rules = set(&rules);
        let without = plain(&judged, &rules);
        let with = heard(&judged, &rules, said, false, Vec::new());
        // Where no rule spoke an extension may be the one that allows; where one did it can only be stricter.
        if without.layer != Layer::Default {
            prop_assert!(with.verdict >= without.verdict);
            prop_assert!(without.reasons.iter().all(|reason| with.reasons.contains(reason)));
        }
    }

    #[test]
    fn nothing_lifts_a_builtin_denial(rules in many(), mut judged in judged(), token in any::<bool>(), lease in any::<bool>()) {
        judged.action.arguments["path"] = "/etc/testudo/x".into();
        let decision = scene::decide(&judged, token, &set(&rules), Vec::new, lease);
        prop_assert_eq!((decision.verdict, decision.layer), (Deny, Layer::Builtin));
    }
}

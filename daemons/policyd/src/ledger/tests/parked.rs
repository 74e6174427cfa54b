//! What a yes that was given while nobody waited is still good for.

use testudo::flow::Finding;
use testudo::label::Source;

use super::*;

fn asks(rule: &str) -> Reason {
    Reason { rule: rule.into(), verdict: Verdict::Ask, text: String::new() }
}

fn finding(word: &str) -> Finding {
    Finding { word: word.into(), text: String::new() }
}

fn sources(words: &[&str]) -> Labels {
    Labels { sources: words.iter().map(|word| Source::of_word(word)).collect(), private: false }
}

#[test]
fn a_parked_yes_is_for_what_was_known_when_it_was_asked_for() {
    let (_directory, ledger) = ledger();
    let mut known = Judged { taint: sources(&["mail"]), ..judged(None) };
    known.flow.findings = vec![finding("w")];
    let asked = Decision { reasons: vec![asks("r"), asks("s")], ..decision(&known) };
    let watch = Watch { route: None, parked: true };
    let (entry, _) = ledger.ask(&known, &asked, Asking { watch: &watch, ..asking(":1.7", 0) }).unwrap();
    let id = entry.approval.id;
    let found = |judged: &Judged, decision: &Decision| ledger.answered(judged, decision, 2).unwrap();
    assert_eq!(found(&known, &asked), None, "nobody said yes yet");
    let _ = ledger.approve(&id, YES, 1).unwrap();
    assert_eq!(found(&known, &asked), Some(id.clone()));

    // Less speaks against it, or more whose authors the owner answers for.
    let fewer = Decision { reasons: vec![asks("s")], ..asked.clone() };
    assert_eq!(found(&judged(None), &fewer), Some(id.clone()));
    let own = Judged { taint: sources(&["mail", "model", "system"]), ..known.clone() };
    assert_eq!(found(&own, &asked), Some(id.clone()));

    let more = |change: fn(&mut Judged)| {
        let mut judged = known.clone();
        change(&mut judged);
        judged
    };
    for judged in [
        more(|judged| judged.taint = sources(&["mail", "web:a"])),
        more(|judged| judged.taint.private = true),
        more(|judged| judged.flow.findings.push(finding("v"))),
        more(|judged| judged.hidden = Some("too long".into())),
        more(|judged| judged.diff = Some("-a".into())),
    ] {
        assert_eq!(found(&judged, &asked), None, "{judged:?}");
    }
    for decision in [
        Decision { approve_by: Weight::Otp, ..asked.clone() },
        Decision { reasons: vec![asks("t")], ..asked.clone() },
        Decision { layer: Layer::Builtin, ..asked.clone() },
        Decision { layer: Layer::Sentinel, ..asked.clone() },
    ] {
        assert_eq!(found(&known, &decision), None, "{decision:?}");
    }
}

//! What a change would do, for people: what loosens stands first, since that is what an attacker wants.

use testudo::verdict::{Verdict, Weight};
use testudo_policy::replay::report::{Changed, Report};
use testudo_policy::replay::{Mark, Outcome};

use crate::paint::Paint;
use crate::render::diff;
use crate::screen;

/// The whole report.
pub(super) fn show(report: &Report, width: Option<usize>, paint: Paint) -> String {
    let mut out = diff::show(&report.diff, "", 0, width, paint);
    for finding in &report.findings {
        out.push_str(&format!("{}\n", screen::lines(finding)));
    }
    out.push_str(&format!("{}\n", tally(report)));
    for changed in &report.changed {
        out.push_str(&line(changed, paint));
    }
    out
}

fn tally(report: &Report) -> String {
    let left_out = match report.left_out {
        0 => String::new(),
        count => format!(" ({count} more were too long to be kept)"),
    };
    format!(
        "{}: {} rules would decide. Of the last {} decisions{left_out}, {} loosen, {} break, {} tighten.",
        screen::line(&report.name),
        report.rules,
        report.replayed,
        report.loosening,
        report.breaking,
        report.tightening
    )
}

fn line(changed: &Changed, paint: Paint) -> String {
    let change = &changed.change;
    let mark = match change.mark {
        Mark::Loosening => paint.red("loosening "),
        Mark::Breaking => paint.yellow("breaking  "),
        Mark::Tightening => paint.dim("tightening"),
    };
    let rules = |outcome: &Outcome| {
        let settled = outcome.reasons.iter().filter(|reason| reason.verdict == outcome.verdict);
        let names: Vec<String> = settled.map(|reason| screen::line(&reason.rule)).collect();
        if names.is_empty() { "no rule".to_owned() } else { names.join(", ") }
    };
    format!(
        "  {mark} {} → {}  {} {} ({}, session {}, {}; before: {}; after: {})\n",
        word(&change.before),
        word(&change.after),
        screen::line(&changed.tool),
        screen::line(&changed.arguments),
        screen::line(&changed.phase),
        screen::line(&changed.session),
        screen::line(&changed.at),
        rules(&change.before),
        rules(&change.after),
    )
}

fn word(outcome: &Outcome) -> String {
    match (outcome.verdict, outcome.approve_by) {
        (Verdict::Ask, weight) if weight != Weight::default() => format!("ask ({})", weight.word()),
        (verdict, _) => verdict.word().to_owned(),
    }
}

/// What to do next, when a question was asked.
pub(super) fn next(report: &Report) -> Option<String> {
    let id = screen::line(report.approval.as_deref()?);
    let phrase =
        report.phrase.as_deref().map_or_else(String::new, |phrase| format!(" --phrase \"{phrase}\""));
    Some(format!("{id} waits for an answer: testudoctl approve {id}{phrase}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo_policy::replay::Change;

    fn sample() -> Report {
        let outcome = |verdict| Outcome { verdict, approve_by: Weight::Reply, reasons: Vec::new() };
        Report {
            name: "mine".into(),
            ok: true,
            rules: 7,
            replayed: 3,
            loosening: 1,
            changed: vec![Changed {
                change: Change {
                    mark: Mark::Loosening,
                    before: outcome(Verdict::Deny),
                    after: outcome(Verdict::Allow),
                },
                at: "then".into(),
                was: Verdict::Deny,
                session: "main".into(),
                call: "c-1".into(),
                tool: "fs.read".into(),
                phase: "call".into(),
                arguments: "{\"path\":\"\u{202e}x\"}".into(),
            }],
            ..Report::default()
        }
    }

    #[test]
    fn every_changed_outcome_is_a_line_and_nothing_hides_in_it() {
        let shown = show(&sample(), None, Paint::new(false));
        assert!(
            shown.contains(
                "mine: 7 rules would decide. Of the last 3 decisions, 1 loosen, 0 break, 0 tighten."
            )
        );
        assert!(shown.contains("loosening  deny → allow  fs.read"), "{shown}");
        assert!(!shown.contains('\u{202e}'), "{shown}");
    }

    #[test]
    fn the_phrase_stands_in_the_command_that_answers() {
        let mut report = sample();
        assert_eq!(next(&report), None);
        report.approval = Some("a-3".into());
        assert_eq!(next(&report).unwrap(), "a-3 waits for an answer: testudoctl approve a-3");
        report.phrase = Some("I break 6 decisions".into());
        assert!(next(&report).unwrap().ends_with("approve a-3 --phrase \"I break 6 decisions\""));
    }
}

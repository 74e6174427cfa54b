//! The question to a person: everything that a yes would be a yes to.

use jiff::Timestamp;
use testudo::action::Phase;
use testudo::approval::{Approval, State};
use testudo::change::ChangeSummary;

use crate::paint::Paint;
use crate::render::{arguments, clock, diff, gutter};
use crate::screen;

const BAR: &str = "│ ";
const INDENT: usize = 2;

/// The whole question.
pub fn card(approval: &Approval, now: Timestamp, width: Option<usize>, paint: Paint) -> String {
    let bar = paint.yellow(BAR);
    let says = |text: &str| gutter::Gutter::new(bar.clone(), INDENT, width).whole(text);
    let mut out = String::new();
    let title = format!("{} {}", paint.yellow("╭─ approval"), paint.bold(&screen::line(&approval.id)));
    out.push_str(&format!("{title}\n"));
    out.push_str(&says(&headline(approval)));
    out.push_str(&arguments::full(&approval.arguments, &bar, INDENT, width, paint));
    for reason in &approval.reasons {
        let text = format!("{}: {}", screen::line(&reason.rule), screen::line(&reason.text));
        out.push_str(&says(&format!("why     {text}")));
    }
    for change in &approval.changes {
        out.push_str(&gutter::exact([changed(change)], &bar, INDENT, width, |_, part| paint.cyan(part)));
    }
    if let Some(text) = approval.diff.as_deref().filter(|text| !text.is_empty()) {
        out.push_str(&format!("{}\n", bar.trim_end()));
        out.push_str(&diff::show(text, &bar, INDENT, width, paint));
        out.push_str(&format!("{}\n", bar.trim_end()));
    }
    let digest: String = approval.digest.chars().take(12).collect();
    out.push_str(&says(&format!(
        "session {} · asked by {} · expires {} · digest {}",
        screen::line(&approval.session),
        screen::line(&approval.requester.to_string()),
        clock::until(&approval.expires_at, now),
        screen::line(&digest),
    )));
    if !approval.approvable {
        out.push_str(&says("It cannot be shown whole, so it cannot be approved: only no is possible."));
    }
    out.push_str(&format!("{}\n", paint.yellow("╰─")));
    out
}

/// What would happen, in a few words.
pub fn headline(approval: &Approval) -> String {
    let tool = screen::line(&approval.tool);
    let effect = approval.effect.word();
    match approval.phase {
        Phase::Apply => {
            let count = approval.changes.len();
            let files = if count == 1 { "1 path".to_owned() } else { format!("{count} paths") };
            format!("{tool} wants to change {files} of the workspace (apply · {effect})")
        }
        Phase::Call => format!("{tool} wants to run (call · {effect})"),
    }
}

/// One changed path.
pub fn changed(change: &ChangeSummary) -> String {
    let (path, kind) = (screen::line(&change.path), screen::line(&change.kind));
    let target =
        change.target.as_deref().map_or_else(String::new, |target| format!(" -> {}", screen::line(target)));
    let size = match (change.sha256.is_some(), change.size) {
        (false, _) => String::new(),
        (true, 1) => "1 byte".to_owned(),
        (true, size) => format!("{size} bytes"),
    };
    let mode = change.mode.map_or_else(String::new, |mode| format!("mode {mode:04o}"));
    let facts: Vec<String> = [size, mode].into_iter().filter(|fact| !fact.is_empty()).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) };
    format!("{kind:<7} {path}{target}{facts}")
}

/// How it ended, in one line.
pub fn settled(id: &str, state: State, answer: Option<&str>, paint: Paint) -> String {
    let id = screen::line(id);
    let why = answer
        .filter(|text| !text.is_empty())
        .map_or_else(String::new, |text| format!(": {}", screen::line(text)));
    match state {
        State::Approved | State::Redeemed => paint.green(&format!("✓ {id} approved{why}")),
        State::Denied => paint.red(&format!("✗ {id} denied{why}")),
        State::Expired => paint.red(&format!("✗ {id} expired, which is a no")),
        State::Withdrawn => paint.dim(&format!("✗ {id} withdrawn{why}")),
        State::Pending => paint.yellow(&format!("… {id} waits")),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use testudo::action::Effect;
    use testudo::identity::{Daemon, Principal};
    use testudo::verdict::{Reason, Verdict};

    pub(crate) fn sample() -> Approval {
        Approval {
            id: "a-1".into(),
            digest: "3f2a91b2c4d5e6f7".into(),
            session: "main".into(),
            tool: "fs.write".into(),
            arguments: json!({"path": "notes/a.txt", "content": "hi"}),
            reasons: vec![Reason {
                rule: "confirm-changes".into(),
                verdict: Verdict::Ask,
                text: "this changes files of the workspace".into(),
            }],
            requested_at: "2026-01-01T00:00:00Z".into(),
            expires_at: "2026-01-01T00:05:00Z".into(),
            phase: Phase::Apply,
            effect: Effect::Write,
            requester: Principal::Daemon(Daemon::Agentd),
            call: "c-1".into(),
            changes: vec![ChangeSummary {
                path: "notes/a.txt".into(),
                kind: "add".into(),
                size: 2,
                mode: Some(0o644),
                sha256: Some("00".into()),
                target: None,
            }],
            diff: Some(
                "--- /dev/null\n+++ b/notes/a.txt\n@@ -0,0 +1 @@\n+hi\n\\ No newline at end of file\n".into(),
            ),
            approvable: true,
            light: false,
            state: State::Pending,
            answer: None,
        }
    }

    #[test]
    fn a_card_says_everything() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let shown = card(&sample(), now, None, Paint::new(false));
        assert_eq!(
            shown,
            "\
╭─ approval a-1
│ fs.write wants to change 1 path of the workspace (apply · write)
│ content \"hi\"
│ path    \"notes/a.txt\"
│ why     confirm-changes: this changes files of the workspace
│ add     notes/a.txt (2 bytes, mode 0644)
│
│ --- /dev/null
│ +++ b/notes/a.txt
│ @@ -0,0 +1 @@
│ +hi
│ \\ No newline at end of file
│
│ session main · asked by agentd · expires in 5 min · digest 3f2a91b2c4d5
╰─
"
        );
    }

    #[test]
    fn a_hostile_action_cannot_draw_its_own_card() {
        let mut approval = sample();
        let hostile = "x\r\n╰─\n\x1b[2J✓ a-1 approved";
        approval.tool = hostile.into();
        approval.arguments = json!({hostile: hostile});
        approval.changes[0].path = hostile.into();
        approval.diff = Some(hostile.into());
        approval.reasons[0].text = hostile.into();
        let shown = card(&approval, "2026-01-01T00:00:00Z".parse().unwrap(), Some(40), Paint::new(false));
        let inside = &shown.lines().collect::<Vec<_>>()[1..shown.lines().count() - 1];
        assert!(inside.iter().all(|line| line.starts_with('│')), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\r']), "{shown}");
    }

    #[test]
    fn what_cannot_be_shown_whole_says_so() {
        let mut approval = sample();
        approval.approvable = false;
        let shown = card(&approval, "2026-01-01T00:00:00Z".parse().unwrap(), None, Paint::new(false));
        assert!(shown.contains("only no is possible"), "{shown}");
    }
}

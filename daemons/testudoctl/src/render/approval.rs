//! The question to a person: everything that a yes would be a yes to.

use jiff::Timestamp;
use testudo::action::Phase;
use testudo::approval::{Approval, Outcome, Scope, Section, State};
use testudo::change::ChangeSummary;
use testudo::latent::runs_later;
use testudo::verdict::Weight;

use crate::paint::Paint;
use crate::render::{clock, diff, gutter};
use crate::screen;

const BAR: &str = "│ ";
/// Columns of the bar and of the heading behind it.
const INDENT: usize = 2;
const HEADING: usize = 8;

/// The whole question, in the words of `policyd`; only the layout is ours.
pub fn card(approval: &Approval, now: Timestamp, width: Option<usize>, paint: Paint) -> String {
    let bar = paint.yellow(BAR);
    let mut out = format!("{} {}\n", paint.yellow("╭─ approval"), paint.bold(&screen::line(&approval.id)));
    for section in &approval.rendering {
        out.push_str(&laid_out(section, &bar, width, paint));
    }
    let digest: String = approval.digest.chars().take(12).collect();
    let last =
        format!("expires {} · digest {}", clock::until(&approval.expires_at, now), screen::line(&digest));
    out.push_str(&gutter::Gutter::new(bar, INDENT, width).whole(&last));
    out.push_str(&format!("{}\n", paint.yellow("╰─")));
    out
}

/// One section: a diff between two empty lines, anything else behind its heading.
fn laid_out(section: &Section, bar: &str, width: Option<usize>, paint: Paint) -> String {
    let heading = screen::brief(&section.heading, HEADING - 1);
    if heading == "diff" {
        let (blank, text) = (bar.trim_end(), section.lines.join("\n"));
        return format!("{blank}\n{}{blank}\n", diff::show(&text, bar, INDENT, width, paint));
    }
    let prefix = format!("{bar}{}", " ".repeat(HEADING));
    let indent = INDENT + HEADING;
    let body: String = if matches!(heading.as_str(), "what" | "changes") {
        let lines = section.lines.iter().map(|line| screen::source_line(line));
        let colour = |part: &str| if heading == "changes" { paint.cyan(part) } else { part.to_owned() };
        gutter::exact(lines, &prefix, indent, width, |_, part| colour(part))
    } else {
        let lines = section.lines.iter();
        lines.map(|line| gutter::Gutter::new(prefix.clone(), indent, width).whole(line)).collect()
    };
    let warns = heading == "beware";
    let heading = format!("{heading:<HEADING$}");
    let heading = if warns { paint.red(&heading) } else { paint.bold(&heading) };
    match body.strip_prefix(&prefix) {
        Some(rest) => format!("{bar}{heading}{rest}"),
        None => body,
    }
}

/// What a person can type as an answer.
pub fn keys(approval: &Approval) -> String {
    let lasting = approval.scopes.contains(&Scope::Session);
    let yes = match (approval.approvable, approval.cut, approval.approve_by) {
        (false, ..) => None,
        (_, true, _) => Some("w the whole of it"),
        (_, _, Weight::Otp) if lasting => Some("y CODE once · s CODE session"),
        (_, _, Weight::Otp) => Some("y CODE once"),
        _ if lasting => Some("y once · s session"),
        _ => Some("y once"),
    };
    let part = (yes.is_some() && !approval.cut && approval.phase == Phase::Plan).then_some("1-3 only these");
    let typed = if wants_phrase(approval) { Some("the phrase") } else { yes };
    typed.into_iter().chain(part).chain(["n [reason]"]).collect::<Vec<_>>().join(" · ")
}

/// Whether a change of the policy breaks so much that a yes must type what its question shows.
fn wants_phrase(approval: &Approval) -> bool {
    let says = |line: &String| line.contains("a yes must type: ");
    approval.tool == "policy.update"
        && !approval.cut
        && approval.rendering.iter().any(|section| section.lines.iter().any(says))
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
    let from = change.from.as_deref().map_or_else(String::new, |from| format!("{} -> ", screen::line(from)));
    let later = runs_later(&change.path).filter(|_| !matches!(change.kind.as_str(), "delete" | "rmdir"));
    let later = later.map_or_else(String::new, |reason| format!("  ! {reason}"));
    format!("{kind:<7} {from}{path}{target}{facts}{later}")
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

/// How a person's answer was taken, in one line.
pub fn answered(outcome: &Outcome, paint: Paint) -> String {
    let lasts = match outcome.scope {
        None | Some(Scope::Once) => String::new(),
        Some(Scope::Session) => " for this session".to_owned(),
        Some(Scope::Until) => " for a time".to_owned(),
        Some(Scope::Always) => " for always".to_owned(),
    };
    let lease = outcome.lease.as_deref();
    let lease = lease.map_or_else(String::new, |id| format!(" ({})", screen::line(id)));
    match outcome.state {
        State::Approved | State::Redeemed => {
            paint.green(&format!("✓ {} approved{lasts}{lease}", screen::line(&outcome.id)))
        }
        other => settled(&outcome.id, other, outcome.reason.as_deref(), paint),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use testudo::action::{Effect, Phase};
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
                ..ChangeSummary::default()
            }],
            diff: Some(
                "--- /dev/null\n+++ b/notes/a.txt\n@@ -0,0 +1 @@\n+hi\n\\ No newline at end of file\n".into(),
            ),
            approvable: true,
            light: false,
            approve_by: Weight::Reply,
            scopes: Scope::ALL.to_vec(),
            calls: 1,
            route: None,
            parked: false,
            origins: std::collections::BTreeMap::new(),
            rendering: [
                (
                    "what",
                    &["fs.write wants to change 1 path", "content \"hi\"", "path    \"notes/a.txt\""][..],
                ),
                ("changes", &["add     notes/a.txt (2 bytes, mode 0644)"]),
                ("diff", &["--- /dev/null", "+++ b/notes/a.txt", "@@ -0,0 +1 @@", "+hi"]),
                ("undo", &["by removing what is new"]),
                ("why", &["confirm-changes: this changes files of the workspace"]),
            ]
            .map(|(heading, lines)| Section {
                heading: heading.into(),
                lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            })
            .to_vec(),
            cut: false,
            seen: "00".into(),
            state: State::Pending,
            answer: None,
        }
    }

    fn shown(approval: &Approval, width: Option<usize>) -> String {
        card(approval, "2026-01-01T00:00:00Z".parse().unwrap(), width, Paint::new(false))
    }

    #[test]
    fn a_card_says_everything() {
        assert_eq!(
            shown(&sample(), None),
            "\
╭─ approval a-1
│ what    fs.write wants to change 1 path
│         content \"hi\"
│         path    \"notes/a.txt\"
│ changes add     notes/a.txt (2 bytes, mode 0644)
│
│ --- /dev/null
│ +++ b/notes/a.txt
│ @@ -0,0 +1 @@
│ +hi
│
│ undo    by removing what is new
│ why     confirm-changes: this changes files of the workspace
│ expires in 5 min · digest 3f2a91b2c4d5
╰─
"
        );
    }

    #[test]
    fn nothing_draws_its_own_card() {
        let mut approval = sample();
        let hostile = "x\r\n╰─\n\x1b[2J✓ a-1 approved";
        for section in &mut approval.rendering {
            section.lines = vec![hostile.into(), format!("{}{hostile}", " ".repeat(200))];
        }
        let shown = shown(&approval, Some(40));
        let inside = &shown.lines().collect::<Vec<_>>()[1..shown.lines().count() - 1];
        assert!(inside.iter().all(|line| line.starts_with('│')), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\r']), "{shown}");
    }

    #[test]
    fn the_keys_are_those_that_work() {
        let mut approval = sample();
        assert_eq!(keys(&approval), "y once · s session · n [reason]");
        approval.approve_by = Weight::Otp;
        assert_eq!(keys(&approval), "y CODE once · s CODE session · n [reason]");
        approval.cut = true;
        assert_eq!(keys(&approval), "w the whole of it · n [reason]");
        approval.approvable = false;
        assert_eq!(keys(&approval), "n [reason]");
        let once = Approval { scopes: vec![Scope::Once], ..sample() };
        assert_eq!(keys(&once), "y once · n [reason]");
    }
}

use testudo::approval::Approval;
use testudo::identity::{Daemon, Principal};
use testudo::verdict::{Reason, Verdict};

use super::*;
use crate::approval::judging::tests::prompt;
use crate::approval::prompt::Place;

pub(crate) fn approval() -> Approval {
    let section = |heading: &str, lines: &[&str]| Section {
        heading: heading.into(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    Approval {
        id: "a-7".into(),
        digest: "d1".into(),
        session: "m-1".into(),
        tool: "fs.write".into(),
        arguments: serde_json::json!({"path": "a.txt"}),
        reasons: vec![Reason { rule: "r".into(), verdict: Verdict::Ask, text: "t".into() }],
        requested_at: "2027-01-15T08:00:40Z".into(),
        expires_at: "2027-01-15T08:05:00Z".into(),
        phase: testudo::action::Phase::Apply,
        effect: testudo::action::Effect::Write,
        requester: Principal::Daemon(Daemon::Agentd),
        call: "c-1".into(),
        changes: Vec::new(),
        diff: None,
        approvable: true,
        light: false,
        approve_by: Weight::Reply,
        scopes: Scope::ALL.to_vec(),
        calls: 1,
        origins: std::collections::BTreeMap::new(),
        rendering: vec![
            section("what", &["fs.write wants to change 1 path", "path \"a.txt\" ← the model"]),
            section("diff", &["--- /dev/null", "+++ b/a.txt", "@@ -0,0 +1 @@", "+<b>hi</b> & bye"]),
            section("why", &["confirm-changes: this changes files"]),
        ],
        cut: false,
        seen: "s1".into(),
        route: None,
        parked: false,
        state: testudo::approval::State::Pending,
        answer: None,
    }
}

fn look(approval: &Approval, prompt: &Prompt) -> Look {
    question(approval, prompt, &seeds(prompt, false), escaped)
}

#[test]
fn a_question_shows_what_the_diff_where_it_came_from_its_end_and_its_code() {
    let look = look(&approval(), &prompt());
    assert_eq!(
        look.body,
        "⛨ TESTUDO ASKS · a-7 · until 2027-01-15 08:02:40 UTC\n\
         \nwhat\n  fs.write wants to change 1 path\n  path \"a.txt\" ← the model\n\
         \ndiff\n  --- /dev/null\n  +++ b/a.txt\n  @@ -0,0 +1 @@\n  +<b>hi</b> & bye\n\
         \nwhy\n  confirm-changes: this changes files\n\
         \nYes: write `yes K7QM`, `session K7QM`, `for 2h K7QM`, `always K7QM`.\n\
         No: ❌, or write `no K7QM` and why.\n"
    );
    assert!(look.html.contains("<pre><code class=\"language-diff\">--- /dev/null\n"), "{}", look.html);
    assert!(look.html.contains("+&lt;b&gt;hi&lt;/b&gt; &amp; bye"));
    assert!(look.html.contains("<code>yes K7QM</code>"));
}

#[test]
fn without_the_control_html_of_others_stands_in_the_room() {
    let raw = question(&approval(), &prompt(), &[], str::to_owned);
    assert!(raw.html.contains("<b>hi</b>"));
}

#[test]
fn reactions_are_seeded_only_where_they_count() {
    let light = Prompt { light: true, approve_by: Weight::Reaction, ..prompt() };
    let otp = Prompt { approve_by: Weight::Otp, ..prompt() };
    let once = Prompt { scopes: vec![Scope::Once], ..light.clone() };
    let hidden = Prompt { approvable: false, ..light.clone() };
    let amendment = Prompt { is_amendment: true, ..prompt() };
    let typed = Prompt { phrase: Some("I break 6 decisions".into()), is_amendment: true, ..light.clone() };
    for (prompt, trust, expected) in [
        (&prompt(), false, vec![Sign::No]),
        (&prompt(), true, vec![Sign::Once, Sign::Session, Sign::No]),
        (&otp, true, vec![Sign::No]),
        (&light, false, vec![Sign::Once, Sign::Session, Sign::No]),
        (&once, false, vec![Sign::Once, Sign::No]),
        (&hidden, true, vec![Sign::No]),
        (&amendment, true, vec![Sign::No]),
        (&typed, true, vec![Sign::No]),
    ] {
        assert_eq!(seeds(prompt, trust), expected);
    }
    assert!(
        look(&approval(), &light).body.contains("Yes: ✅ once, 🔁 for this session, or write `yes K7QM`")
    );
    assert!(look(&approval(), &otp).body.contains("`yes K7QM 123456`"));
    assert!(!look(&approval(), &hidden).body.contains("`yes"));
}

#[test]
fn a_question_that_wants_a_phrase_says_exactly_what_to_type() {
    let mut asked = approval();
    asked.tool = testudo::approval::AMENDMENT.to_owned();
    asked.arguments = serde_json::json!({ "phrase": "I break 6 decisions" });
    let place = Place { is_own: false, ..prompt().place };
    let wanting = |weight| {
        Prompt::new(&Approval { approve_by: weight, ..asked.clone() }, place.clone(), prompt().code, false, 1)
    };
    let ways = |weight| {
        let look = look(&asked, &wanting(weight));
        assert!(look.body.contains("\nfor the policy of all sessions\n"), "{}", look.body);
        look.body.lines().filter(|line| line.starts_with("Yes:")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ways(Weight::Reply), ["Yes: write `yes K7QM I break 6 decisions`, to the letter."]);
    assert_eq!(
        ways(Weight::Otp),
        [
            "Yes: write `yes K7QM I break 6 decisions 123456`, to the letter, with your one-time code for 123456."
        ]
    );
    assert_eq!(
        ways(Weight::Local),
        ["Yes: only at the machine, with testudoctl approve a-7 --local --phrase \"I break 6 decisions\"."]
    );
    let read = crate::approval::answer::parse("yes K7QM I break 6 decisions");
    assert!(
        matches!(read, Some(crate::approval::answer::Answer::Yes(yes)) if yes.phrase == wanting(Weight::Reply).phrase)
    );
    // A tool with an argument of this name wants nothing typed.
    assert_eq!(Approval { tool: "fs.write".into(), ..asked.clone() }.phrase(), None);
}

#[test]
fn no_value_looks_like_the_header_or_an_answer() {
    let forged = "⛨ TESTUDO ASKS · a-8 · until never\n\nYes: write `yes 2222`.";
    let mut asked = approval();
    for section in &mut asked.rendering {
        section.lines.push(forged.to_owned());
    }
    asked.session = forged.to_owned();
    let elsewhere = Prompt { place: Place { is_own: false, ..prompt().place }, ..prompt() };
    let look = look(&asked, &elsewhere);
    let own = |line: &&str| !line.starts_with("  ");
    assert_eq!(look.body.lines().filter(own).filter(|line| line.starts_with(MARK)).count(), 1);
    assert_eq!(look.body.lines().filter(own).filter(|line| line.starts_with("Yes:")).count(), 1);
    assert_eq!(look.html.matches(MARK).count(), 1);
    assert_eq!(file(&asked).matches(MARK).count(), 1);
    assert_eq!(defused(forged).matches(MARK).count(), 0);
}

#[test]
fn what_is_too_long_stands_whole_in_a_file() {
    let mut long = approval();
    long.rendering[1].lines = (0..2000).map(|number| format!("+line {number} <&\"'>")).collect();
    long.rendering[0].lines.push("x".repeat(100_000));
    assert!(!fits(&long) && fits(&approval()));
    let prompt = Prompt { in_file: true, ..prompt() };
    let look = look(&long, &prompt);
    assert!(look.body.len() + look.html.len() <= MOST, "{} + {}", look.body.len(), look.html.len());
    assert!(look.body.contains("lines more") && look.body.contains("bytes more"));
    assert!(look.body.contains("The whole of it is in a-7.txt"));
    let whole = file(&long);
    assert!(whole.contains("+line 1999 <&\"'>") && whole.contains(&"x".repeat(100_000)));
}

#[test]
fn a_question_says_whose_it_is_where_the_room_does_not() {
    let elsewhere = Prompt { place: Place { is_own: false, ..prompt().place }, ..prompt() };
    let job = Approval { parked: true, session: "nightly".into(), ..approval() };
    assert!(look(&approval(), &elsewhere).body.contains("\nfor the session m-1\n"));
    assert!(look(&job, &elsewhere).body.contains("\nfor the unattended job nightly\n"));
    assert!(!look(&approval(), &prompt()).body.contains("for the session"));
}

#[test]
fn an_ended_prompt_has_its_outcome_and_no_code() {
    let look = ended(&prompt(), "❌ denied by matrix @ann:home.org: <b>", escaped);
    assert_eq!(look.body, "⛨ a-7 · ❌ denied by matrix @ann:home.org: <b>\n  shell.run wants to run");
    assert!(look.html.contains("&lt;b&gt;") && !look.body.contains("K7QM"));
}

#[test]
fn a_file_name_is_harmless() {
    assert_eq!(file_name("a-7"), "a-7.txt");
    assert_eq!(file_name("../../etc/passwd"), "etcpasswd.txt");
}

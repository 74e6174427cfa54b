//! A change of the policy that breaks much, answered from a room: with its phrase, to the letter, or not at all.

use matrix_sdk::ruma::OwnedRoomId;
use serde_json::{Value, json};
use tempfile::TempDir;
use testudo_appliance::Plan;
use testudo_tests::text;
use tokio::task::block_in_place;

use testudo_talk::human::Human;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MARK, MEMBER, Talk};
use testudo_talk::timeline::Seen;

const PHRASE: &str = "I break 6 decisions";

/// A change that waits, and would deny what was allowed six times.
struct Amended {
    talk: Talk,
    ann: Human,
    room: OwnedRoomId,
    question: Seen,
    code: String,
    _folder: TempDir,
}

impl Amended {
    async fn with(change: impl FnOnce(&mut Plan)) -> Self {
        let talk = Talk::with(Synapse::start(), "reply", change);
        let (ann, room) = talk.owner().await;
        talk.greeted(&ann, &room).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quiet.toml");
        let rule =
            "[[rule]]\nname = \"quiet\"\naction = \"deny\"\nmatch = { tool = \"echo\" }\nreason = \"no\"\n";
        std::fs::write(&file, rule).unwrap();
        // The greeting was one, too.
        for _ in 0..5 {
            assert_eq!(echo(&talk), "allow");
        }
        let mark = ann.timeline.mark();
        let said = talk.ctl(&["policy", "update", &file.display().to_string(), "--json"]);
        assert_eq!(said.status, 0, "{said:?}");
        assert_eq!(said.json()["phrase"], PHRASE, "{said:?}");
        let is_question = |seen: &Seen| {
            seen.is_message() && seen.sender == talk.bot.as_str() && seen.body().starts_with(MARK)
        };
        let question = ann.timeline.after(mark, "the question about the policy", is_question).await;
        assert!(question.sealed && question.room == room.as_str(), "{question:?}");
        // A no can be given whatever a yes wants.
        let code = question.body().split("write `no ").nth(1).and_then(|rest| rest.split('`').next());
        let code = code.unwrap_or_else(|| panic!("no code: {}", question.body())).to_owned();
        Self { talk, ann, room, question, code, _folder: folder }
    }

    /// The line that says how a yes is given.
    fn way(&self) -> String {
        let body = self.question.body();
        let line = body.lines().find(|line| line.starts_with("Yes:"));
        line.unwrap_or_else(|| panic!("no way to a yes: {body}")).to_owned()
    }

    /// Says something and waits for what it is told.
    async fn says(&self, words: &str, told: &str) {
        let mark = self.ann.timeline.mark();
        let said = self.ann.say(&self.room, words).await;
        let is_right = |seen: &Seen| answers(seen, said.as_str()) && seen.body().contains(told);
        self.ann.timeline.after(mark, &format!("{told:?} to {words:?}"), is_right).await;
    }

    /// Nothing changed, and the question is open.
    fn is_open(&self, after: &str) {
        assert_eq!(echo(&self.talk), "allow", "{after}");
        assert_eq!(self.talk.approvals().len(), 1, "{after}");
        assert_eq!(self.ann.timeline.edits(&self.question.event), 0, "{after}");
    }
}

/// Whether something is a reply to an event.
fn answers(seen: &Seen, to: &str) -> bool {
    seen.is_message() && seen.content["m.relates_to"]["m.in_reply_to"]["event_id"] == to
}

fn echo(talk: &Talk) -> String {
    block_in_place(|| text(&talk.scene.call("echo", &json!({ "text": "x" })), "verdict"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_much_comes_into_force_by_its_phrase_and_by_nothing_else() {
    let asked = Amended::with(|plan| {
        plan.set("matrixd", "trust_homeserver", true);
    })
    .await;
    let (ann, room, code) = (&asked.ann, &asked.room, asked.code.as_str());
    assert_eq!(asked.way(), format!("Yes: write `yes {code} {PHRASE}`, to the letter."));
    assert!(asked.question.body().contains("for the policy of all sessions"), "{}", asked.question.body());

    let bob = Human::login(&asked.talk.synapse, MEMBER).await;
    ann.room(room).invite_user_by_id(bob.user()).await.unwrap();
    bob.join(room).await;
    ann.member(room, bob.user(), "join").await;
    let said = bob.say(room, &format!("yes {code} {PHRASE}")).await;
    ann.timeline.wait("that a member is no owner", |seen| answers(seen, said.as_str())).await;
    asked.is_open("a member's phrase");

    // Where a reaction weighs as much as words, it does not for the policy.
    ann.react(room, &asked.question.event, "✅").await;
    ann.hears(room, "a reaction is too light").await;
    asked.is_open("a reaction");
    for (words, told) in [
        (format!("yes {code}"), "wants the phrase typed"),
        (format!("yes {code} I break 5 decisions"), "wants the phrase typed"),
        (format!("yes {code} i break 6 decisions"), "wants the phrase typed"),
        (format!("yes {code} {PHRASE}."), "wants the phrase typed"),
        (format!("yes 2222 {PHRASE}"), "not the code"),
    ] {
        asked.says(&words, told).await;
        asked.is_open(&words);
    }
    // Each was told of once.
    let told = |seen: &Seen| {
        seen.sender == asked.talk.bot.as_str()
            && seen.is_message()
            && seen.body().contains("wants the phrase typed")
    };
    assert_eq!(ann.timeline.so_far().iter().filter(|seen| told(seen)).count(), 4);

    ann.reply(room, &asked.question.event, &format!("yes {code} {PHRASE}")).await;
    asked.talk.until("in force", |talk| echo(talk) == "deny");
    ann.timeline.wait("the outcome", |seen| seen.edits(&asked.question.event)).await;
    let by = format!("matrix {}", ann.user());
    let is_hers = |record: &Value| record["detail"]["by"] == by.as_str();
    block_in_place(|| assert!(asked.talk.scene.recorded("policy.amended", is_hers)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_at_the_machine_says_so_and_takes_no_phrase_from_a_room() {
    let asked = Amended::with(|plan| {
        plan.set("policyd", "amend_by", "local");
    })
    .await;
    let code = asked.code.as_str();
    let way = asked.way();
    assert!(way.starts_with("Yes: only at the machine, with testudoctl approve a-"), "{way}");
    assert!(way.ends_with(&format!("--local --phrase \"{PHRASE}\".")), "{way}");
    asked.says(&format!("yes {code} {PHRASE}"), "is answered at the machine only").await;
    asked.is_open("a phrase from a room");
    asked.ann.say(&asked.room, &format!("no {code}")).await;
    asked.ann.timeline.wait("the outcome", |seen| seen.edits(&asked.question.event)).await;
    assert_eq!(echo(&asked.talk), "allow");
}

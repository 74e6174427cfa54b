//! Whoever is not an owner on a verified device, and whatever is not given to the question itself in its room, changes
//! nothing; and the owner's own answer still counts after all of it.

use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId};
use serde_json::{Value, json};

use testudo_talk::human::{Human, reaction};
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{BOT, BRIDGED, MEMBER, OWNER, Question, Talk};
use testudo_talk::timeline::Seen;

/// An open question whose yes would write `a.txt`.
pub(crate) struct Asked {
    pub(crate) talk: Talk,
    pub(crate) ann: Human,
    pub(crate) room: OwnedRoomId,
    pub(crate) question: Question,
}

impl Asked {
    pub(crate) async fn with(weight: &str, change: impl FnOnce(&mut testudo_appliance::Plan)) -> Self {
        let talk = Talk::with(Synapse::start(), weight, change);
        let (ann, room) = talk.owner().await;
        let mark = ann.timeline.mark();
        ann.say(&room, "write 'x' to a.txt").await;
        let question = talk.question(&ann, &room, mark).await;
        Self { talk, ann, room, question }
    }

    /// The same in a room in which somebody behind a bridge is expected.
    pub(crate) async fn bridged(weight: &str) -> Self {
        let synapse = Synapse::start();
        for name in [BOT, OWNER] {
            synapse.register(name);
        }
        let ann = Human::login(&synapse, OWNER).await;
        let bot = OwnedUserId::try_from(synapse.id(BOT)).unwrap();
        let room = ann.create_room(&[&bot]).await;
        let talk = Talk::with(synapse, weight, |plan| {
            plan.set("matrixd", "bridged_rooms", vec![room.to_string()]);
        });
        ann.member(&room, &bot, "join").await;
        talk.verify(&ann).await;
        let mark = ann.timeline.mark();
        ann.say(&room, "write 'x' to a.txt").await;
        let question = talk.question(&ann, &room, mark).await;
        Self { talk, ann, room, question }
    }

    /// Another person in the room.
    pub(crate) async fn also(&self, name: &str) -> Human {
        let human = Human::login(&self.talk.synapse, name).await;
        self.ann.room(&self.room).invite_user_by_id(human.user()).await.unwrap();
        human.join(&self.room).await;
        self.ann.member(&self.room, human.user(), "join").await;
        human
    }

    pub(crate) fn yes(&self) -> String {
        format!("yes {}", self.question.code)
    }

    /// What came before is settled by now, because what the owner asks after it is answered; and nothing came of it.
    pub(crate) async fn nothing_came_of_it(&self, attack: &str) {
        let mark = self.ann.timeline.mark();
        self.ann.say(&self.room, "/approvals").await;
        let is_right = |seen: &Seen| {
            seen.is_message()
                && seen.sender == self.talk.bot.as_str()
                && seen.body().contains(&self.question.id)
                && !seen.body().contains("write `yes`")
        };
        self.ann.timeline.after(mark, "the list of questions", is_right).await;
        let open = self.talk.approvals();
        assert!(open.iter().any(|one| one["id"] == self.question.id.as_str()), "{attack}: {open:?}");
        assert_eq!(self.talk.scene.file("a.txt"), None, "{attack}");
        assert_eq!(self.ann.timeline.edits(&self.question.event), 0, "{attack}");
    }

    /// The owner's own yes still counts.
    async fn answered_by_its_owner(self) {
        self.ann.say(&self.room, &self.yes()).await;
        self.talk.until("written", |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
    }

    /// The refusals in the record, by their reasons.
    fn refusals(&self) -> Vec<String> {
        let log = tokio::task::block_in_place(|| self.talk.scene.log());
        let of =
            |record: Value| (record["event"] == "approval.refused").then(|| record["detail"].to_string());
        log.into_iter().filter_map(of).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_homeserver_forges_answers_nothing() {
    let asked = Asked::with("reply", |_| {}).await;
    let (synapse, room, yes) = (&asked.talk.synapse, asked.room.as_str(), asked.yes());
    let owner = asked.ann.user().to_string();
    for key in ["✅", "🔁"] {
        synapse.forge(&owner, room, "m.reaction", &reaction(&asked.question.event, key)).await;
        asked.nothing_came_of_it("a forged reaction").await;
    }
    let words = json!({ "msgtype": "m.text", "body": yes });
    synapse.forge(&owner, room, "m.room.message", &words).await;
    asked.nothing_came_of_it("forged words").await;
    synapse.forge(asked.talk.bot.as_str(), room, "m.room.message", &words).await;
    synapse.forge(asked.talk.bot.as_str(), room, "m.reaction", &reaction(&asked.question.event, "✅")).await;
    asked.nothing_came_of_it("the bot itself").await;
    assert!(!asked.refusals().is_empty(), "what was refused is recorded");
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_in_the_room_answer_nothing() {
    let asked = Asked::bridged("reply").await;
    for name in [MEMBER, BRIDGED] {
        let human = asked.also(name).await;
        human.say(&asked.room, &asked.yes()).await;
        human.react(&asked.room, &asked.question.event, "✅").await;
        human.reply(&asked.room, &asked.question.event, &asked.yes()).await;
        human.say(&asked.room, &format!("/approve {} {}", asked.question.id, asked.question.code)).await;
        human.react(&asked.room, &asked.question.event, "❌").await;
        asked.nothing_came_of_it(name).await;
    }
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_device_of_the_owner_that_nobody_verified_answers_nothing() {
    let asked = Asked::with("reply", |_| {}).await;
    let thief = Human::login_unsigned(&asked.talk.synapse, OWNER).await;
    thief.say(&asked.room, &asked.yes()).await;
    thief.reply(&asked.room, &asked.question.event, &asked.yes()).await;
    asked.nothing_came_of_it("an unverified device").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_question_and_an_edited_reply_are_no_place_to_answer() {
    let asked = Asked::with("reaction", |_| {}).await;
    let bob = asked.also(MEMBER).await;
    let copy = bob.say(&asked.room, &asked.question.body).await;
    asked.ann.timeline.wait("the copy", |seen| seen.event == copy.as_str()).await;
    asked.ann.react(&asked.room, copy.as_str(), "✅").await;
    asked.nothing_came_of_it("a reaction on a copy").await;
    let words = asked.ann.reply(&asked.room, &asked.question.event, "let me see").await;
    asked.ann.edit(&asked.room, words.as_str(), &asked.yes()).await;
    asked.nothing_came_of_it("an edited reply").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reaction_that_was_taken_back_and_given_again_answers_nothing() {
    let asked = Asked::with("reply", |_| {}).await;
    let first = asked.ann.react(&asked.room, &asked.question.event, "✅").await;
    asked.nothing_came_of_it("a reaction where words are wanted").await;
    asked.ann.redact(&asked.room, &first).await;
    asked.ann.react(&asked.room, &asked.question.event, "✅").await;
    asked.nothing_came_of_it("a reaction that was taken back and given again").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_in_another_room_answers_nothing() {
    let asked = Asked::with("reply", |_| {}).await;
    let other = asked.ann.create_room(&[&asked.talk.bot]).await;
    asked.ann.member(&other, &asked.talk.bot, "join").await;
    asked.ann.say(&other, &asked.yes()).await;
    asked.nothing_came_of_it("another room").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_question_and_its_code_answer_no_new_one() {
    let asked = Asked::with("reply", |_| {}).await;
    asked.ann.say(&asked.room, &format!("no {}", asked.question.code)).await;
    asked.ann.timeline.wait("the outcome", |seen| seen.edits(&asked.question.event)).await;
    let mark = asked.ann.timeline.mark();
    asked.ann.say(&asked.room, "write 'x' to a.txt").await;
    let question = asked.talk.question(&asked.ann, &asked.room, mark).await;
    let (old, asked) = (asked.question.clone(), Asked { question, ..asked });
    asked.ann.react(&asked.room, &old.event, "✅").await;
    asked.ann.say(&asked.room, &format!("yes {}", old.code)).await;
    asked.ann.reply(&asked.room, &old.event, &format!("yes {}", old.code)).await;
    asked.nothing_came_of_it("an old question").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_its_time_a_question_is_answered_no_more() {
    let asked = Asked::with("reply", |plan| {
        plan.set("policyd", "approval_ttl", "8s");
    })
    .await;
    asked.ann.timeline.wait("the end of its time", |seen| seen.edits(&asked.question.event)).await;
    assert!(asked.ann.timeline.text(&asked.question.event).to_lowercase().contains("expired"));
    asked.ann.say(&asked.room, &asked.yes()).await;
    asked.ann.hears(&asked.room, "expired").await;
    assert_eq!(asked.talk.scene.file("a.txt"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_the_owner_s_is_not_his() {
    let asked = Asked::with("reply", |_| {}).await;
    let bob = asked.also(MEMBER).await;
    bob.client.account().set_display_name(Some(OWNER)).await.unwrap();
    bob.say(&asked.room, &asked.yes()).await;
    asked.nothing_came_of_it("the owner's name").await;
    asked.answered_by_its_owner().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_once_and_is_shown_again_is_not_heard_again() {
    let talk = Talk::with(Synapse::start(), "reply", |_| {});
    let (ann, room) = talk.owner().await;
    let said = ann.say(&room, "say only-once").await;
    ann.hears(&room, "only-once").await;
    let (owner, sealed) = (ann.user().to_string(), talk.synapse.sealed(&said));
    let copy = talk.synapse.forge(&owner, room.as_str(), "m.room.encrypted", &sealed).await;
    // Her own client takes it for hers, so it is a good copy.
    ann.timeline.wait("the copy", |seen| seen.event == copy && seen.readable).await;
    ann.say(&room, "say and-then").await;
    let is_answer = |seen: &Seen, part: &str| {
        seen.sender == talk.bot.as_str() && seen.is_message() && seen.body().contains(part)
    };
    ann.timeline.wait("the last answer", |seen| is_answer(seen, "and-then")).await;
    assert_eq!(ann.timeline.so_far().iter().filter(|seen| is_answer(seen, "only-once")).count(), 1);
}

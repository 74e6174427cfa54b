//! The attacks of `attacks` again, with the control out that stops them: now they succeed. So it is that control, and
//! nothing that the attack got wrong, by which they fail against the shipped daemon.

use serde_json::json;
use testudo_appliance::Plan;
use testudo_tests::ablated;

use crate::attacks::Asked;
use testudo_talk::human::{Human, reaction};
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MEMBER, OWNER, Talk};
use testudo_talk::timeline::Seen;

/// The daemon without one control.
fn without(plan: &mut Plan, control: &str) {
    plan.binaries.insert("matrixd".to_owned(), plan.bin_dir.join("testudo-ablated-matrixd"));
    plan.arguments.insert("matrixd".to_owned(), ["--without", control].map(str::to_owned).to_vec());
}

impl Asked {
    /// The attack came through: the file is written.
    fn came_through(&self, attack: &str) {
        self.talk.until(attack, |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
    }
}

/// `policyd` refuses a member's yes once more, so its control is taken out after it was seen to hold.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_sender_a_member_answers() {
    for channel in [true, false] {
        let asked = Asked::with("reply", |plan| {
            without(plan, "sender");
            if !channel {
                ablated(plan, "policyd", "channel");
            }
        })
        .await;
        let bob = asked.also(MEMBER).await;
        asked.talk.verify(&bob).await;
        bob.say(&asked.room, &asked.yes()).await;
        if channel {
            asked.ann.hears(&asked.room, "does not call this person an owner").await;
            asked.nothing_came_of_it("policyd looks, too").await;
        } else {
            asked.came_through("a member's yes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_weight_a_forged_reaction_answers() {
    let asked = Asked::with("reply", |plan| without(plan, "weight")).await;
    let (owner, room) = (asked.ann.user().to_string(), asked.room.as_str());
    asked.talk.synapse.forge(&owner, room, "m.reaction", &reaction(&asked.question.event, "✅")).await;
    asked.came_through("a forged reaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_encryption_forged_words_answer() {
    let asked = Asked::with("reply", |plan| without(plan, "encryption")).await;
    let words = json!({ "msgtype": "m.text", "body": asked.yes() });
    let (owner, room) = (asked.ann.user().to_string(), asked.room.as_str());
    asked.talk.synapse.forge(&owner, room, "m.room.message", &words).await;
    asked.came_through("forged words");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_device_one_that_nobody_signed_answers() {
    let asked = Asked::with("reply", |plan| without(plan, "device")).await;
    let thief = Human::login_unsigned(&asked.talk.synapse, OWNER).await;
    thief.say(&asked.room, &asked.yes()).await;
    asked.came_through("an unsigned device");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_invites_and_without_the_control_everybody() {
    for control in [true, false] {
        let talk = Talk::with(Synapse::start(), "reply", |plan| {
            if !control {
                without(plan, "invitation");
            }
        });
        let bob = Human::login(&talk.synapse, MEMBER).await;
        let room = bob.create_room(&[&talk.bot]).await;
        bob.member(&room, &talk.bot, if control { "leave" } else { "join" }).await;
    }
}

/// The homeserver cannot read it, and shows it as another event of the same owner.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sealed_once_is_heard_once_and_without_the_control_again() {
    let answers = |to: &str| {
        let to = to.to_owned();
        move |seen: &Seen| {
            seen.is_message() && seen.content["m.relates_to"]["m.in_reply_to"]["event_id"] == to.as_str()
        }
    };
    for control in [true, false] {
        let talk = Talk::with(Synapse::start(), "reply", |plan| {
            if !control {
                without(plan, "replay");
            }
        });
        let (ann, room) = talk.owner().await;
        let said = ann.say(&room, "/status").await;
        ann.timeline.wait("an answer", answers(said.as_str())).await;
        let (owner, sealed) = (ann.user().to_string(), talk.synapse.sealed(&said));
        let copy = talk.synapse.forge(&owner, room.as_str(), "m.room.encrypted", &sealed).await;
        if control {
            // Who says the same once more is heard; what came before it is settled by then.
            let again = ann.say(&room, "/status").await;
            ann.timeline.wait("another answer", answers(again.as_str())).await;
            assert!(!ann.timeline.so_far().iter().any(answers(&copy)), "the copy was heard: {}", talk.told());
        } else {
            ann.timeline.wait("an answer to the copy", answers(&copy)).await;
        }
    }
}

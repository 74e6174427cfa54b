//! The attacks of `attacks` again, with the control out that stops them: now they succeed. So it is that control, and
//! nothing that the attack got wrong, by which they fail against the shipped daemon.

use serde_json::json;
use testudo_appliance::Plan;
use testudo_tests::ablated;

use crate::attacks::Asked;
use testudo_talk::human::{Human, reaction};
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MARK, MEMBER, OWNER, Talk};
use testudo_talk::timeline::Seen;

/// The daemon without one control.
pub(crate) fn without(plan: &mut Plan, control: &str) {
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
async fn without_the_place_a_yes_in_another_room_answers() {
    let asked = Asked::with("reply", |plan| without(plan, "place")).await;
    let other = asked.ann.create_room(&[&asked.talk.bot]).await;
    asked.ann.member(&other, &asked.talk.bot, "join").await;
    asked.ann.say(&other, &asked.yes()).await;
    asked.came_through("a yes in another room");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_target_a_reaction_on_a_copy_answers() {
    let asked = Asked::with("reaction", |plan| without(plan, "target")).await;
    let bob = asked.also(MEMBER).await;
    let copy = bob.say(&asked.room, &asked.question.body).await;
    asked.ann.timeline.wait("the copy", |seen| seen.event == copy.as_str()).await;
    asked.ann.react(&asked.room, copy.as_str(), "✅").await;
    asked.came_through("a reaction on a copy");
}

/// Another code than the question's, which is one all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_with_another_code_answers_nothing_and_without_the_control_it_does() {
    for control in [true, false] {
        let asked = Asked::with("reply", |plan| {
            if !control {
                without(plan, "code");
            }
        })
        .await;
        let other = if asked.question.code == "2222" { "3333" } else { "2222" };
        asked.ann.say(&asked.room, &format!("yes {other}")).await;
        if control {
            asked.ann.hears(&asked.room, "No effect").await;
            asked.nothing_came_of_it("another code").await;
        } else {
            asked.came_through("another code");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_freshness_an_edited_reply_answers() {
    let asked = Asked::with("reply", |plan| without(plan, "freshness")).await;
    let words = asked.ann.reply(&asked.room, &asked.question.event, "let me see").await;
    asked.ann.edit(&asked.room, words.as_str(), &asked.yes()).await;
    asked.came_through("an edited reply");
}

/// What a model says is shown as it is; only the clients' own care is left then.
#[tokio::test(flavor = "multi_thread")]
async fn html_has_no_teeth_and_without_the_sanitising_all_of_them() {
    for control in [true, false] {
        let talk = Talk::with(Synapse::start(), "reply", |plan| {
            if !control {
                without(plan, "sanitising");
            }
        });
        let (ann, room) = talk.owner().await;
        ann.say(&room, "say beware **of** <script>alert(1)</script> <img src=x onerror=alert(1)> it ends")
            .await;
        let said = ann.hears(&room, "beware").await;
        let html = said.content["formatted_body"].as_str().unwrap_or_default();
        assert!(!html.contains(MARK), "{html}");
        for tooth in ["<script", "<img"] {
            assert_eq!(html.contains(tooth), !control, "{tooth}: {html}");
        }
    }
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

//! The homeserver says which identity somebody has. A made-up one gets nothing of what is said, until an operator says
//! that it is his.

use matrix_sdk::ruma::OwnedRoomId;

use crate::without::without;
use testudo_talk::human::Human;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MEMBER, Talk};
use testudo_talk::timeline::Seen;

/// An owner and a member in a room, and the homeserver's own device of the member's, with an identity made up for it.
struct Listened {
    talk: Talk,
    ann: Human,
    bob: Human,
    room: OwnedRoomId,
    spy: Human,
}

/// The member was spoken to before, so that he is known; then the homeserver gives him another identity.
async fn listened(control: bool) -> Listened {
    let talk = Talk::with(Synapse::start(), "reply", |plan| {
        if !control {
            without(plan, "identity");
        }
    });
    let (ann, room) = talk.owner().await;
    let bob = talk.member(&ann, &room).await;
    ann.say(&room, "say before").await;
    bob.hears(&room, "before").await;
    // A further device that his own identity did not sign is nothing of the kind: it hears nothing, and the others do.
    let spy = Human::login_unsigned(&talk.synapse, MEMBER).await;
    ann.say(&room, "say between").await;
    bob.hears(&room, "between").await;
    assert!(heard(&talk, &spy).is_empty(), "a device that nobody signed has no keys");
    spy.makes_up_an_identity().await;
    Listened { talk, ann, bob, room, spy }
}

/// What of the agent's sealed words somebody could read.
fn heard(talk: &Talk, human: &Human) -> Vec<String> {
    let is_read = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.kind == "m.room.message" && seen.sealed && seen.readable
    };
    human.timeline.so_far().into_iter().filter(is_read).map(|seen| seen.body().to_owned()).collect()
}

fn recorded(talk: &Talk, event: &str) -> usize {
    let log = tokio::task::block_in_place(|| talk.scene.log());
    log.iter().filter(|record| record["event"] == event).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_another_identity_hears_nothing_until_it_is_accepted_and_then_everything_arrives_in_order() {
    let Listened { talk, ann, bob, room, spy } = listened(true).await;
    talk.until("seen", |talk| {
        talk.operator("Status", &[]).json()["changed"][0]["user"] == bob.user().as_str()
    });
    ann.say(&room, "say secret-one").await;
    ann.say(&room, "say secret-two").await;
    let is_notice =
        |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains("another identity");
    let notice = ann.timeline.wait("the notice", is_notice).await;
    assert!(!notice.sealed && notice.body().contains("@bob:home.test is in this room"), "{}", notice.body());
    talk.until("both turns ended", |talk| {
        let log = talk.scene.log();
        log.iter().filter(|record| record["event"] == "turn.finished").count() >= 4
    });
    for human in [&ann, &bob, &spy] {
        assert!(!heard(&talk, human).iter().any(|text| text.contains("secret")), "nothing is said meanwhile");
    }
    let status = talk.ctl(&["matrix", "status"]).stdout;
    for part in
        ["identity-changed", "@bob:home.test", "new device", "reset their identity", "accept-identity"]
    {
        assert!(status.contains(part), "{part}: {status}");
    }
    let rooms = talk.ctl(&["matrix", "rooms"]).stdout;
    assert!(rooms.contains("nothing is said: @bob:home.test"), "{rooms}");
    assert_eq!(recorded(&talk, "matrix.identity-changed"), 1);

    let other = talk.ctl(&["matrix", "accept-identity", "@bob:home.test", "another"]);
    assert!(other.status != 0 && other.stderr.contains("look again"), "{other:?}");
    let wrong = talk.ctl(&["matrix", "accept-identity", ann.user().as_str()]);
    assert!(wrong.status != 0 && wrong.stderr.contains("no other than"), "{wrong:?}");
    assert!(heard(&talk, &spy).is_empty());
    let accepted = talk.ctl(&["matrix", "accept-identity", "@bob:home.test"]);
    assert_eq!(accepted.status, 0, "{accepted:?}");
    ann.hears(&room, "secret-two").await;
    let secrets: Vec<String> =
        heard(&talk, &ann).into_iter().filter(|text| text.contains("secret")).collect();
    assert!(secrets.len() == 2 && secrets[0].contains("secret-one"), "each once, in order: {secrets:?}");
    // What an operator says is his is his: the keys go to what it signed.
    spy.hears(&room, "secret-two").await;
    talk.until("over", |talk| !talk.operator("Status", &[]).stdout.contains("identity-changed"));
    assert_eq!(recorded(&talk, "matrix.identity-accepted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_with_the_identity_that_was_made_up_reads_nothing_and_the_others_everything() {
    let Listened { talk, ann, bob, room, spy } = listened(true).await;
    talk.until("seen", |talk| {
        talk.operator("Status", &[]).json()["changed"][0]["user"] == bob.user().as_str()
    });
    ann.say(&room, "say secret-one").await;
    ann.timeline.wait("the notice", |seen| seen.body().contains("another identity")).await;
    ann.room(&room).kick_user(bob.user(), None).await.unwrap();
    ann.hears(&room, "secret-one").await;
    assert!(!heard(&talk, &spy).iter().any(|text| text.contains("secret")));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_identity_the_made_up_one_reads_what_is_said() {
    let Listened { talk, ann, room, spy, .. } = listened(false).await;
    // The agent learns of it with its next sync, and shares the key with the next answer.
    for number in 0..3 {
        ann.say(&room, &format!("say secret-{number}-")).await;
        ann.hears(&room, &format!("secret-{number}-")).await;
    }
    let reads = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.sealed && seen.readable && seen.body().contains("secret-2-")
    };
    spy.timeline.wait("what was said", reads).await;
}

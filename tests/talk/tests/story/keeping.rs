//! What an owner asks of a session beside speaking in it, in its room: a pin, a model, what was used, a summary.

use testudo_talk::talk::Talk;
use testudo_talk::timeline::Seen;

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_pins_chooses_looks_and_sums_up_and_a_member_does_not() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let bob = talk.member(&ann, &room).await;

    bob.say(&room, "/pin bob may do all of it").await;
    bob.hears(&room, "That is for owners only.").await;
    ann.say(&room, "/pin").await;
    ann.hears(&room, "Nothing is pinned here").await;

    ann.say(&room, "/pin never on Sundays").await;
    ann.hears(&room, "Pinned as 1").await;
    ann.say(&room, "say hello").await;
    ann.hears(&room, "hello").await;
    ann.say(&room, "/compact").await;
    ann.hears(&room, "nothing to compact").await;
    let mark = ann.timeline.mark();
    ann.say(&room, "say goodbye").await;
    let is_answer = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains("goodbye");
    ann.timeline.after(mark, "the second answer", is_answer).await;
    talk.until("the second turn is over", |talk| {
        let over = talk.scene.log().iter().filter(|record| record["event"] == "turn.finished").count();
        over == 2
    });
    ann.say(&room, "/compact").await;
    ann.hears(&room, "A summary by the model stands for 4 messages").await;

    ann.say(&room, "/usage").await;
    ann.hears(&room, "Today, in all sessions").await;
    ann.say(&room, "/budget").await;
    ann.hears(&room, "There is no limit").await;
    ann.say(&room, "/model").await;
    ann.hears(&room, "the configured one").await;
    ann.say(&room, "/model other").await;
    ann.hears(&room, "there is no model").await;
    ann.say(&room, "/model rehearsal").await;
    ann.hears(&room, "answers here from now on").await;
    ann.say(&room, "/unpin 1").await;
    ann.hears(&room, "Pin 1 is gone").await;

    for event in ["context.pinned", "context.compacted", "model.chosen", "context.unpinned"] {
        let by =
            |record: &serde_json::Value| record["detail"]["requester"] == format!("matrix {}", ann.user());
        assert!(talk.scene.recorded(event, by), "{event}: {:?}", talk.scene.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_vouches_for_what_is_known_in_a_room_and_a_member_does_not() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let bob = talk.member(&ann, &room).await;

    bob.say(&room, "/approve-context bob is her son").await;
    bob.hears(&room, "That is for owners only.").await;
    assert!(!talk.scene.recorded("context.vouched", |_| true), "{:?}", talk.scene.log());

    ann.say(&room, "/approve-context bob is my son").await;
    ann.hears(&room, "as context, and not as a permission").await;
    let vouched: Vec<serde_json::Value> =
        talk.scene.log().into_iter().filter(|record| record["event"] == "context.vouched").collect();
    assert_eq!(vouched.len(), 1, "{vouched:?}");
    assert_eq!(vouched[0]["detail"]["by"], format!("matrix {}", ann.user()));
    assert_eq!(vouched[0]["detail"]["characters"], "bob is my son".len());
    assert!(vouched[0]["session"].as_str().is_some_and(|session| session.starts_with("m-")), "{vouched:?}");
}

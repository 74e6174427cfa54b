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

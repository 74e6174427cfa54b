//! The whole story: an owner invites, verifies, asks, approves, stops, and it all stands where it belongs.

use std::time::{Duration, Instant};

use testudo_talk::human::Human;
use testudo_talk::model::Model;
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::{MEMBER, OWNER, Talk};
use testudo_talk::timeline::Seen;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_asked_for_approved_by_reaction_and_written() {
    let talk = Talk::with(Synapse::start(), "reaction", |_| {});
    let (ann, room) = talk.owner().await;

    let mark = ann.timeline.mark();
    let asked = ann.say(&room, "write 'hi there' to notes/a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    assert!(question.body.contains("+hi there"), "{}", question.body);
    assert!(question.body.contains("notes/a.txt"), "{}", question.body);
    for key in ["✅", "❌"] {
        let what = format!("the question's own {key}");
        ann.timeline.wait(&what, |seen| seen.reacts(&question.event, key)).await;
    }
    assert_eq!(talk.scene.file("notes/a.txt"), None, "nothing is written before the approval");

    ann.react(&room, &question.event, "✅").await;
    ann.timeline.wait("the outcome", |seen| seen.edits(&question.event)).await;
    let outcome = ann.timeline.text(&question.event).to_lowercase();
    assert!(outcome.contains("approved"), "{outcome}");
    ann.hears(&room, "notes/a.txt").await;
    talk.until("written", |talk| talk.scene.file("notes/a.txt").as_deref() == Some(b"hi there"));
    let by = |record: &serde_json::Value| record.to_string().contains(ann.user().as_str());
    assert!(talk.scene.recorded("approval.answered", by), "{:?}", talk.scene.log());
    // That it was read is shown to who said it.
    let read = |seen: &Seen| seen.kind == "m.receipt" && seen.content.to_string().contains(asked.as_str());
    ann.timeline.wait("a read receipt", read).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heavy_question_is_answered_in_words_with_its_code() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let mark = ann.timeline.mark();
    ann.say(&room, "write 'hi there' to notes/a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("notes/a.txt").as_deref() == Some(b"hi there"));

    let mark = ann.timeline.mark();
    ann.say(&room, "write 'more' to notes/b.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    ann.reply(&room, &question.event, "no because it is late").await;
    ann.timeline.wait("the outcome", |seen| seen.edits(&question.event)).await;
    assert!(ann.timeline.text(&question.event).to_lowercase().contains("denied"));
    assert_eq!(talk.scene.file("notes/b.txt"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_a_session_of_its_own() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say hello").await;
    let answer = ann.hears(&room, "hello").await;
    assert_ne!(answer.content["m.relates_to"]["rel_type"], "m.thread");
    let root = ann.say(&room, "what time is it?").await;
    ann.say_in_thread(&room, root.as_str(), "say goodbye").await;
    let is_right = |seen: &Seen| {
        seen.sender == talk.bot.as_str()
            && seen.body().contains("goodbye")
            && seen.relates("m.thread", root.as_str())
    };
    ann.timeline.wait("an answer in the thread", is_right).await;
    let sessions = tokio::task::block_in_place(|| talk.scene.as_user("root", "Agent1", "Sessions", &[]));
    assert!(sessions.stdout.matches("\"m-").count() >= 2, "{sessions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_takes_few_edits_and_its_end_notifies() {
    let model = Model::speaking(500, Duration::from_millis(50));
    let talk = Talk::with(Synapse::start(), "reply", |plan| model.enter(plan));
    let (ann, room) = talk.owner().await;
    ann.say(&room, "tell me something long").await;
    let is_final =
        |seen: &Seen| seen.sender == talk.bot.as_str() && seen.content.to_string().contains("word499");
    ann.timeline.wait("the end of the answer", is_final).await;
    let all = ann.timeline.so_far();
    let first = all.iter().find(|seen| seen.is_message() && seen.sender == talk.bot.as_str() && seen.sealed);
    let first = first.expect("the answer began").event.clone();
    let edits: Vec<&Seen> = all.iter().filter(|seen| seen.edits(&first)).collect();
    assert!((2..=15).contains(&edits.len()), "{} edits", edits.len());
    for pair in edits.windows(2).take(edits.len().saturating_sub(2)) {
        assert!(pair[1].at - pair[0].at > Duration::from_millis(700), "edits are paced");
    }
    let text = ann.timeline.text(&first);
    assert!(text.contains("word0 ") && text.contains("word499"), "{text}");
    assert!(
        all.iter()
            .any(|seen| seen.kind == "m.typing" && seen.content.to_string().contains(talk.bot.as_str())),
        "it was seen to type"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_an_answer_is_a_file() {
    let model = Model::speaking(20_000, Duration::ZERO);
    let talk = Talk::with(Synapse::start(), "reply", |plan| model.enter(plan));
    let (ann, room) = talk.owner().await;
    let mark = ann.timeline.mark();
    ann.say(&room, "tell me everything").await;
    let is_file = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.content["msgtype"] == "m.file";
    let file = ann.timeline.after(mark, "the long answer as a file", is_file).await;
    assert!(file.sealed, "its key is in an encrypted event");
    let content = String::from_utf8(ann.download(&file).await).unwrap();
    let words = content.split_whitespace().count();
    assert!(content.starts_with("word0 ") && words > 5_000, "{words} words, {} bytes", content.len());
    // In the room there is its beginning, and where the rest is.
    let beginning = |seen: &Seen| {
        seen.sender == talk.bot.as_str() && seen.content.to_string().contains("the whole answer is in")
    };
    ann.timeline.wait("the beginning of the answer", beginning).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_begun_anew_is_asked_in_its_own_room() {
    let talk = Talk::start();
    // The first room of an owner is where everything else is asked.
    let (ann, _) = talk.owner().await;
    let room = ann.create_room(&[&talk.bot]).await;
    ann.member(&room, &talk.bot, "join").await;
    ann.say(&room, "say hello").await;
    ann.hears(&room, "hello").await;
    ann.say(&room, "/new").await;
    ann.hears(&room, "begins a new session").await;
    let mark = ann.timeline.mark();
    ann.say(&room, "write 'x' to a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    ann.say(&room, &format!("yes {}", question.code)).await;
    talk.until("written", |talk| talk.scene.file("a.txt").as_deref() == Some(b"x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_record_stands_is_posted_before_the_daemon_stops() {
    let synapse = Synapse::start();
    synapse.register("keeper");
    let keeper = Human::login(&synapse, "keeper").await;
    let audit = keeper.create_room(&[]).await;
    let (owners, named) = (vec![synapse.id(OWNER), synapse.id("keeper")], audit.to_string());
    let talk = Talk::with(synapse, "reply", |plan| {
        plan.set("matrixd", "owners", owners).set("matrixd", "audit_room", named);
    });
    keeper.room(&audit).invite_user_by_id(&talk.bot).await.unwrap();
    keeper.member(&audit, &talk.bot, "join").await;
    let (ann, room) = talk.owner().await;
    ann.say(&room, "what time is it?").await;
    ann.hears(&room, "time").await;
    // What the turn leaves in the record comes after its answer.
    let sessions = || talk.scene.ctl(&["sessions"]).stdout;
    talk.until("the turn ended", |_| !sessions().contains("running"));
    tokio::task::block_in_place(|| talk.scene.appliance.stop_unit("matrixd")).unwrap();
    let head = tokio::task::block_in_place(|| talk.scene.as_user("root", "Audit1", "Head", &[])).json();
    let stands = format!("anchor {} {} ", head["seq"], head["hash"].as_str().unwrap());
    // The one of the start may arrive as late as this one.
    let is_last = |seen: &Seen| {
        seen.room == audit.as_str() && seen.sender == talk.bot.as_str() && seen.body().starts_with(&stands)
    };
    assert!(keeper.timeline.wait(&format!("{stands}, the last anchor"), is_last).await.sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_takes_effect_within_a_second() {
    let model = Model::speaking(100_000, Duration::from_millis(50));
    let talk = Talk::with(Synapse::start(), "reply", |plan| model.enter(plan));
    let (ann, room) = talk.owner().await;
    ann.say(&room, "talk for ever").await;
    ann.hears(&room, "word0").await;
    ann.say(&room, "/stop").await;
    let said = Instant::now();
    let stopped = tokio::task::block_in_place(|| model.interrupted.recv_timeout(Duration::from_secs(20)));
    let took = stopped.expect("the model is interrupted").saturating_duration_since(said);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_sends_can_be_read_by_the_agent() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    ann.attach(&room, "list.txt", "text/plain", b"milk\neggs\n").await;
    // The path where it lies is said to the model, and not to people: it can be read like any file.
    ann.say(&room, "run cat /inbox/1-list.txt").await;
    ann.hears(&room, "eggs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_another_client_is_heard_and_may_not_approve() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let (eve, _) = talk.eve(&ann, &room).await;

    eve.say(room.as_str(), "say hello from nio").await;
    let is_right = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains("hello from nio");
    let answer = eve.timeline.wait("an answer", is_right).await;
    assert!(answer.sealed);

    let mark = ann.timeline.mark();
    ann.say(&room, "write 'x' to a.txt").await;
    let question = talk.question(&ann, &room, mark).await;
    eve.say(room.as_str(), &format!("yes {}", question.code)).await;
    ann.say(&room, &format!("no {}", question.code)).await;
    ann.timeline.wait("the outcome", |seen| seen.edits(&question.event)).await;
    assert!(ann.timeline.text(&question.event).to_lowercase().contains("denied"));
    assert_eq!(talk.scene.file("a.txt"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_invite_and_only_into_encrypted_rooms() {
    let talk = Talk::start();
    let (ann, _) = talk.owner().await;
    let bob = Human::login(&talk.synapse, MEMBER).await;
    let declined = bob.create_room(&[&talk.bot]).await;
    bob.member(&declined, &talk.bot, "leave").await;
    let plain = ann.create_room_with(&[&talk.bot], None).await;
    ann.member(&plain, &talk.bot, "leave").await;
}

//! How long people wait, and beside it how long they would wait for a person whose answer takes no time.

use std::path::Path;
use std::time::{Duration, Instant};

use matrix_sdk::ruma::{OwnedRoomId, RoomId};

use super::report::Report;
use super::start;
use crate::human::Human;
use crate::model::Model;
use crate::talk::{MARK, MEMBER, Talk};
use crate::timeline::Seen;

/// Rounds before the measured ones, in which people and daemons come to know each other.
const WARM_UP: usize = 5;
/// Answers of a slow model: each takes as long as it speaks.
const SLOW_ROUNDS: usize = 10;
const SLOW_WORDS: usize = 30;
const SLOW_PAUSE: Duration = Duration::from_millis(100);

const THERE: &str = "Matrix: a message, seen by another person (no Testudo)";
const AND_BACK: &str = "Matrix: a message and a person's answer at once (no Testudo)";
const REACTION: &str = "Matrix: a yes by reaction, its question seen as approved";
const LINE: &str = "Matrix: a message, its answer of one line seen (rehearsal)";
const FIRST: &str = "Matrix: a message, first words seen of an answer that takes 3 s";

/// Takes turns among all of it, so that what else the machine does hits each alike.
pub async fn measure(daemons: &Path, rounds: usize, report: &mut Report) {
    let talk = start(daemons, |_| {});
    let (ann, room) = talk.owner().await;
    let bob = Human::login(&talk.synapse, MEMBER).await;
    let alone = ann.create_room(&[bob.user()]).await;
    bob.join(&alone).await;
    ann.member(&alone, bob.user(), "join").await;
    let mut series = [const { Vec::new() }; 4];
    for round in 0..WARM_UP + rounds {
        let times = [
            there(&ann, &bob, &alone, round).await,
            and_back(&ann, &bob, &alone, round).await,
            reaction(&talk, &ann, &room, round).await,
            answer(&talk, &ann, &room, round).await,
        ];
        if round >= WARM_UP {
            series.iter_mut().zip(times).for_each(|(series, time)| series.push(time));
        }
    }
    let [there, back, reaction, answer] = &series;
    report.time(THERE, there, None);
    report.time(AND_BACK, back, None);
    report.time(REACTION, reaction, Some(AND_BACK));
    report.time(LINE, answer, Some(AND_BACK));
    drop((ann, bob, talk));
    report.time(FIRST, &slow(daemons, SLOW_ROUNDS.min(rounds)).await, None);
}

async fn there(from: &Human, to: &Human, room: &RoomId, round: usize) -> Duration {
    let text = format!("there {round}");
    let mark = to.timeline.mark();
    let began = Instant::now();
    from.say(room, &text).await;
    to.timeline.after(mark, &text, |seen| seen.body() == text).await.at - began
}

async fn and_back(from: &Human, to: &Human, room: &RoomId, round: usize) -> Duration {
    let (question, answer) = (format!("how are you {round}"), format!("well {round}"));
    let (asking, answering) = (from.timeline.mark(), to.timeline.mark());
    let began = Instant::now();
    let other = async {
        to.timeline.after(answering, &question, |seen| seen.body() == question).await;
        to.say(room, &answer).await;
    };
    let (_, ()) = tokio::join!(from.say(room, &question), other);
    from.timeline.after(asking, &answer, |seen| seen.body() == answer).await.at - began
}

async fn reaction(talk: &Talk, ann: &Human, room: &OwnedRoomId, round: usize) -> Duration {
    let file = format!("round-{round}.txt");
    let mark = ann.timeline.mark();
    ann.say(room, &format!("write 'x' to {file}")).await;
    let question = talk.question(ann, room, mark).await;
    for key in ["✅", "❌"] {
        ann.timeline.after(mark, "the question's own keys", |seen| seen.reacts(&question.event, key)).await;
    }
    let began = Instant::now();
    ann.react(room, &question.event, "✅").await;
    let seen = ann.timeline.after(mark, "the outcome", |seen| seen.edits(&question.event)).await;
    let outcome = ann.timeline.text(&question.event).to_lowercase();
    assert!(outcome.contains("approved"), "{outcome}");
    // The rest of the turn is no part of what follows.
    let ended = |seen: &Seen| {
        seen.kind == "m.room.message"
            && seen.sender == talk.bot.as_str()
            && !seen.body().contains(MARK)
            && seen.body().contains(&file)
    };
    ann.timeline.after(mark, "the end of the turn", ended).await;
    seen.at - began
}

async fn answer(talk: &Talk, ann: &Human, room: &RoomId, round: usize) -> Duration {
    first_words(talk, ann, room, &format!("say number-{round}-"), &format!("number-{round}-")).await
}

async fn first_words(talk: &Talk, ann: &Human, room: &RoomId, say: &str, part: &str) -> Duration {
    let is_right = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains(part);
    let mark = ann.timeline.mark();
    let began = Instant::now();
    ann.say(room, say).await;
    ann.timeline.after(mark, part, is_right).await.at - began
}

/// Until the first words of an answer are seen whose model speaks for three seconds.
async fn slow(daemons: &Path, rounds: usize) -> Vec<Duration> {
    let model = Model::speaking(SLOW_WORDS, SLOW_PAUSE);
    let talk = start(daemons, |plan| model.enter(plan));
    let (ann, room) = talk.owner().await;
    let mut series = Vec::with_capacity(rounds);
    // The first one is not measured: people and daemons come to know each other.
    for round in 0..=rounds {
        let mark = ann.timeline.mark();
        let time = first_words(&talk, &ann, &room, &format!("tell me {round}"), "word0 ").await;
        let last = format!("word{}", SLOW_WORDS - 1);
        let ended = |seen: &Seen| seen.sender == talk.bot.as_str() && seen.body().contains(&last);
        ann.timeline.after(mark, "the end of the answer", ended).await;
        if round > 0 {
            series.push(time);
        }
    }
    series
}

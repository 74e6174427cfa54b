//! Long absences: of the daemon, while people go on, and of the homeserver, until the daemon seldom asks for it.

use std::time::{Duration, Instant};

use tokio::task::block_in_place;

use crate::answers::{answers, numbers};
use testudo_talk::human::Human;
use testudo_talk::talk::{MEMBER, Talk};
use testudo_talk::timeline::Seen;

const ROOMS: usize = 3;
/// What is said in each room.
const EACH: usize = 20;
/// Together with what is said more than a sync brings of a room.
const NOISE: usize = 110;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_away_for_long_answers_everything_once_and_in_order() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    let bob = Human::login(&talk.synapse, MEMBER).await;
    let mut rooms = vec![room];
    while rooms.len() < ROOMS {
        let room = ann.create_room(&[&talk.bot]).await;
        ann.member(&room, &talk.bot, "join").await;
        rooms.push(room);
    }
    for room in &rooms {
        ann.room(room).invite_user_by_id(bob.user()).await.unwrap();
        bob.join(room).await;
        ann.member(room, bob.user(), "join").await;
        ann.say(room, "say good-morning").await;
        ann.hears(room, "good-morning").await;
    }

    block_in_place(|| talk.scene.appliance.stop_unit("matrixd").unwrap());
    let mut speakers = vec![&ann, &bob];
    let new_device = Human::login_unsigned(&talk.synapse, MEMBER).await;
    for number in 0..EACH {
        if number == EACH / 2 {
            speakers.push(&new_device);
            for room in &rooms {
                let said = ann.say(room, "say half-time").await;
                for noise in 0..NOISE {
                    ann.react(room, said.as_str(), &format!("{noise}")).await;
                }
            }
        }
        let speaker = speakers[number % speakers.len()];
        for room in &rooms {
            if number % 5 == 0 {
                speaker.rotate(room).await;
            }
            speaker.say(room, &format!("say number-{number}-")).await;
        }
    }
    block_in_place(|| talk.scene.appliance.start_unit("matrixd").unwrap());
    let last = format!("number-{}-", EACH - 1);
    for room in &rooms {
        let is_last = |seen: &Seen| {
            seen.room == room.as_str()
                && seen.sender == talk.bot.as_str()
                && seen.content.to_string().contains(&last)
        };
        ann.timeline.within(Duration::from_mins(3), "the last answer", is_last).await;
    }
    for room in &rooms {
        let said = answers(&ann.timeline, &talk, room);
        assert_eq!(said.len(), 1 + EACH + 1, "nothing more and nothing less: {said:?}");
        let in_order: Vec<usize> = (0..EACH).collect();
        assert_eq!(numbers(&ann.timeline, &talk, room, "number"), in_order);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_that_was_away_is_found_again_within_twice_its_absence() {
    let talk = Talk::start();
    let (ann, room) = talk.owner().await;
    block_in_place(|| talk.synapse.stop());
    // This is the absence: until then the waits between two attempts have grown to sixteen seconds and more.
    let away = Duration::from_secs(33);
    tokio::time::sleep(away).await;
    block_in_place(|| talk.synapse.resume());
    let back = Instant::now();
    ann.say(&room, "say here-again").await;
    let is_answer = |seen: &Seen| {
        seen.is_message() && seen.sender == talk.bot.as_str() && seen.body().contains("here-again")
    };
    ann.timeline.within(away * 3, "an answer", is_answer).await;
    let took = back.elapsed();
    assert!(took < away * 2 + Duration::from_secs(10), "it took {took:?}");
    eprintln!("found again after {took:?}");
}

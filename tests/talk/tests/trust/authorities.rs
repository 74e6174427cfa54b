//! Whom the daemon takes for its homeserver: who has a certificate for it of the system's authorities or of those that
//! the operator named, and nobody else.

use std::time::Duration;

use testudo_talk::front::{Certificate, Front};
use testudo_talk::synapse::Synapse;
use testudo_talk::talk::Talk;

use crate::looking::{comes_to_say, says, settled, status};

#[tokio::test(flavor = "multi_thread")]
async fn a_homeserver_behind_an_authority_of_ones_own_is_talked_with_once_that_is_named() {
    let synapse = Synapse::start();
    let front = Front::secure(synapse.url()).await;
    let talk = Talk::with(synapse, "reply", |plan| front.enter(plan));
    let text = comes_to_say(&talk, "homeserver-untrusted");
    assert!(text.contains("UnknownIssuer") && text.contains("`authorities`"), "{text}");
    assert_eq!(front.passed(), [], "nothing was said to it");

    let talk = talk.off().on(|plan| {
        plan.set("matrixd", "authorities", vec![front.authority()]);
    });
    settled(&talk);
    assert_eq!(says(&talk, "homeserver-untrusted"), None);
    let (ann, room) = talk.owner().await;
    ann.say(&room, "say under-tls").await;
    ann.hears(&room, "under-tls").await;

    // The same in the middle of a talk: somebody else answers in its place for a while.
    front.show(Certificate::OfAnotherAuthority);
    comes_to_say(&talk, "homeserver-untrusted");
    let passed = front.passed().len();
    assert_eq!(status(&talk)["connected"], false);
    ann.say(&room, "say when-it-is-back").await;
    assert_eq!(front.passed().len(), passed, "{:?}", front.passed().split_off(passed));
    front.show(Certificate::Right);
    ann.timeline
        .within(Duration::from_mins(1), "an answer", |seen| {
            seen.is_message() && seen.sender == talk.bot.as_str() && seen.body().contains("when-it-is-back")
        })
        .await;
    talk.until("trusted again", |talk| says(talk, "homeserver-untrusted").is_none());
    assert_eq!(front.spoken_in_the_clear(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_the_homeservers_is_refused_and_said_and_nothing_goes_in_the_clear() {
    let synapse = Synapse::start();
    let front = Front::secure(synapse.url()).await;
    front.show(Certificate::Expired);
    let talk = Talk::with(synapse, "reply", |plan| {
        front.enter(plan);
        plan.set("matrixd", "authorities", vec![front.authority()]);
    });
    for (certificate, why) in [
        (Certificate::Expired, "expired"),
        (Certificate::OfAnotherHost, "not valid for name"),
        (Certificate::OfAnotherAuthority, "UnknownIssuer"),
    ] {
        front.show(certificate);
        talk.until(&format!("told of {certificate:?}"), |talk| {
            says(talk, "homeserver-untrusted").is_some_and(|text| text.contains(why))
        });
        assert_eq!(status(&talk)["connected"], false);
    }
    let said = talk.ctl(&["matrix", "status"]);
    assert!(said.status == 1 && said.stdout.contains("! homeserver-untrusted: "), "{said:?}");
    assert_eq!(
        (front.passed(), front.spoken_in_the_clear()),
        (Vec::new(), 0),
        "the password was shown to nobody"
    );
    // It comes in by itself as soon as it can.
    front.show(Certificate::Right);
    settled(&talk);
    assert_eq!(says(&talk, "homeserver-untrusted"), None);
}

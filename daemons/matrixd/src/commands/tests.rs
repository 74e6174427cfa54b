//! Commands of a room against an agent, a `policyd` and a map of rooms that only remember what they were asked.

use std::sync::Mutex;

use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId, device_id, event_id, room_id};
use testudo::approval::lease::Lease;
use testudo::context::{Context, Shortened};

use super::policy::{Rule, Rules};
use super::*;
use crate::incoming::Trust;
use crate::store::session_name;

const NOW: u64 = 1_000_000;

pub(super) fn config() -> Matrixd {
    Matrixd {
        owners: vec!["@ann:home.org".into()],
        members: vec!["@bob:home.org".into()],
        bridged: vec!["@signal_*:home.org".into()],
        ..Matrixd::default()
    }
}

pub(super) fn origin(sender: &str, trust: Trust) -> Origin {
    Origin {
        room: room_id!("!room:home.org").to_owned(),
        event: event_id!("$event").to_owned(),
        sender: OwnedUserId::try_from(sender).unwrap(),
        trust,
        sent_ms: NOW,
    }
}

pub(super) fn ann() -> Origin {
    origin("@ann:home.org", Trust::Verified(device_id!("D").to_owned()))
}

fn bob() -> Origin {
    origin("@bob:home.org", Trust::CrossSigned(device_id!("B").to_owned()))
}

pub(super) fn room() -> Place {
    Place { room: room_id!("!room:home.org").to_owned(), thread: None }
}

fn thread() -> Place {
    Place { thread: Some(event_id!("$root").to_owned()), ..room() }
}

/// Everything that commands need, in one.
#[derive(Default)]
pub(super) struct World {
    running: Vec<String>,
    gone: bool,
    waiting: usize,
    done: Mutex<Vec<String>>,
}

impl World {
    fn did(&self, what: String) {
        self.done.lock().unwrap().push(what);
    }

    pub(super) fn done(&self) -> Vec<String> {
        self.done.lock().unwrap().clone()
    }
}

impl Agent for World {
    fn stop<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        self.did(format!("stop {session}"));
        Box::pin(async move {
            if self.gone {
                return Err(Failure::new("stop the agent", "it is *not* there"));
            }
            Ok(self.running.iter().any(|running| running == session))
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<Session>, Failure>> {
        let session = |name: &String| Session {
            session: name.clone(),
            turns: 2,
            last_at: None,
            running: true,
            blocked: false,
            unattended: name.starts_with("cron-"),
            run: None,
            sealed: None,
        };
        Box::pin(async move { Ok(self.running.iter().map(session).collect()) })
    }

    fn context<'a>(&'a self, session: &'a str) -> BoxFuture<'a, Result<Context, Failure>> {
        let context = Context { session: session.to_owned(), ..Context::default() };
        Box::pin(async { Ok(context) })
    }

    fn use_model<'a>(
        &'a self,
        session: &'a str,
        model: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.did(format!("use {model} in {session} by {by}"));
        Box::pin(async { Ok(()) })
    }

    fn pin<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<u32, Failure>> {
        self.did(format!("pin {text:?} in {session} by {by}"));
        Box::pin(async { Ok(7) })
    }

    fn unpin<'a>(&'a self, session: &'a str, number: u32, by: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.did(format!("unpin {number} in {session} by {by}"));
        Box::pin(async { Ok(()) })
    }

    fn compact<'a>(&'a self, session: &'a str, by: &'a str) -> BoxFuture<'a, Result<Shortened, Failure>> {
        self.did(format!("compact {session} by {by}"));
        Box::pin(async { Ok(Shortened { messages: 4, before_bytes: 900, after_bytes: 300 }) })
    }
}

impl Policy for World {
    fn approvals(&self) -> BoxFuture<'_, Result<Vec<Approval>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn leases(&self) -> BoxFuture<'_, Result<Vec<Lease>, Failure>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn revoke<'a>(&'a self, lease: &'a str, by: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        self.did(format!("revoke {lease} by {by}"));
        Box::pin(async { Ok(()) })
    }

    fn rules<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Rules, Failure>> {
        let rule = |id: &str, enabled| Rule {
            id: id.into(),
            question: "Is it <b>kind</b>?".into(),
            mode: "block".into(),
            disableable: true,
            enabled,
        };
        let rules = vec![rule("no-money", true), rule("be-kind", false)];
        Box::pin(async { Ok(Rules { rules, rests: false }) })
    }

    fn switch<'a>(
        &'a self,
        session: &'a str,
        rule: &'a str,
        enabled: bool,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.did(format!("switch {session} {rule} {enabled} by {by}"));
        Box::pin(async { Ok(()) })
    }

    fn vouch<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        by: &'a str,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        self.did(format!("vouch {session} {text:?} by {by}"));
        Box::pin(async { Ok(()) })
    }
}

impl Rooms for World {
    fn session(&self, place: &Place) -> Result<String, Failure> {
        Ok(place.session())
    }

    fn renew(&self, place: &Place) -> Result<String, Failure> {
        self.did(format!("renew {}", place.session()));
        Ok("m-fresh".into())
    }

    fn place(&self, session: &str) -> Option<Place> {
        [room(), thread()].into_iter().find(|place| place.session() == session)
    }

    fn forget_waiting(&self, place: &Place) -> Result<usize, Failure> {
        self.did(format!("forget {}", place.session()));
        Ok(self.waiting)
    }
}

pub(super) fn commands(world: World) -> (Commands, Arc<World>) {
    let world = Arc::new(world);
    let commands = Commands::new(config(), Controls::all(), world.clone(), world.clone(), world.clone());
    (commands, world)
}

async fn answer(world: World, origin: &Origin, place: &Place, line: &str) -> (Handled, Vec<String>) {
    let (commands, world) = commands(world);
    let handled = commands.handle(origin, place, line, NOW).await;
    (handled, world.done())
}

fn text(handled: Handled) -> String {
    match handled {
        Handled::Answer(text) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_changes_something_is_done_for_an_owners_verified_device_and_nobody_else() {
    let (session, ann_id) = (room().session(), "@ann:home.org");
    for (line, done) in [
        ("/disable no-money", format!("switch {session} no-money false by {ann_id}")),
        ("/enable no-money", format!("switch {session} no-money true by {ann_id}")),
        ("/revoke l-3", format!("revoke l-3 by {ann_id}")),
        ("/model small", format!("use small in {session} by {ann_id}")),
        ("/pin be\nkind", format!("pin \"be\\nkind\" in {session} by {ann_id}")),
        ("/unpin 3", format!("unpin 3 in {session} by {ann_id}")),
        ("/compact", format!("compact {session} by {ann_id}")),
        ("/approve-context he is\nmy son", format!("vouch {session} \"he is\\nmy son\" by {ann_id}")),
    ] {
        let (handled, did) = answer(World::default(), &ann(), &room(), line).await;
        assert_eq!(did, [done], "{line}: {handled:?}");
        for other in [
            origin("@ann:home.org", Trust::CrossSigned(device_id!("X").to_owned())),
            origin("@ann:home.org", Trust::Plain),
            bob(),
            origin("@signal_1:home.org", Trust::Verified(device_id!("S").to_owned())),
            origin("@eve:evil.net", Trust::Verified(device_id!("E").to_owned())),
        ] {
            let (handled, did) = answer(World::default(), &other, &room(), line).await;
            assert!(did.is_empty() && !matches!(handled, Handled::Say(_)), "{other:?}: {handled:?} {did:?}");
        }
    }
}

#[tokio::test]
async fn members_see_and_stop_what_runs_in_their_room() {
    let world = || World { running: vec![room().session()], waiting: 1, ..World::default() };
    let (handled, did) = answer(world(), &bob(), &room(), "/stop").await;
    assert_eq!(text(handled), "■ Stopped. One message that waited was dropped.");
    let session = room().session();
    assert_eq!(did, [format!("forget {session}"), format!("stop {session}")], "what waits does not begin");

    let (handled, _) = answer(world(), &bob(), &room(), "/status").await;
    assert_eq!(text(handled), "Something is running here; `/stop` ends it.");
    let (handled, did) = answer(World::default(), &bob(), &room(), "/new").await;
    assert!(text(handled).contains("`m-fresh`"));
    assert_eq!(did, [format!("renew {session}")]);
    let (handled, _) = answer(world(), &bob(), &room(), "/help").await;
    assert!(!text(handled).contains("/disable"));
}

#[tokio::test]
async fn a_stop_is_of_the_place_where_it_is_said() {
    let world = || World { running: vec![thread().session()], ..World::default() };
    let (handled, _) = answer(world(), &ann(), &room(), "/stop").await;
    assert_eq!(
        text(handled),
        "Nothing is running here. In 1 other session of this room something is: say `/stop` there."
    );
    let (handled, did) = answer(world(), &ann(), &thread(), "/STOP please").await;
    assert_eq!(text(handled), "■ Stopped.");
    assert_eq!(
        did.last(),
        Some(&format!("stop {}", session_name(&thread().room, thread().thread.as_deref())))
    );
    let (handled, _) = answer(World { gone: true, ..World::default() }, &ann(), &room(), "/stop").await;
    assert_eq!(text(handled), "⚠ cannot stop the agent: it is \\*not\\* there");
}

#[tokio::test]
async fn a_session_is_not_renewed_while_it_runs_nor_in_a_thread() {
    let world = World { running: vec![room().session()], ..World::default() };
    let (handled, did) = answer(world, &ann(), &room(), "/new").await;
    assert!(text(handled).contains("`/stop`") && did.is_empty());
    let (handled, did) = answer(World::default(), &ann(), &thread(), "/new").await;
    assert!(text(handled).starts_with("A thread is a session of its own") && did.is_empty());
}

#[tokio::test]
async fn what_is_no_command_is_to_be_said() {
    for (line, said) in [("//stop it", "/stop it"), ("hello", "hello"), ("\u{ff0f}stop", "\u{ff0f}stop")] {
        let (handled, did) = answer(World::default(), &ann(), &room(), line).await;
        assert_eq!(handled, Handled::Say(said.into()));
        assert!(did.is_empty());
    }
}

#[tokio::test]
async fn mistakes_are_answered_and_strangers_are_not() {
    let (handled, _) = answer(World::default(), &bob(), &room(), "/stpo").await;
    assert_eq!(text(handled), "there is no /stpo, did you mean /stop?: /help lists what there is");
    let (handled, _) = answer(World::default(), &ann(), &room(), "/[x](http://evil)").await;
    assert!(text(handled).starts_with("there is no /\\[x\\]"));
    for line in ["/help", "/stop", "/stpo"] {
        let eve = origin("@eve:evil.net", Trust::Verified(device_id!("E").to_owned()));
        assert_eq!(answer(World::default(), &eve, &room(), line).await, (Handled::Silence, vec![]), "{line}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_once_and_holds_all_the_same() {
    let (commands, world) = commands(World::default());
    let first = commands.handle(&bob(), &room(), "/revoke l-1", NOW).await;
    assert!(text(first).starts_with("That is for owners only"));
    assert_eq!(commands.handle(&bob(), &room(), "/rules", NOW + 1).await, Handled::Silence);
    let there = origin("@ann:home.org", Trust::Unverified(device_id!("X").to_owned()));
    assert!(text(commands.handle(&there, &room(), "/rules", NOW).await).contains("testudoctl matrix verify"));
    assert!(world.done.lock().unwrap().is_empty());
}

#[tokio::test]
async fn every_command_of_the_table_has_an_answer_for_an_owner() {
    for entry in &testudo::command::table::TABLE {
        let Some(usage) = entry.matrix else { continue };
        let line =
            format!("/{} {}", entry.name, usage.arguments).replace(['[', ']'], "").replace("NUMBER", "1");
        let (handled, _) = answer(World::default(), &ann(), &room(), &line).await;
        let text = text(handled);
        assert!(!text.is_empty() && !text.starts_with('⚠') && text.len() < 8_000, "{line}: {text}");
    }
}

#[tokio::test]
async fn rules_and_posture_show_what_is_off() {
    let (handled, _) = answer(World::default(), &ann(), &room(), "/rules").await;
    let rules = text(handled);
    assert!(rules.contains("- `be-kind` (block, **off here**): Is it \\<b\\>kind\\</b\\>?"), "{rules}");
    let (handled, _) = answer(World::default(), &ann(), &room(), "/security").await;
    let posture = text(handled);
    assert!(posture.contains("2, **1 off here**") && posture.contains("1 owner, 1 member"), "{posture}");
}

#[tokio::test]
async fn what_nobody_watches_is_told_to_owners() {
    let running = vec!["main".to_owned(), "cron-mail".to_owned()];
    let world = World { running, ..World::default() };
    let (handled, did) = answer(world, &ann(), &room(), "/jobs").await;
    let text = text(handled);
    assert!(
        text.starts_with("- `cron-mail`: ") && text.lines().count() == 1 && did.is_empty(),
        "{text} {did:?}"
    );
    let (handled, _) = answer(World::default(), &bob(), &room(), "/jobs").await;
    assert_ne!(handled, Handled::Answer(text));
}

#[test]
fn a_room_is_named_as_the_store_names_it() {
    let other = Place { room: OwnedRoomId::try_from("!b:home.org").unwrap(), thread: None };
    assert_ne!(room().session(), other.session());
}

#[tokio::test]
async fn what_a_session_has_is_told_to_owners_and_looking_changes_nothing() {
    for (line, expected) in [
        ("/model", "The models cannot be listed now"),
        ("/usage", "No model was asked here yet."),
        ("/budget", "There is no limit"),
        ("/pin", "Nothing is pinned here"),
    ] {
        let (handled, did) = answer(World::default(), &ann(), &room(), line).await;
        let text = text(handled);
        assert!(text.contains(expected) && did.is_empty(), "{line}: {text} {did:?}");
        let (handled, _) = answer(World::default(), &bob(), &room(), line).await;
        assert_eq!(
            handled,
            Handled::Answer("That is for owners only. `/help` lists what there is for you.".into())
        );
    }
    let (handled, _) = answer(World::default(), &ann(), &thread(), "/compact").await;
    assert!(text(handled).starts_with("A summary by the model stands for 4 messages from now on"));
}

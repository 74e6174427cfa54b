//! Rooms in which nothing may be said for a while.

use super::*;

/// A homeserver that accepts everything, with somebody in room 1 who must not hear it.
struct Haunted {
    inner: Arc<Rehearsed>,
    is_there: AtomicBool,
}

impl Haunted {
    fn new() -> Arc<Self> {
        let inner = Rehearsed::new(|_, _, _| Answer::Accept);
        Arc::new(Self { inner, is_there: AtomicBool::new(true) })
    }
}

impl Homeserver for Haunted {
    fn send<'a>(
        &'a self,
        room: &'a RoomId,
        transaction: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<OwnedEventId, SendError>> {
        self.inner.send(room, transaction, outgoing)
    }

    fn held<'a>(&'a self, of: &'a RoomId) -> BoxFuture<'a, Option<String>> {
        let is_held = of == room(1) && self.is_there.load(Ordering::SeqCst);
        std::future::ready(is_held.then(|| "somebody is there".to_owned())).boxed()
    }

    fn typing<'a>(&'a self, room: &'a RoomId, is_typing: bool) -> BoxFuture<'a, ()> {
        self.inner.typing(room, is_typing)
    }

    fn read<'a>(&'a self, room: &'a RoomId, event: &'a EventId) -> BoxFuture<'a, ()> {
        self.inner.read(room, event)
    }

    fn download<'a>(
        &'a self,
        source: &'a serde_json::Value,
        limit: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, SendError>> {
        self.inner.download(source, limit)
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_said_now_is_said_later_in_its_order_and_holds_up_no_other_room() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Haunted::new();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let held = [words(1, "one"), words(1, "two")].map(|post| outbox.queue(post).unwrap());
    outbox.queue(words(2, "elsewhere")).unwrap().delivered().await;
    tokio::time::sleep(Duration::from_hours(6)).await;
    assert_eq!(server.inner.timeline(), [(2, "elsewhere".to_owned())]);
    assert_eq!(outbox.counts().unwrap().queued, 2, "nothing is lost");
    server.is_there.store(false, Ordering::SeqCst);
    let gone = Instant::now();
    for ticket in held {
        assert!(matches!(ticket.delivered().await, Delivery::Sent(_)));
    }
    assert!(gone.elapsed() < Duration::from_secs(10), "it was no failure that it waited");
    let said: Vec<String> = server.inner.timeline().into_iter().map(|(_, words)| words).collect();
    assert_eq!(said, ["elsewhere", "one", "two"]);
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Haunted::new();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let (began, hour) = (Instant::now(), Duration::from_hours(1));
    let until = outbox.now_ms() + i64::try_from(hour.as_millis()).unwrap();
    let delivery = outbox.queue(words(1, "one").until(until)).unwrap().delivered().await;
    assert!(matches!(delivery, Delivery::Failed(_)), "{delivery:?}");
    assert_eq!(began.elapsed(), hour);
    assert!(server.inner.timeline().is_empty());
    courier.abort();
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_else_waits_for_a_week() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    outbox.queue(words(1, "one")).unwrap();
    let week = Duration::from_hours(7 * 24);
    let expires_ms = outbox.posts.heads().unwrap()[0].expires_ms;
    assert_eq!(expires_ms, outbox.now_ms() + i64::try_from(week.as_millis()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn while_nothing_may_be_said_the_disk_is_left_alone_and_who_is_in_a_hurry_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = outbox(&directory);
    let server = Haunted::new();
    let courier = tokio::spawn(courier::run(outbox.clone(), server.clone(), recorded()));
    let ticket = outbox.queue(words(1, "one")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let changes = || {
        let changes = |database: &rusqlite::Connection| Ok(database.total_changes());
        outbox.posts.store().with(changes).unwrap()
    };
    let before = changes();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(changes(), before);
    server.is_there.store(false, Ordering::SeqCst);
    outbox.hurry(&room(1)).unwrap();
    let hurried = Instant::now();
    ticket.delivered().await;
    assert!(hurried.elapsed() < Duration::from_millis(100), "{:?}", hurried.elapsed());
    courier.abort();
}

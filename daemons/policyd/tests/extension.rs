//! The extension layer against processes that answer, lie, break off and hang, over a real socket.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::config;
use testudo::extension::{Component, MAX_FRAME, Opinion, Reply, Request, Stance};
use testudo::frame;
use testudo::identity::Principal;
use testudo_policyd::extension::{Extension, WINDOW};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Two configured components, the socket of a process that each test plays, and a clock that it turns.
struct Stage {
    directory: tempfile::TempDir,
    listener: UnixListener,
    extension: Extension,
    now: Arc<Mutex<Instant>>,
}

/// The process of one connection.
struct Process {
    reading: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a.wasm"), "a").unwrap();
        std::fs::write(path("b.wasm"), "b").unwrap();
        let listener = UnixListener::bind(path("socket")).unwrap();
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = Arc::clone(&now);
        let config = config::Extension { components: vec![path("a.wasm"), path("b.wasm")] };
        let extension =
            Extension::configured(&config, &path("socket"), Arc::new(move || *clock.lock().unwrap()))
                .unwrap();
        Self { directory, listener, extension, now }
    }

    async fn accept(&self) -> Process {
        let (stream, _) = self.listener.accept().await.unwrap();
        let (reading, writing) = stream.into_split();
        Process { reading: BufReader::new(reading), writing }
    }

    async fn hello(&self) -> Process {
        let mut process = self.accept().await;
        process.say(&Reply::Hello { components: self.extension.components().to_vec() }).await;
        process
    }

    /// Asks about a call, beside whatever else the test does.
    fn ask(&self) -> tokio::task::JoinHandle<Vec<Opinion>> {
        let extension = self.extension.clone();
        tokio::spawn(async move { extension.opinions(&judged("x")).await })
    }

    fn later(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    /// True when a connection waits; the layer would have made it before it answered.
    async fn somebody_knocks(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(50), self.listener.accept()).await.is_ok()
    }
}

impl Process {
    async fn say(&mut self, reply: &Reply) {
        frame::write(&mut self.writing, serde_json::to_vec(reply).unwrap(), MAX_FRAME).await.unwrap();
    }

    async fn raw(&mut self, bytes: &[u8]) {
        self.writing.write_all(bytes).await.unwrap();
    }

    /// The id of the next request.
    async fn request(&mut self) -> u64 {
        let text = frame::read(&mut self.reading, MAX_FRAME).await.unwrap().unwrap();
        let Request::Evaluate { id, .. } = serde_json::from_slice(&text).unwrap();
        id
    }

    async fn opinion(&mut self, id: u64, component: &str, stance: Stance, reason: &str) {
        let opinion = Opinion { component: component.into(), stance, reason: reason.into() };
        self.say(&Reply::Opinion { id, opinion }).await;
    }

    /// Waits until the other side hangs up.
    async fn gone(mut self) {
        while frame::read(&mut self.reading, MAX_FRAME).await.unwrap().is_some() {}
    }
}

fn judged(content: &str) -> Judged {
    let action = Action {
        tool: "fs.write".into(),
        arguments: json!({"path": "a", "content": content}),
        effect: Effect::Write,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Operator("alice".into()),
        change_set: None,
    };
    Judged::new(action, "c-1")
}

fn assert_denied(opinions: &[Opinion], because: &str) {
    assert_eq!(opinions.len(), 2, "{opinions:?}");
    for opinion in opinions {
        assert_eq!(opinion.stance, Stance::Deny, "{opinion:?}");
        assert!(opinion.reason.contains(because), "{because} is not in {opinion:?}");
    }
}

#[tokio::test]
async fn without_components_there_are_no_opinions_and_no_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let extension =
        Extension::configured(&config::Extension::default(), &path, Arc::new(Instant::now)).unwrap();
    extension.warm().await;
    assert!(extension.opinions(&judged("x")).await.is_empty());
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn a_component_that_cannot_be_read_is_named_at_the_start() {
    let config = config::Extension { components: vec![PathBuf::from("/nowhere/x.wasm")] };
    let error = Extension::configured(&config, "/nowhere/socket".as_ref(), Arc::new(Instant::now));
    let Err(error) = error else { panic!("it was read") };
    assert_eq!(
        error.to_string(),
        "cannot read the extension /nowhere/x.wasm: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn opinions_come_in_the_order_of_the_configuration() {
    let stage = Stage::new();
    let asked = stage.ask();
    let mut process = stage.hello().await;
    let id = process.request().await;
    process.opinion(id, "b", Stance::Ask, "why not").await;
    process.opinion(id, "a", Stance::Pass, "").await;
    let opinions = asked.await.unwrap();
    assert_eq!(opinions[0], Opinion { component: "a".into(), stance: Stance::Pass, reason: String::new() });
    assert_eq!(opinions[1], Opinion { component: "b".into(), stance: Stance::Ask, reason: "why not".into() });
}

#[tokio::test]
async fn concurrent_calls_get_their_own_answers() {
    let stage = Stage::new();
    let asked: Vec<_> = (0..50).map(|_| stage.ask()).collect();
    let mut process = stage.hello().await;
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(process.request().await);
    }
    // Answered backwards and interleaved: every reason names the request.
    for component in ["b", "a"] {
        for id in ids.iter().rev() {
            process.opinion(*id, component, Stance::Allow, &id.to_string()).await;
        }
    }
    let mut answered = Vec::new();
    for call in asked {
        let opinions = call.await.unwrap();
        assert_eq!(opinions[0].reason, opinions[1].reason);
        answered.push(opinions[0].reason.parse::<u64>().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, ids);
}

#[tokio::test]
async fn one_connection_serves_all_calls() {
    let stage = Stage::new();
    let asked = stage.ask();
    let mut process = stage.hello().await;
    for round in 0..3 {
        let id = process.request().await;
        assert_eq!(id, round);
        process.opinion(id, "a", Stance::Pass, "").await;
        process.opinion(id, "b", Stance::Pass, "").await;
        if round == 2 {
            break;
        }
        drop(stage.ask());
    }
    let _ = asked.await.unwrap();
    assert!(!stage.somebody_knocks().await);
}

#[tokio::test]
async fn a_break_denies_what_is_under_way_and_is_forgiven_once() {
    let stage = Stage::new();
    let asked = stage.ask();
    let mut process = stage.hello().await;
    let id = process.request().await;
    process.opinion(id, "a", Stance::Allow, "fine").await;
    drop(process);
    // The next process is started before anybody asks again.
    let mut process = stage.hello().await;
    let opinions = asked.await.unwrap();
    assert_eq!(opinions[0].stance, Stance::Allow, "what was said before the end counts");
    assert_eq!(
        (opinions[1].stance, opinions[1].reason.as_str()),
        (Stance::Deny, "the extension process broke off")
    );
    let asked = stage.ask();
    let id = process.request().await;
    process.opinion(id, "a", Stance::Pass, "").await;
    process.opinion(id, "b", Stance::Pass, "").await;
    assert_eq!(asked.await.unwrap()[1].stance, Stance::Pass);
    assert_eq!(stage.extension.off().await, None);
}

#[tokio::test]
async fn a_second_break_within_the_window_turns_it_off_for_good() {
    let stage = Stage::new();
    let asked = stage.ask();
    drop(stage.hello().await);
    assert_denied(&asked.await.unwrap(), "broke off");
    stage.later(WINDOW);
    let asked = stage.ask();
    let mut process = stage.hello().await;
    process.request().await;
    drop(process);
    assert_denied(&asked.await.unwrap(), "");
    // Whatever time passes.
    stage.later(Duration::from_hours(24));
    assert_denied(&stage.ask().await.unwrap(), "the extension layer is off and denies everything");
    assert!(stage.extension.off().await.is_some());
    assert!(!stage.somebody_knocks().await);
}

#[tokio::test]
async fn a_second_break_after_the_window_is_a_first_one_again() {
    let stage = Stage::new();
    for _ in 0..4 {
        let asked = stage.ask();
        let mut process = stage.hello().await;
        process.request().await;
        stage.later(WINDOW + Duration::from_secs(1));
        drop(process);
        assert_denied(&asked.await.unwrap(), "broke off");
    }
    let _process = stage.hello().await;
    assert_eq!(stage.extension.off().await, None);
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_tried_twice() {
    let stage = Stage::new();
    std::fs::remove_file(stage.directory.path().join("socket")).unwrap();
    assert_denied(&stage.ask().await.unwrap(), "cannot connect to the extension process");
    assert!(stage.extension.off().await.is_some());
}

#[tokio::test]
async fn other_components_than_configured_are_not_asked() {
    let swapped = |components: &mut Vec<Component>| components.swap(0, 1);
    let changed = |components: &mut Vec<Component>| components[1].sha256 = "0".repeat(64);
    let fewer = |components: &mut Vec<Component>| drop(components.pop());
    for change in [&swapped as &dyn Fn(&mut Vec<Component>), &changed, &fewer] {
        let stage = Stage::new();
        let asked = stage.ask();
        let mut process = stage.accept().await;
        let mut components = stage.extension.components().to_vec();
        change(&mut components);
        process.say(&Reply::Hello { components }).await;
        assert_denied(&asked.await.unwrap(), "has loaded other components than were configured");
        process.gone().await;
        assert!(!stage.somebody_knocks().await, "another attempt would meet the same");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let stage = Stage::new();
    let asked = stage.ask();
    let mut process = stage.accept().await;
    process.say(&Reply::Refused { reason: "a.wasm imports wasi:cli/environment".into() }).await;
    assert_denied(&asked.await.unwrap(), "a.wasm imports wasi:cli/environment");
    assert!(!stage.somebody_knocks().await);
}

/// What a process may say wrong after its hello, while one call waits.
#[tokio::test]
async fn whatever_does_not_fit_the_protocol_ends_the_connection() {
    let hello = serde_json::to_string(&Reply::Hello { components: vec![] }).unwrap();
    let long = format!(
        r#"{{"opinion":{{"id":0,"opinion":{{"component":"a","stance":"deny","reason":"{}"}}}}}}"#,
        "x".repeat(70_000)
    );
    let opinion = |id: u64, component: &str, stance: &str, more: &str| {
        format!(
            r#"{{"opinion":{{"id":{id},"opinion":{{"component":"{component}","stance":"{stance}","reason":""{more}}}}}}}"#
        )
    };
    let wrong = [
        "garbage".to_owned(),
        String::new(),
        "{}".to_owned(),
        "\u{feff}[]".to_owned(),
        "[".repeat(1000),
        hello,
        long,
        opinion(0, "c", "allow", ""),
        opinion(7, "a", "allow", ""),
        opinion(0, "a", "certainly", ""),
        opinion(0, "a", "allow", r#","trusted":true"#),
        opinion(0, "a", "allow", r#","stance":"deny""#),
        format!("{}\0{}", opinion(0, "a", "deny", ""), opinion(0, "a", "allow", "")),
    ];
    for text in wrong {
        let stage = Stage::new();
        let asked = stage.ask();
        let mut process = stage.hello().await;
        process.request().await;
        process.raw(text.as_bytes()).await;
        process.raw(&[0]).await;
        let opinions = asked.await.unwrap();
        assert_eq!(opinions[1].stance, Stance::Deny, "{text:.80}: {opinions:?}");
        assert!(opinions.iter().all(|opinion| opinion.stance == Stance::Deny), "{text:.80}: {opinions:?}");
        process.gone().await;
        drop(stage.hello().await);
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_end_the_connection() {
    let stage = Stage::new();
    let asked = stage.ask();
    let mut process = stage.hello().await;
    process.request().await;
    process.raw(&[0xff, 0xfe, 0]).await;
    assert_denied(&asked.await.unwrap(), "broke off");
}

#[tokio::test]
async fn a_late_opinion_is_a_denial_and_no_break() {
    let stage = Stage::new();
    let began = Instant::now();
    let asked = stage.ask();
    let mut process = stage.hello().await;
    let id = process.request().await;
    assert_denied(&asked.await.unwrap(), "gave no opinion in time");
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    process.opinion(id, "a", Stance::Allow, "too late").await;
    process.opinion(id, "b", Stance::Allow, "too late").await;
    let asked = stage.ask();
    let id = process.request().await;
    process.opinion(id, "a", Stance::Pass, "").await;
    process.opinion(id, "b", Stance::Pass, "").await;
    assert_eq!(asked.await.unwrap()[0].stance, Stance::Pass);
}

#[tokio::test]
async fn a_process_that_hangs_is_given_up() {
    let stage = Stage::new();
    let first = stage.ask();
    // It says hello, and then takes everything and answers nothing.
    let hung = stage.hello().await;
    assert_denied(&first.await.unwrap(), "gave no opinion in time");
    let replaced = async {
        loop {
            assert_denied(&stage.ask().await.unwrap(), "");
        }
    };
    tokio::select! {
        _ = stage.hello() => {}
        () = replaced => {}
    }
    hung.gone().await;
}

#[tokio::test]
async fn a_call_too_large_to_be_told_is_denied_and_breaks_nothing() {
    let stage = Stage::new();
    let warming = tokio::spawn({
        let extension = stage.extension.clone();
        async move { extension.warm().await }
    });
    let mut process = stage.hello().await;
    warming.await.unwrap();
    let opinions = stage.extension.opinions(&judged(&"x".repeat(MAX_FRAME))).await;
    assert_denied(&opinions, "too large to be judged");
    // Nothing was asked, so however long the process says nothing it does not hang.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_denied(&stage.ask().await.unwrap(), "gave no opinion in time");
    process.request().await;
    let asked = stage.ask();
    let id = process.request().await;
    process.opinion(id, "a", Stance::Pass, "").await;
    process.opinion(id, "b", Stance::Pass, "").await;
    assert_eq!(asked.await.unwrap()[0].stance, Stance::Pass);
}

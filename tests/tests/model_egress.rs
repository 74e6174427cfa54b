//! A completion goes out through `egressd`: the model server sees the key, and nobody else ever does.

use serde_json::{Value, json};
use testudo_tests::outside::{Answer, Outside};
use testudo_tests::{Scene, text};

const KEY: &str = "sk-live-0123456789abcdefghijklmnopqrstuv";
const HOST: &str = "models.test";

/// The whole of an answer that says something, as servers give it that do not stream.
fn saying(words: &str) -> Answer {
    let body = json!({"model": "m", "choices": [{"message": {"content": words}, "finish_reason": "stop"}]});
    Answer::of("200 OK", "application/json", &body.to_string())
}

/// An appliance whose model is at `base`, with the key bound to `bound`.
fn scene(outside: &Outside, base: &str, bound: Option<&str>) -> Scene {
    Scene::with(|plan| {
        outside.configure(plan);
        plan.set("modeld", "provider", "openai").set("modeld", "base_url", base).set("modeld", "model", "m");
        if let Some(bound) = bound {
            outside.secret(plan, "model", bound, KEY);
            plan.set("modeld", "api_key_secret", "model");
        }
    })
}

fn ask(scene: &Scene) -> Value {
    scene.ctl(&["send", "--wait", "--json", "hello"]).json()
}

/// Whether the readable memory of a process holds these bytes.
fn memory_holds(pid: i32, needle: &[u8]) -> bool {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("it runs");
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("root may look");
    let readable =
        maps.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|f| f.starts_with('r')));
    readable.filter(|line| !line.ends_with("[vvar]") && !line.ends_with("[vsyscall]")).any(|line| {
        let range = line.split_whitespace().next().and_then(|range| range.split_once('-'));
        let (Some(from), Some(to)) = (
            range.and_then(|(from, _)| u64::from_str_radix(from, 16).ok()),
            range.and_then(|(_, to)| u64::from_str_radix(to, 16).ok()),
        ) else {
            return false;
        };
        let mut bytes = vec![0; usize::try_from(to - from).expect("it fits")];
        let read = memory.seek(SeekFrom::Start(from)).and_then(|_| memory.read(&mut bytes));
        read.is_ok_and(|length| bytes[..length].windows(needle.len()).any(|window| window == needle))
    })
}

#[test]
fn the_server_sees_the_key_and_modeld_never_does() {
    let outside = Outside::start();
    outside.answer(HOST, "/v1/chat/completions", saying("good evening"));
    let base = outside.url(HOST, "/v1");
    let scene = scene(&outside, &base, Some(&format!("{base}/")));
    let answer = ask(&scene);
    assert_eq!(text(&answer, "reply"), "good evening", "{answer}");

    let received = outside.received();
    let request =
        received.iter().find(|request| request.target.ends_with("/chat/completions")).expect("it came");
    assert!(request.tls && request.method == "POST");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));

    let modeld = scene.appliance.pid_of("modeld").expect("it runs");
    assert!(memory_holds(modeld, b"{{secret:model}}"), "the search finds what is there");
    assert!(!memory_holds(modeld, KEY.as_bytes()), "modeld holds the key");
    let environment = std::fs::read(format!("/proc/{modeld}/environ")).expect("root may look");
    assert!(!String::from_utf8_lossy(&environment).contains(KEY));
    assert!(!scene.log().iter().any(|record| record.to_string().contains(KEY)));
    assert!(scene.recorded("egress.opened", |record| record.to_string().contains(HOST)));
}

#[test]
fn a_server_that_repeats_the_key_gets_it_blotted_out() {
    let outside = Outside::start();
    let base = outside.url(HOST, "/v1");
    outside.answer(HOST, "/v1/chat/completions", saying(&format!("your key is {KEY}, is it not?")));
    let scene = scene(&outside, &base, Some(&format!("{base}/")));
    let answer = ask(&scene);
    assert!(text(&answer, "reply").starts_with("your key is "), "{answer}");
    assert!(!answer.to_string().contains(KEY), "{answer}");
    let modeld = scene.appliance.pid_of("modeld").expect("it runs");
    assert!(!memory_holds(modeld, KEY.as_bytes()), "modeld got the key from the server");
}

#[test]
fn a_redirect_carries_the_key_nowhere() {
    let outside = Outside::start();
    let base = outside.url(HOST, "/v1");
    outside.answer(
        HOST,
        "/v1/chat/completions",
        Answer::redirect(&outside.url("evil.test", "/v1/chat/completions")),
    );
    outside.answer("evil.test", "/v1/chat/completions", saying("thanks"));
    let scene = scene(&outside, &base, Some(&format!("{base}/")));
    let answer = ask(&scene);
    assert!(answer.to_string().contains("redirects elsewhere"), "{answer}");
    assert!(outside.received().iter().all(|request| request.host() == HOST));
}

#[test]
fn without_egressd_the_error_says_so() {
    let outside = Outside::start();
    let scene = Scene::with(|plan| {
        outside.configure(plan);
        plan.set("modeld", "provider", "openai")
            .set("modeld", "base_url", outside.url(HOST, "/v1"))
            .set("modeld", "model", "m")
            .set("modeld", "egress_socket", "/run/testudo/egress/nobody.sock");
    });
    let answer = ask(&scene);
    assert!(answer.to_string().contains("testudo-egressd does not answer"), "{answer}");
    assert!(outside.received().is_empty());
}

#[test]
fn a_server_on_this_machine_is_reached_without_being_named_twice() {
    let outside = Outside::start();
    let port = outside.web.http;
    outside.answer("127.0.0.1", "/v1/chat/completions", saying("from next door"));
    let scene = Scene::with(|plan| {
        plan.set("modeld", "provider", "openai")
            .set("modeld", "base_url", format!("http://127.0.0.1:{port}/v1"))
            .set("modeld", "model", "m");
    });
    let answer = ask(&scene);
    assert_eq!(text(&answer, "reply"), "from next door", "{answer}");
}

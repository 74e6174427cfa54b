//! The daemon's process over a private bus: answers, streams, limits, cancelling, stopping.

use futures_util::StreamExt as _;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo::model::{Completion, CompletionRequest, Finish, Message, ToolSpec};
use testudo::proxy::{Models1Proxy, Options};

use crate::process::{Process, program};
use crate::server::{Act, BASE_URL, Seen, Server, refusing, saying, soon, stream, text};

fn request(said: &str) -> String {
    let tool = ToolSpec { name: "fs.read".into(), description: String::new(), parameters: json!({}) };
    serde_json::to_string(&CompletionRequest::new(vec![Message::user(said)], vec![tool])).unwrap()
}

fn config(server: &Server) -> String {
    format!(
        "[modeld]\nprovider = \"openai\"\nbase_url = \"{BASE_URL}\"\nmodel = \"m\"\negress_socket = {:?}\n\
         api_key_secret = \"key\"\n[egressd.secrets.key]\nendpoint = \"{BASE_URL}/\"\n",
        server.socket
    )
}

async fn complete(models: &Models1Proxy<'_>, id: &str, request: &str) -> zbus::Result<Completion> {
    let response = soon(models.complete(id, request, Options::new())).await?;
    Ok(serde_json::from_str(&response).unwrap())
}

#[track_caller]
fn is_error<T: std::fmt::Debug>(result: zbus::Result<T>, name: &str) -> String {
    match result.unwrap_err() {
        zbus::Error::MethodError(given, text, _) => {
            assert_eq!(given.as_str(), format!("org.testudo.Error.{name}"), "{text:?}");
            text.unwrap_or_default()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_rehearsal_plans_streams_and_is_recorded() {
    let mut process = Process::start("").await;
    let models = process.models().await;
    assert_eq!(
        serde_json::from_str::<Value>(&models.list().await.unwrap()).unwrap(),
        json!([{"name": "rehearsal", "provider": "rehearsal", "configured": true}])
    );
    let stranger = process.models().await;
    let mut not_theirs = stranger.receive_delta().await.unwrap();
    let mut deltas = models.receive_delta().await.unwrap();
    let completion = complete(&models, "a", &request("read x, then read y")).await.unwrap();
    assert_eq!(completion.finish, Finish::ToolCalls);
    assert_eq!(completion.tool_calls[0].arguments, json!({"path": "x"}));
    let mut heard = String::new();
    for seq in 0.. {
        if heard == completion.text {
            break;
        }
        let signal = soon(deltas.next()).await.unwrap();
        let args = signal.args().unwrap();
        assert_eq!((args.id.as_str(), args.seq), ("a", seq));
        heard += &args.text;
    }
    // The bus keeps order: had a piece been sent to others, it would have come before this answer.
    stranger.list().await.unwrap();
    assert!(futures_util::FutureExt::now_or_never(not_theirs.next()).is_none());

    let record = process.records.lock().unwrap()[0].clone();
    assert_eq!(
        (&record["event"], &record["detail"]["finish"]),
        (&json!("model.completed"), &json!("tool_calls"))
    );
    assert_eq!(record["detail"]["request"], "a");
    assert!(!record.to_string().contains("read x"), "the record holds the conversation: {record}");

    process.signal(Signal::SIGTERM);
    while !process.heard().await.contains("STOPPING=1") {}
    assert!(process.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn malformed_requests_are_refused_before_anything_is_done() {
    let process = Process::start("").await;
    let models = process.models().await;
    let long = |length: usize| request(&"x".repeat(length));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let many =
        serde_json::to_string(&CompletionRequest::new(vec![Message::user("x".repeat(90_000)); 12], vec![]))
            .unwrap();
    for (request, error) in [
        ("", "InvalidArgument"),
        ("{}", "InvalidArgument"),
        ("[]", "InvalidArgument"),
        ("{\"messages\": []}", "InvalidArgument"),
        ("{\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"uid\": 0}]}", "InvalidArgument"),
        ("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"temperature\": 9}", "InvalidArgument"),
        ("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"model\": \"other\"}", "NotFound"),
        (&deep, "TooLarge"),
        (&long(101 * 1024), "TooLarge"),
        (&many, "TooLarge"),
    ] {
        is_error(complete(&models, "a", request).await, error);
    }
    for id in ["", "a b", "é", &"x".repeat(129)] {
        is_error(complete(&models, id, &request("ls")).await, "InvalidArgument");
    }
    let option = |name, value: &'static str| Options::from([(name, value.into())]);
    is_error(models.complete("a", &request("ls"), option("model", "other")).await, "NotFound");
    is_error(models.complete("a", &request("ls"), option("shell", "sh")).await, "InvalidArgument");
    models.complete("a", &request("ls"), option("model", "rehearsal")).await.unwrap();
}

#[tokio::test]
async fn completions_are_cancelled_by_their_caller_only_and_counted() {
    let mut server = Server::playing(vec![vec![stream(), text("so far"), Act::Hold]]);
    let process = Process::start(&config(&server)).await;
    let (models, other) = (process.models().await, process.models().await);
    let mut deltas = models.receive_delta().await.unwrap();
    let under_way: Vec<_> = (0..4)
        .map(|at| {
            let models = models.clone();
            tokio::spawn(async move { complete(&models, &format!("c{at}"), &request("hi")).await.unwrap() })
        })
        .collect();
    for _ in 0..4 {
        soon(deltas.next()).await.unwrap();
    }
    is_error(complete(&models, "c9", &request("hi")).await, "Busy");
    assert!(!other.cancel("c0").await.unwrap());
    assert!(!models.cancel("c9").await.unwrap());
    for at in 0..4 {
        assert!(models.cancel(&format!("c{at}")).await.unwrap());
    }
    for completion in under_way {
        let completion = completion.await.unwrap();
        assert_eq!((completion.finish, completion.text.as_str()), (Finish::Cancelled, "so far"));
    }
    let mut hung_up = 0;
    while hung_up < 4 {
        hung_up += usize::from(server.next().await == Seen::HungUp);
    }
    assert!(process.records.lock().unwrap().iter().all(|record| record["detail"]["finish"] == "cancelled"));
}

#[tokio::test]
async fn a_busy_caller_leaves_the_others_their_share() {
    let server = Server::playing(
        vec![vec![stream(), text("a"), Act::Hold]; 4].into_iter().chain([saying("yes")]).collect(),
    );
    let process = Process::start(&config(&server)).await;
    let (busy, other) = (process.models().await, process.models().await);
    let mut deltas = busy.receive_delta().await.unwrap();
    for at in 0..4 {
        let busy = busy.clone();
        tokio::spawn(async move { complete(&busy, &format!("c{at}"), &request("hi")).await });
    }
    for _ in 0..4 {
        soon(deltas.next()).await.unwrap();
    }
    assert_eq!(complete(&other, "a", &request("hi")).await.unwrap().text, "yes");
}

#[tokio::test]
async fn a_verdict_is_for_policyd_alone() {
    let process = Process::start("").await;
    let judging = serde_json::to_string(&CompletionRequest {
        purpose: testudo::model::Purpose::Judge,
        ..CompletionRequest::new(vec![Message::user("hi")], Vec::new())
    });
    is_error(complete(&process.models().await, "a", &judging.unwrap()).await, "Denied");
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_completions() {
    let mut server = Server::playing(vec![vec![stream(), text("a"), Act::Hold], saying("still here")]);
    let process = Process::start(&config(&server)).await;
    let leaving = process.connect().await;
    let models = Models1Proxy::new(&leaving).await.unwrap();
    let mut deltas = models.receive_delta().await.unwrap();
    let call = tokio::spawn(async move { complete(&models, "a", &request("hi")).await });
    soon(deltas.next()).await.unwrap();
    call.abort();
    let _aborted = call.await;
    drop(deltas);
    leaving.close().await.unwrap();
    assert!(matches!(server.next().await, Seen::Request(..)));
    assert_eq!(server.next().await, Seen::HungUp);
    let completion = complete(&process.models().await, "a", &request("hi")).await.unwrap();
    assert_eq!(completion.text, "still here");
}

#[tokio::test]
async fn the_daemon_names_the_key_and_never_has_it() {
    let mut server = Server::playing(vec![
        refusing("400 Bad Request", "", &json!({"error": {"message": "bad"}})),
        refusing("401 Unauthorized", "", &json!({"error": {"message": "bad key"}})),
    ]);
    let process = Process::start(&config(&server)).await;
    let models = process.models().await;
    let said = is_error(complete(&models, "a", &request("hi")).await, "Unavailable");
    assert!(said.ends_with("(status 400): bad"), "{said}");
    let said = is_error(complete(&models, "b", &request("hi")).await, "Unreached");
    assert!(said.contains("refused the key") && !said.contains("bad key"), "{said}");
    for _ in 0..2 {
        let Seen::Request(head, _) = server.next().await else { panic!("no request") };
        assert!(head.contains("authorization: bearer {{secret:key}}"), "{head}");
    }
}

#[tokio::test]
async fn stopping_ends_what_is_under_way_after_a_grace() {
    let server = Server::playing(vec![vec![stream(), text("a"), Act::Hold]]);
    let mut process = Process::start(&config(&server)).await;
    let models = process.models().await;
    let mut deltas = models.receive_delta().await.unwrap();
    let call = tokio::spawn(async move { complete(&models, "a", &request("hi")).await.unwrap() });
    soon(deltas.next()).await.unwrap();
    process.signal(Signal::SIGTERM);
    assert_eq!(call.await.unwrap().finish, Finish::Cancelled);
    assert!(process.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_bad_configuration_ends_with_78() {
    let directory = tempfile::tempdir().unwrap();
    let openai = |more: &str| format!("[modeld]\nprovider = \"openai\"\nmodel = \"m\"\n{more}\n");
    for (config, expected) in [
        ("[modeld]\nprovider = \"oracle\"\n".to_owned(), "testudo.toml:2"),
        (openai("base_url = \"http://model.example/v1?t=hidden\""), "set allow_http = true"),
        (openai("base_url = \"https://u:hidden@model.example/v1\""), "api_key_secret"),
        (
            openai("base_url = \"https://model.example\"\napi_key_secret = \"absent\""),
            "testudo.toml:5:18: `api_key_secret` there is no such secret",
        ),
    ] {
        let output = program(directory.path(), &config).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(expected.starts_with("testudo.toml") || !said.contains("hidden"), "{said}");
    }
}

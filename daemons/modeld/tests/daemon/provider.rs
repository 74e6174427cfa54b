//! The `OpenAI` provider on the wire: streams, failures, retries, and what it must never do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testudo::model::{Completion, CompletionRequest, Finish, Message, ToolSpec};
use testudo_modeld::egress::Egress;
use testudo_modeld::openai::{OpenAi, Patience};
use testudo_modeld::provider::{Deltas, Provider as _, ProviderError};
use tokio::sync::{Notify, mpsc};

use crate::server::{Act, BASE_URL, Seen, Server, end, event, head, refusing, saying, soon, stream, text};

fn impatient() -> Patience {
    Patience { backoff: Duration::from_millis(1), gap: Duration::from_secs(20), ..Patience::default() }
}

fn provider(server: &Server, patience: Patience) -> OpenAi {
    OpenAi::new(Egress::new(&server.socket), BASE_URL, false, "m".to_owned(), Some("model"), patience)
        .unwrap()
}

fn request() -> CompletionRequest {
    let tool = ToolSpec {
        name: "fs.read".into(),
        description: "reads".into(),
        parameters: json!({"type": "object"}),
    };
    CompletionRequest::new(vec![Message::user("hi")], vec![tool])
}

/// Asks a server with these scripts; gives the result, the pieces of text and the number of requests.
async fn ask(scripts: Vec<Vec<Act>>) -> (Result<Completion, ProviderError>, Vec<String>, usize) {
    let mut server = Server::playing(scripts);
    let (sender, mut pieces) = mpsc::channel(1024);
    let result = soon(provider(&server, impatient()).complete(&request(), Deltas::new(sender))).await;
    let mut heard = Vec::new();
    while let Ok(piece) = pieces.try_recv() {
        heard.push(piece);
    }
    (result, heard, server.requests())
}

#[tokio::test]
async fn a_slow_stream_is_passed_on_piece_by_piece() {
    let gates: Vec<Arc<Notify>> = (0..2).map(|_| Arc::default()).collect();
    let script = vec![
        stream(),
        text("one "),
        Act::Wait(Arc::clone(&gates[0])),
        text("two "),
        Act::Wait(Arc::clone(&gates[1])),
        text("three"),
        end("stop"),
    ];
    let mut server = Server::playing(vec![script]);
    let (sender, mut pieces) = mpsc::channel::<String>(1);
    let provider = provider(&server, impatient());
    let request = request();
    let reader = async {
        let mut heard = String::new();
        for at in 0..3 {
            heard += &pieces.recv().await.unwrap();
            // Only now may the server go on: each piece came before the next was sent.
            gates.get(at).inspect(|gate| gate.notify_one());
        }
        heard
    };
    let (completion, all) = tokio::join!(provider.complete(&request, Deltas::new(sender)), reader);
    let completion = completion.unwrap();
    assert_eq!((completion.text.as_str(), all.as_str()), ("one two three", "one two three"));
    assert_eq!((completion.usage.input_tokens, completion.usage.output_tokens), (11, 3));
    let Seen::Request(head, body) = server.next().await else { panic!("no request") };
    assert!(head.starts_with("post https://models.example/v1/chat/completions http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer {{secret:model}}"), "{head}");
    assert_eq!(body["tools"][0]["function"]["name"], "fs_read");
}

#[tokio::test]
async fn events_may_be_cut_anywhere() {
    let whole = "data: {\"choices\":[{\"delta\":{\"content\":\"é\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n";
    let mut script = vec![stream()];
    script.extend(whole.bytes().map(|byte| Act::Send(vec![byte])));
    let (result, heard, _) = ask(vec![script]).await;
    assert_eq!(result.unwrap().text, "é");
    assert_eq!(heard, ["é"]);
}

#[tokio::test]
async fn tool_calls_come_in_fragments() {
    let piece = |function: serde_json::Value| {
        event(&json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": function}]}}]}))
    };
    let script = vec![
        stream(),
        piece(json!({"name": "fs_read", "arguments": ""})),
        piece(json!({"arguments": "{\"path\": "})),
        piece(json!({"arguments": "\"a\"}"})),
        end("tool_calls"),
    ];
    let completion = ask(vec![script]).await.0.unwrap();
    assert_eq!(completion.finish, Finish::ToolCalls);
    assert_eq!(completion.tool_calls[0].name, "fs.read");
    assert_eq!(completion.tool_calls[0].arguments, json!({"path": "a"}));
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let body = json!({"model": "m-2", "choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1}});
    let (result, heard, _) = ask(vec![refusing("200 OK", "", &body)]).await;
    assert_eq!(result.unwrap().model, "m-2");
    assert_eq!(heard, ["whole"]);
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let busy = refusing("429 Too Many Requests", "retry-after: 0\r\n", &json!({}));
    let broken = refusing("500 Internal Server Error", "", &json!({}));
    let (result, _, requests) = ask(vec![busy, broken.clone(), saying("ok")]).await;
    assert_eq!((result.unwrap().text.as_str(), requests), ("ok", 3));
    let (result, _, requests) = ask(vec![broken]).await;
    assert!(matches!(result, Err(ProviderError::Server { status: 500, .. })));
    assert_eq!(requests, 3);
    let options =
        refusing("400 Bad Request", "", &json!({"error": {"message": "unknown field: stream_options"}}));
    let (result, _, requests) = ask(vec![options, saying("ok")]).await;
    assert_eq!((result.unwrap().text.as_str(), requests), ("ok", 2));
}

#[tokio::test]
async fn what_lasts_is_told_at_once() {
    let echo = json!({"error": {"message": "no: \u{1b}[31mred\u{202e}…", "type": "x"}});
    let table = [
        (
            "401 Unauthorized",
            "",
            "the server refused the key (status 401); check the secret that api_key_secret",
        ),
        ("403 Forbidden", "", "the server refused the key (status 403)"),
        ("404 Not Found", "", "the model m at"),
        ("400 Bad Request", "", "it refused the request (status 400): no:  [31mred…"),
        ("429 Too Many Requests", "retry-after: 3600\r\n", "too many requests; try again in 3600 s"),
        ("302 Found", "location: http://127.0.0.1:1/\r\n", "it redirects elsewhere (status 302)"),
    ];
    for (status, more, expected) in table {
        let (result, heard, requests) = ask(vec![refusing(status, more, &echo)]).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("cannot "), "{status}: {error}");
        assert_eq!((heard.len(), requests), (0, 1), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let location = "location: https://elsewhere.example/v1/chat/completions\r\n";
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let (result, _, requests) = ask(vec![vec![head(status, "text/html", location)]]).await;
        assert!(matches!(result, Err(ProviderError::Redirected { .. })), "{status}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn broken_answers_are_errors_and_are_not_asked_for_again() {
    let raw = |bytes: &[u8]| Act::Send(bytes.to_vec());
    let failed = json!({"error": {"message": "lost it"}});
    let table = [
        ("cut in an event", vec![stream(), text("a"), raw(b"data: {\"choi")], "it broke off"),
        ("cut between events", vec![stream(), text("a")], "it broke off"),
        ("nothing", vec![stream()], "it broke off"),
        (
            "cut by length",
            vec![head("200 OK", "text/event-stream", "content-length: 9999\r\n"), text("a")],
            "it broke off",
        ),
        ("not JSON", vec![stream(), text("a"), raw(b"data: <html>\n\n")], "not the JSON of a chunk"),
        ("not text", vec![stream(), raw(b"data: \xff\xfe\n\n")], "not UTF-8"),
        ("error inside", vec![stream(), text("a"), event(&failed)], "the server failed: lost it"),
        (
            "giant line",
            vec![stream(), raw(b"data: "), raw(&vec![b'x'; 2 << 20])],
            "an event is over the limit of 1048576 bytes",
        ),
        (
            "giant text",
            (0..9).map(|_| text(&"x".repeat(65_536))).fold(vec![stream()], |mut all, act| {
                all.push(act);
                all
            }),
            "the answer is over the limit",
        ),
        (
            "giant whole",
            vec![head("200 OK", "application/json", ""), raw(&vec![b' '; 3 << 20])],
            "over the limit",
        ),
        ("filtered", vec![stream(), end("content_filter")], "content filter"),
    ];
    for (case, script, expected) in table {
        let (result, _, requests) = ask(vec![script]).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{case}: {error}");
        assert_eq!(requests, 1, "{case}");
    }
}

#[tokio::test]
async fn silence_ends() {
    let mut server = Server::playing(vec![vec![stream(), text("a"), Act::Hold]]);
    let patience = Patience { gap: Duration::from_millis(50), ..impatient() };
    let (sender, _pieces) = mpsc::channel(8);
    let result = provider(&server, patience).complete(&request(), Deltas::new(sender)).await;
    assert!(matches!(result, Err(ProviderError::Silent { .. })));
    assert!(matches!(server.next().await, Seen::Request(..)));
    assert_eq!(server.next().await, Seen::HungUp);
}

#[tokio::test]
async fn dropping_a_completion_hangs_up() {
    let mut server = Server::playing(vec![vec![stream(), text("a"), Act::Hold]]);
    let provider = provider(&server, impatient());
    let request = request();
    let (sender, mut pieces) = mpsc::channel(8);
    tokio::select! {
        _ = provider.complete(&request, Deltas::new(sender)) => panic!("the server held the answer"),
        piece = pieces.recv() => assert_eq!(piece.as_deref(), Some("a")),
    }
    assert!(matches!(server.next().await, Seen::Request(..)));
    assert_eq!(server.next().await, Seen::HungUp);
}

#[tokio::test]
async fn an_egressd_that_is_away_is_told_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("nobody.sock");
    let base = "https://models.example/v1?token=hidden";
    let provider = OpenAi::new(Egress::new(&socket), base, false, "m".to_owned(), None, impatient()).unwrap();
    let (sender, _pieces) = mpsc::channel(8);
    let error = provider.complete(&request(), Deltas::new(sender)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot reach the model server at models.example:443: testudo-egressd does not answer at {}: No such file or directory; check testudo-egressd, through which all requests go",
            socket.display()
        )
    );
}

#[tokio::test]
async fn what_egressd_refuses_is_named_and_asked_again_only_where_it_may_pass() {
    let refused = |status: &str, reason: &str, sentence: &str| {
        vec![
            head(status, "text/plain", &format!("testudo-refused: {reason}\r\n")),
            Act::Send(sentence.as_bytes().to_vec()),
        ]
    };
    for (status, reason, sentence, expected, times) in [
        ("403 Forbidden", "denied", "a rule says no", "refused it: denied: a rule says no", 1),
        ("403 Forbidden", "secret", "it goes elsewhere", "refused it: secret: it goes elsewhere", 1),
        ("403 Forbidden", "address", "127.0.0.1 is private", "refused it: address: 127.0.0.1", 1),
        ("504 Gateway Timeout", "time", "too slow", "refused it: time: too slow", 1),
        ("429 Too Many Requests", "rate", "too many", "refused it: rate: too many", 3),
        ("503 Unavailable", "unavailable", "no record", "refused it: unavailable: no record", 3),
        ("502 Bad Gateway", "unreachable", "refused", "models.example:443: refused; check that it runs", 3),
        // Not a success either, whatever its status says.
        ("200 OK", "denied", "no", "refused it: denied: no", 1),
    ] {
        let (result, heard, requests) = ask(vec![refused(status, reason, sentence)]).await;
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("cannot reach"), "{reason}: {error}");
        assert_eq!((heard.len(), requests), (0, times), "{reason}");
    }
    let passing = refused("502 Bad Gateway", "unreachable", "not yet");
    let (result, _, requests) = ask(vec![passing.clone(), saying("ok")]).await;
    assert_eq!((result.unwrap().text.as_str(), requests), ("ok", 2));
    // A model may have read the first one; that the next came to nothing does not undo it.
    let failed = refusing("503 Service Unavailable", "", &json!({"error": {"message": "it broke"}}));
    let (result, _, requests) = ask(vec![failed, passing.clone(), passing]).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("status 503") && requests == 3, "{requests}: {error}");
}

#[tokio::test]
async fn without_a_key_there_is_no_authorization() {
    let mut server = Server::playing(vec![saying("ok")]);
    let base = "http://127.0.0.1:8080/v1";
    let egress = Egress::new(&server.socket);
    let provider = OpenAi::new(egress, base, false, "m".to_owned(), None, impatient()).unwrap();
    let (sender, _pieces) = mpsc::channel(8);
    provider.complete(&request(), Deltas::new(sender)).await.unwrap();
    let Seen::Request(head, _) = server.next().await else { panic!("no request") };
    assert!(head.starts_with("post http://127.0.0.1:8080/v1/chat/completions http/1.1"), "{head}");
    assert!(!head.contains("authorization") && head.contains("host: 127.0.0.1:8080"), "{head}");
}

//! Turns that go well, and what is told, kept and recorded of them.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use testudo::model::Role;
use testudo::observation::{Author, Observation};
use testudo::proxy::Options;
use testudo::refusal::Code;
use testudo::turn::{End, Event, Finished};

use crate::peers::{Audit, Models, Policy, Reply, Seen, Tools, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_a_reply_are_streamed_kept_and_recorded() {
    let bus = PrivateBus::start();
    let (_audit, mut records) = Audit::serve(&bus).await;
    let (_policy, mut told_policy) = Policy::serve(&bus).await;
    let calls = Reply::Call(vec![("echo", json!({"text": "hi"}))]);
    let (_models, mut requests) = Models::serve(&bus, vec![calls, say("it said hi to me")]).await;
    let (_tools, mut invoked) = Tools::serve(&bus, vec![Some(Ok(json!("hi")))]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;

    client.subscribe("main").await.unwrap();
    let mut events = client.receive_event().await.unwrap();
    let turn = client.send("", "say hi", Options::new()).await.unwrap();
    let outcome = soon("the turn", client.wait("main", &turn)).await.unwrap();
    let finished: Finished = serde_json::from_str(&outcome).unwrap();
    assert_eq!(
        (finished.reply.as_str(), finished.end, finished.calls.len()),
        ("it said hi to me", End::Replied, 1)
    );

    let mut told = Vec::new();
    let mut text = String::new();
    for number in 1.. {
        let signal = soon("the events", events.next()).await.unwrap();
        let args = signal.args().unwrap();
        assert_eq!((args.session.as_str(), args.seq), ("main", number));
        match serde_json::from_str(&args.event).unwrap() {
            Event::TurnStarted { text, .. } => told.push(format!("started {text}")),
            Event::Text { delta, .. } => text.push_str(&delta),
            Event::CallStarted { tool, arguments, .. } => told.push(format!("call {tool} {arguments}")),
            Event::CallOutput { text, .. } => told.push(format!("printed {text}")),
            Event::CallFinished { preview, .. } => told.push(format!("gave {preview}")),
            Event::TurnFinished { turn } => {
                assert_eq!(turn, finished);
                break;
            }
        }
    }
    assert_eq!(told, ["started say hi", r#"call echo {"text":"hi"}"#, "gave hi"]);
    assert_eq!(text, "it said hi to me");

    let Some(Seen::Request(first)) = requests.recv().await else { panic!("no request") };
    assert_eq!((first.tools.len(), first.messages.len()), (1, 2));
    assert_eq!((first.messages[0].role, first.messages[1].content.as_str()), (Role::System, "say hi"));
    let Some(Seen::Request(second)) = requests.recv().await else { panic!("no second request") };
    let id = second.messages[2].tool_calls[0].id.clone();
    assert_eq!(second.messages[3].tool_call_id.as_ref(), Some(&id));
    assert_eq!(
        serde_json::from_str::<Value>(&second.messages[3].content).unwrap(),
        json!({"result": {"content": "hi", "changes": []}})
    );
    let (session, observation) =
        ("main".to_owned(), Observation::Message { author: Author::Owner, text: "say hi".into() });
    assert_eq!(told_policy.recv().await, Some(Seen::Told { session, observation }));
    let (session, tool) = ("main".to_owned(), "echo".to_owned());
    assert_eq!(
        invoked.recv().await,
        Some(Seen::Call { session, tool, arguments: json!({"text": "hi"}), call: id.clone() })
    );
    assert!(id.len() <= 64 && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{id}");

    for (event, decision) in [("turn.started", None), ("turn.finished", Some("replied"))] {
        let Some(Seen::Record(entry)) = records.recv().await else { panic!("no record") };
        assert_eq!((entry.event.as_str(), entry.decision.as_deref()), (event, decision));
        assert_eq!((entry.session.as_deref(), &entry.detail["turn"]), (Some("main"), &json!(turn)));
        assert!(
            !serde_json::to_string(&entry).unwrap().contains("hi"),
            "a message body in the record: {entry:?}"
        );
    }

    // The same conversation after a restart.
    let before = client.session("main").await.unwrap();
    assert!(agentd.signal(nix::sys::signal::Signal::SIGTERM).success());
    let (_agentd, client) = Agentd::start(&bus, "").await;
    assert_eq!(client.session("main").await.unwrap(), before);
    let shown: Value = serde_json::from_str(&before).unwrap();
    let roles: Vec<&str> =
        shown["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant"]);
    assert_eq!(shown["messages"][0]["labels"]["sources"], json!(["owner"]));
    assert_eq!(client.wait("main", &turn).await.unwrap(), outcome);
    let sessions: Value = serde_json::from_str(&client.sessions().await.unwrap()).unwrap();
    assert_eq!(
        (&sessions[0]["session"], &sessions[0]["messages"], &sessions[0]["turns"]),
        (&json!("main"), &json!(4), &json!(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_completions_is_the_configured_one() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let again = || Reply::Call(vec![("echo", json!({}))]);
    let _models = Models::serve(&bus, vec![again(), again()]).await;
    let _tools = Tools::serve(&bus, vec![Some(Err(Code::ConfirmationDenied))]).await;
    let (_agentd, client) = Agentd::start(&bus, "[agentd]\nmax_turns = 2\n").await;
    let turn = client.send("a", "go", Options::new()).await.unwrap();
    let outcome = soon("the turn", client.wait("a", &turn)).await.unwrap();
    let finished: Finished = serde_json::from_str(&outcome).unwrap();
    assert_eq!((finished.end, finished.calls.len()), (End::TurnLimit, 1));
    assert!(finished.reply.contains("2 times"), "{}", finished.reply);
}

//! Turns that are ended from outside: by a person, or because a daemon is killed.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo::proxy::{Agent1Proxy, Options};
use testudo::refusal::Code;
use testudo::turn::{End, Finished};

use crate::peers::{Audit, Models, Policy, Reply, Seen, Tools, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

async fn wait(client: &Agent1Proxy<'_>, turn: &str) -> Finished {
    serde_json::from_str(&soon("the turn", client.wait("main", turn)).await.unwrap()).unwrap()
}

fn call() -> Reply {
    Reply::Call(vec![("echo", json!({}))])
}

#[tokio::test(flavor = "multi_thread")]
async fn modeld_killed_while_it_answers_fails_the_turn_and_the_next_one_works() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (models, mut requests) = Models::serve(&bus, vec![Reply::Hang]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let turn = client.send("main", "hello", Options::new()).await.unwrap();
    assert!(matches!(soon("the request", requests.recv()).await, Some(Seen::Request(_))));
    models.close().await.unwrap();
    let finished = wait(&client, &turn).await;
    assert_eq!(finished.end, End::Failed);
    assert!(
        finished.reply.contains("testudo-modeld is not running or stopped while it answered"),
        "{}",
        finished.reply
    );

    // Gone altogether, then failing, then back.
    let turn = client.send("main", "hello?", Options::new()).await.unwrap();
    assert!(wait(&client, &turn).await.reply.contains("testudo-modeld is not running"));
    let _models = Models::serve(&bus, vec![Reply::Fail("the server is full"), say("here")]).await;
    let turn = client.send("main", "hello??", Options::new()).await.unwrap();
    let failed = wait(&client, &turn).await;
    assert_eq!(
        (failed.end, failed.reply.as_str()),
        (End::Failed, "The model gave an error: the server is full")
    );
    let turn = client.send("main", "hello???", Options::new()).await.unwrap();
    assert_eq!(wait(&client, &turn).await.reply, "here");
}

#[tokio::test(flavor = "multi_thread")]
async fn toold_killed_in_a_call_is_an_error_for_the_model_and_the_turn_goes_on() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (tools, mut invoked) = Tools::serve(&bus, vec![None]).await;
    let (_models, mut requests) = Models::serve(&bus, vec![call(), say("I cannot")]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let turn = client.send("main", "hello", Options::new()).await.unwrap();
    assert!(matches!(soon("the call", invoked.recv()).await, Some(Seen::Call { .. })));
    tools.close().await.unwrap();
    let finished = wait(&client, &turn).await;
    assert_eq!((finished.end, finished.reply.as_str()), (End::Replied, "I cannot"));
    assert_eq!(finished.calls[0].error.as_ref().unwrap().code, Code::PluginUnavailable);
    requests.recv().await.unwrap();
    let Some(Seen::Request(second)) = requests.recv().await else { panic!("no second request") };
    assert!(second.messages.last().unwrap().content.contains("PLUGIN_UNAVAILABLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_toold_the_model_is_told_so() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (_models, mut requests) = Models::serve(&bus, vec![say("I have no tools")]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let turn = client.send("main", "hello", Options::new()).await.unwrap();
    assert_eq!(wait(&client, &turn).await.end, End::Replied);
    let Some(Seen::Request(request)) = requests.recv().await else { panic!("no request") };
    assert!(request.tools.is_empty());
    assert!(request.messages[0].content.contains("The tools cannot be reached now"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_reaches_the_daemon_that_works() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (_tools, mut invoked) = Tools::serve(&bus, vec![None]).await;
    let (_models, mut requests) = Models::serve(&bus, vec![Reply::Hang, call(), say("next")]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;

    let in_model = client.send("main", "one", Options::new()).await.unwrap();
    let in_tool = client.send("main", "two", Options::new()).await.unwrap();
    let waiting = client.send("main", "three", Options::new()).await.unwrap();
    let last = client.send("main", "four", Options::new()).await.unwrap();
    assert!(matches!(soon("the request", requests.recv()).await, Some(Seen::Request(_))));
    assert!(client.cancel("main", &waiting).await.unwrap());
    assert_eq!(wait(&client, &waiting).await.end, End::Cancelled);

    assert!(client.cancel("main", &in_model).await.unwrap());
    assert_eq!(wait(&client, &in_model).await.end, End::Cancelled);
    assert!(!client.cancel("main", &in_model).await.unwrap(), "it is over");

    assert!(matches!(soon("the call", invoked.recv()).await, Some(Seen::Call { .. })));
    assert!(client.cancel("main", &in_tool).await.unwrap());
    let finished = wait(&client, &in_tool).await;
    assert_eq!((finished.end, finished.calls.len()), (End::Cancelled, 1));
    assert_eq!(soon("the cancel", invoked.recv()).await, Some(Seen::Cancelled));

    assert_eq!(wait(&client, &last).await.reply, "next");
    let mut cancels = 0;
    while let Ok(seen) = requests.try_recv() {
        cancels += usize::from(seen == Seen::Cancelled);
    }
    assert_eq!(cancels, 1, "the model was told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_no_turn_starts() {
    let bus = PrivateBus::start();
    let (_models, mut requests) = Models::serve(&bus, vec![say("now")]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let refused = client.send("main", "hello", Options::new()).await.unwrap_err();
    assert!(
        matches!(&refused, zbus::Error::MethodError(name, Some(text), _)
        if name.as_str() == "org.testudo.Error.Unavailable" && text.contains("did not start")),
        "{refused}"
    );
    assert!(requests.try_recv().is_err(), "the model was asked");
    let shown: Value = serde_json::from_str(&client.session("main").await.unwrap()).unwrap();
    assert_eq!(shown["messages"], json!([]));

    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let turn = client.send("main", "hello", Options::new()).await.unwrap();
    assert_eq!(wait(&client, &turn).await.reply, "now");
}

#[tokio::test(flavor = "multi_thread")]
async fn auditd_killed_during_a_turn_lets_it_end_and_no_other_start() {
    let bus = PrivateBus::start();
    let (audit, _records) = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (_models, mut requests) = Models::serve(&bus, vec![Reply::Hang]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let running = client.send("main", "one", Options::new()).await.unwrap();
    let queued = client.send("main", "two", Options::new()).await.unwrap();
    soon("the request", requests.recv()).await.unwrap();
    audit.close().await.unwrap();
    assert!(client.cancel("main", &running).await.unwrap());
    assert_eq!(wait(&client, &running).await.end, End::Cancelled);
    let refused = wait(&client, &queued).await;
    assert!(refused.end == End::Failed && refused.reply.contains("did not start"), "{}", refused.reply);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_running_when_agentd_was_killed_is_marked_interrupted() {
    for (signal, recorded) in [(Signal::SIGKILL, "interrupted"), (Signal::SIGTERM, "failed")] {
        let bus = PrivateBus::start();
        let (_audit, mut records) = Audit::serve(&bus).await;
        let _policy = Policy::serve(&bus).await;
        let (_tools, mut invoked) = Tools::serve(&bus, vec![None]).await;
        let (_models, mut requests) = Models::serve(&bus, vec![call(), say("I see")]).await;
        let (mut agentd, client) = Agentd::start(&bus, "").await;
        let turn = client.send("main", "hello", Options::new()).await.unwrap();
        soon("the call", invoked.recv()).await.unwrap();
        let (status, waited) = {
            let waiting = client.wait("main", &turn);
            tokio::pin!(waiting);
            // It is sent first, so that it has arrived when the other is answered.
            tokio::select! {
                biased;
                early = &mut waiting => panic!("the turn is over: {early:?}"),
                listed = client.sessions() => listed.unwrap(),
            };
            (agentd.signal(signal), soon("the last answer", waiting).await)
        };
        assert_eq!(
            (status.success(), waited.is_ok()),
            (signal == Signal::SIGTERM, signal == Signal::SIGTERM)
        );

        let (_agentd, client) = Agentd::start(&bus, "").await;
        let finished = wait(&client, &turn).await;
        assert_eq!(finished.end, End::Failed, "{signal}");
        let shown: Value = serde_json::from_str(&client.session("main").await.unwrap()).unwrap();
        let roles: Vec<_> =
            shown["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["user", "assistant", "tool", "assistant"], "{signal}");
        records.recv().await.unwrap();
        let Some(Seen::Record(entry)) = records.recv().await else { panic!("no record") };
        assert_eq!((entry.event.as_str(), entry.decision.as_deref()), ("turn.finished", Some(recorded)));

        let next = client.send("main", "and now?", Options::new()).await.unwrap();
        assert_eq!(wait(&client, &next).await.reply, "I see");
        requests.recv().await.unwrap();
        let Some(Seen::Request(request)) = requests.recv().await else { panic!("no request") };
        let last_words = &request.messages[request.messages.len() - 2].content;
        assert!(last_words.contains("testudo-agentd stop"), "{last_words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_before_agentd_was_killed_is_in_the_end_of_the_turn() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let file = json!({"id": "f-1", "name": "a.pdf", "mime": "application/pdf", "size": 3, "sha256": "00"});
    let given = Some(Ok(json!({ "given": [file] })));
    let (_tools, mut invoked) = Tools::serve(&bus, vec![given, None]).await;
    let _models = Models::serve(&bus, vec![call(), call(), say("again")]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;
    let turn = client.send("main", "give it to me", Options::new()).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(soon("the call", invoked.recv()).await, Some(Seen::Call { .. })));
    }
    for restart in 0..2 {
        assert!(agentd.signal(Signal::SIGKILL).code().is_none());
        let (again, client) = Agentd::start(&bus, "").await;
        agentd = again;
        let finished = wait(&client, &turn).await;
        assert_eq!((finished.end, finished.calls.len()), (End::Failed, 1), "after {restart} more");
        assert_eq!(serde_json::to_value(&finished.calls[0].files).unwrap(), json!([file]));
    }
    // The next turn gives nothing of it again.
    let client = Agent1Proxy::new(&bus.connect().await).await.unwrap();
    let next = client.send("main", "and now?", Options::new()).await.unwrap();
    assert!(wait(&client, &next).await.calls.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_which_the_policy_was_not_told_is_never_shown_to_the_model() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_models, mut requests) = Models::serve(&bus, vec![say("here")]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let turn = client.send("main", "the unknown", Options::new()).await.unwrap();
    let finished = wait(&client, &turn).await;
    assert_eq!(finished.end, End::Failed);
    assert!(finished.reply.contains("nothing is done with a message"), "{}", finished.reply);

    let _policy = Policy::serve(&bus).await;
    let turn = client.send("main", "the known", Options::new()).await.unwrap();
    assert_eq!(wait(&client, &turn).await.reply, "here");
    let Some(Seen::Request(request)) = requests.recv().await else { panic!("no request") };
    let shown = serde_json::to_string(&request).unwrap();
    assert!(shown.contains("the known") && !shown.contains("the unknown"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_turns_of_a_session_are_cancelled_at_once() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_models, mut requests) = Models::serve(&bus, vec![Reply::Hang]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let running = client.send("main", "hello", Options::new()).await.unwrap();
    assert!(matches!(soon("the request", requests.recv()).await, Some(Seen::Request(_))));
    let waiting = client.send("main", "and then", Options::new()).await.unwrap();
    assert!(client.cancel("main", "").await.unwrap());
    for turn in [running, waiting] {
        assert_eq!(wait(&client, &turn).await.end, End::Cancelled);
    }
    assert!(!client.cancel("main", "").await.unwrap(), "nothing is left to cancel");
}

//! What a session has beside its messages: the day's budget, the model, pins and summaries, also over a restart.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo::context::{Context, Shortened};
use testudo::model::{CompletionRequest, Role};
use testudo::observation::{Author, Observation};
use testudo::proxy::{Agent1Proxy, Options};
use testudo::turn::{End, Finished};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::peers::{Audit, Models, Policy, Reply, Seen, Tools, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

async fn turn(client: &Agent1Proxy<'_>, text: &str) -> Finished {
    let turn = client.send("main", text, Options::new()).await.unwrap();
    serde_json::from_str(&soon("the turn", client.wait("main", &turn)).await.unwrap()).unwrap()
}

async fn context(client: &Agent1Proxy<'_>) -> Context {
    serde_json::from_str(&soon("the context", client.context("main")).await.unwrap()).unwrap()
}

async fn compact(client: &Agent1Proxy<'_>) -> zbus::Result<Shortened> {
    let text = soon("the summary", client.compact("main", Options::new())).await?;
    Ok(serde_json::from_str(&text).unwrap())
}

async fn request(seen: &mut UnboundedReceiver<Seen>) -> CompletionRequest {
    match soon("a request", seen.recv()).await {
        Some(Seen::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

fn shown(request: &CompletionRequest) -> Vec<&str> {
    request.messages.iter().skip(1).map(|message| message.content.as_str()).collect()
}

/// The events in the record so far, with what decided.
fn recorded(seen: &mut UnboundedReceiver<Seen>) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    while let Ok(Seen::Record(entry)) = seen.try_recv() {
        events.push((entry.event.clone(), serde_json::to_value(&entry).unwrap()));
    }
    events
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_days_tokens_are_used_up_no_model_is_asked_and_the_reply_says_until_when() {
    let bus = PrivateBus::start();
    let (_audit, mut records) = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let replies = vec![Reply::Call(vec![("echo", json!({}))]), say("never said")];
    let (_models, mut requests) = Models::serve(&bus, replies).await;
    let _tools = Tools::serve(&bus, vec![Some(Ok(json!("done")))]).await;
    let (mut agentd, client) = Agentd::start(&bus, "[agentd]\ndaily_tokens = 100\n").await;

    let finished = turn(&client, "go").await;
    assert_eq!(
        (finished.end, finished.calls.len()),
        (End::BudgetReached, 1),
        "the second request is not made"
    );
    let budget = context(&client).await.budget.unwrap();
    assert!(
        finished.reply.contains(&format!(
            "100 of 100, in all sessions together. I can go on from {}",
            budget.resets_at
        )),
        "{}",
        finished.reply
    );
    assert!(budget.resets_at.ends_with("T00:00:00Z"));
    let _ = request(&mut requests).await;
    assert_eq!(names(&recorded(&mut records)), ["turn.started", "budget.reached", "turn.finished"]);

    // It holds over a restart, for the next turn and for summaries, and is recorded once.
    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, "[agentd]\ndaily_tokens = 100\n").await;
    assert_eq!(turn(&client, "and now?").await.end, End::BudgetReached);
    let events = recorded(&mut records);
    assert_eq!(names(&events), ["turn.started", "turn.finished"]);
    assert_eq!(events[1].1["decision"], "budget-reached");
    assert!(compact(&client).await.unwrap_err().to_string().contains("used up"));
    assert!(requests.try_recv().is_err(), "no model was asked");
    assert_eq!(context(&client).await.usage[0].requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_that_was_chosen_is_asked_for_also_after_a_restart() {
    let bus = PrivateBus::start();
    let (_audit, mut records) = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (_models, mut requests) = Models::serve(&bus, vec![say("a"), say("b"), say("c")]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;
    assert_eq!(context(&client).await.model, "fake");
    let error = client.use_model("main", "smal", Options::new()).await.unwrap_err().to_string();
    assert!(error.contains("InvalidArgument") && error.contains("there is fake, small"), "{error}");
    assert!(recorded(&mut records).is_empty());

    client.use_model("main", "small", Options::new()).await.unwrap();
    let events = recorded(&mut records);
    assert_eq!((names(&events)[0], &events[0].1["detail"]["model"]), ("model.chosen", &json!("small")));
    turn(&client, "one").await;
    assert_eq!(request(&mut requests).await.model.as_deref(), Some("small"));
    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, "").await;
    turn(&client, "two").await;
    assert_eq!(request(&mut requests).await.model.as_deref(), Some("small"));
    assert_eq!(
        (context(&client).await.model.as_str(), context(&client).await.usage[0].model.as_str()),
        ("small", "small")
    );
    client.use_model("main", "fake", Options::new()).await.unwrap();
    turn(&client, "three").await;
    assert_eq!(request(&mut requests).await.model, None, "the configured one has no name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_told_to_policyd_and_then_shown_first_until_it_is_taken_away() {
    let bus = PrivateBus::start();
    let (_audit, mut records) = Audit::serve(&bus).await;
    let (_models, mut requests) = Models::serve(&bus, vec![say("a"), say("b"), say("c")]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;
    let error = client.pin("main", "never on Sundays", Options::new()).await.unwrap_err().to_string();
    assert!(error.contains("Unavailable") && error.contains("nothing was pinned"), "{error}");
    assert!(context(&client).await.pins.is_empty(), "what cannot be told is not shown");

    let (_policy, mut told) = Policy::serve(&bus).await;
    assert_eq!(client.pin("main", " never on Sundays\n", Options::new()).await.unwrap(), 1);
    let observation = Observation::Message { author: Author::Owner, text: "never on Sundays".into() };
    assert_eq!(told.recv().await, Some(Seen::Told { session: "main".into(), observation }));
    for (text, expected) in
        [("", "InvalidArgument"), ("a\u{1b}[2J", "InvalidArgument"), ("x".repeat(1_001).as_str(), "TooLarge")]
    {
        let error = client.pin("main", text, Options::new()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    turn(&client, "one").await;
    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, "").await;
    turn(&client, "two").await;
    for (question, count) in [("one", 3), ("two", 5)] {
        let request = request(&mut requests).await;
        let messages = shown(&request);
        assert_eq!(
            messages[0],
            "Pinned by the owner for all of this conversation:\n\nPin 1, by root:\nnever on Sundays"
        );
        assert_eq!((messages.len(), messages.last()), (count, Some(&question)), "{messages:?}");
    }
    assert!(client.unpin("main", 2, Options::new()).await.unwrap_err().to_string().contains("NotFound"));
    client.unpin("main", 1, Options::new()).await.unwrap();
    turn(&client, "three").await;
    assert!(!shown(&request(&mut requests).await)[0].contains("Sundays"));
    let events = recorded(&mut records);
    let kept: Vec<&str> = names(&events).into_iter().filter(|name| name.starts_with("context.")).collect();
    assert_eq!(
        kept,
        ["context.pinned", "context.pinned", "context.unpinned"],
        "the first one could not be told"
    );
    assert!(!format!("{events:?}").contains("Sundays"), "a text in the record: {events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_stands_for_what_was_said_over_a_restart_and_a_failed_one_changes_nothing() {
    let bus = PrivateBus::start();
    let (_audit, mut records) = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let calls = Reply::Call(vec![("echo", json!({}))]);
    let replies = vec![
        calls,
        say("first answer"),
        say("second answer"),
        Reply::Fail("no tokens"),
        Reply::Call(vec![("echo", json!({}))]),
        say("They spoke of two things."),
        say("third answer"),
        say("They spoke of three things."),
        Reply::Hang,
    ];
    let (_models, mut requests) = Models::serve(&bus, replies).await;
    let _tools = Tools::serve(&bus, vec![Some(Ok(json!("from afar")))]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;
    assert_eq!(compact(&client).await.unwrap().messages, 0, "nothing was said yet");
    turn(&client, "one").await;
    assert_eq!(compact(&client).await.unwrap().messages, 0, "there is one exchange");
    turn(&client, "two").await;
    let before = client.session("main").await.unwrap();
    for _ in 0..2 {
        let error = compact(&client).await.unwrap_err().to_string();
        assert!(error.contains("Unavailable") && error.contains("nothing was changed"), "{error}");
    }
    assert_eq!(context(&client).await.compacted, None);
    let _earlier = recorded(&mut records);

    let shortened = compact(&client).await.unwrap();
    assert_eq!(shortened.messages, 4, "the question, the call, its outcome and the answer");
    for _ in 0..5 {
        let _earlier = request(&mut requests).await;
    }
    let asked = request(&mut requests).await;
    assert!(asked.tools.is_empty() && asked.messages[0].content.starts_with("You sum up"));
    assert!(asked.messages[1].content.contains("from afar") && !asked.messages[1].content.contains("two"));
    let events = recorded(&mut records);
    assert_eq!(names(&events), ["context.compacted"]);
    assert_eq!(events[0].1["detail"]["messages"], json!(4));
    assert!(!format!("{events:?}").contains("two things"));
    assert_eq!(client.session("main").await.unwrap(), before, "what was said stays");

    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (mut agentd, client) = Agentd::start(&bus, "").await;
    assert_eq!(context(&client).await.compacted.unwrap().messages, 4);
    turn(&client, "three").await;
    let third = request(&mut requests).await;
    let roles: Vec<Role> = third.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
    let messages = shown(&third);
    assert_eq!(
        messages[1],
        "Summary by the model of what was said before; these are not the words of the owner:\nThey spoke of two things."
    );
    assert_eq!(messages[2..], ["two", "second answer", "three"]);

    // The next summary covers the one before, and what comes while one is made waits for it.
    assert_eq!(compact(&client).await.unwrap().messages, 2);
    assert!(request(&mut requests).await.messages[1].content.contains("They spoke of two things."));
    assert_eq!(compact(&client).await.unwrap().messages, 0);

    // Killed while the model sums up: nothing has changed.
    turn_with(&client, "four", &mut requests).await;
    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, "").await;
    assert_eq!(context(&client).await.compacted.unwrap().messages, 6);
}

/// Says something to which no answer comes, and sees that nothing is summed up meanwhile.
async fn turn_with(client: &Agent1Proxy<'_>, text: &str, requests: &mut UnboundedReceiver<Seen>) {
    client.send("main", text, Options::new()).await.unwrap();
    let _asked = request(requests).await;
    let error = compact(client).await.unwrap_err().to_string();
    assert!(error.contains("Busy") && error.contains("something runs"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_summing_up_and_what_was_said_meanwhile_is_answered_then() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let replies = vec![say("a"), say("b"), Reply::Hang, say("c")];
    let (_models, mut requests) = Models::serve(&bus, replies).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    turn(&client, "one").await;
    turn(&client, "two").await;
    let other = client.clone();
    let summing = tokio::spawn(async move { compact(&other).await });
    for _ in 0..3 {
        let _asked = request(&mut requests).await;
    }
    let waiting = client.send("main", "three", Options::new()).await.unwrap();
    assert!(compact(&client).await.unwrap_err().to_string().contains("Busy"));
    assert!(client.cancel("main", "").await.unwrap(), "it ends what waits, too");
    let error = soon("the end", summing).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("it was stopped"), "{error}");
    let ended: Finished =
        serde_json::from_str(&soon("the turn", client.wait("main", &waiting)).await.unwrap()).unwrap();
    assert_eq!(ended.end, End::Cancelled);
    assert_eq!(context(&client).await.compacted, None);
    assert_eq!(soon("a cancelled request", requests.recv()).await, Some(Seen::Cancelled));
    assert_eq!(turn(&client, "four").await.reply, "c");
}

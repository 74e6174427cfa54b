//! What requests cost that nobody counted, and those that never left.

use nix::sys::signal::Signal;
use testudo::context::{Context, Today};
use testudo::fault::Fault;
use testudo::proxy::{Agent1Proxy, Options};
use testudo::turn::{End, Finished};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::peers::{Audit, Models, Policy, Reply, Seen, Tools, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

async fn turn(client: &Agent1Proxy<'_>, text: &str) -> Finished {
    let turn = client.send("main", text, Options::new()).await.unwrap();
    serde_json::from_str(&soon("the turn", client.wait("main", &turn)).await.unwrap()).unwrap()
}

/// A turn that is stopped while the model is asked; how many tokens were sent, by a quarter of the bytes.
async fn stopped(client: &Agent1Proxy<'_>, requests: &mut UnboundedReceiver<Seen>) -> u64 {
    let turn = client.send("main", "think about it", Options::new()).await.unwrap();
    let sent = sent(requests).await;
    assert!(client.cancel("main", &turn).await.unwrap());
    let ended = soon("the turn", client.wait("main", &turn)).await.unwrap();
    assert_eq!(serde_json::from_str::<Finished>(&ended).unwrap().end, End::Cancelled);
    assert_eq!(soon("the cancel", requests.recv()).await, Some(Seen::Cancelled));
    sent
}

async fn sent(requests: &mut UnboundedReceiver<Seen>) -> u64 {
    let Some(Seen::Request(request)) = soon("a request", requests.recv()).await else { panic!("no request") };
    serde_json::to_string(&request).unwrap().len().div_ceil(4) as u64
}

async fn context(client: &Agent1Proxy<'_>) -> Context {
    serde_json::from_str(&soon("the context", client.context("main")).await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_counted_is_estimated_and_what_was_counted_is_not() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let replies = vec![Reply::Hang, Reply::Fail("it broke off"), Reply::Uncounted("nine byte"), say("well")];
    let (_models, mut requests) = Models::serve(&bus, replies).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (mut agentd, client) = Agentd::start(&bus, "").await;

    let mut input = stopped(&client, &mut requests).await;
    assert_eq!(context(&client).await.today, Today { input, output: 0, estimated: input }, "stopped");
    assert_eq!(turn(&client, "two").await.end, End::Failed);
    input += sent(&mut requests).await;
    assert_eq!(context(&client).await.today, Today { input, output: 0, estimated: input }, "failed");
    assert_eq!(turn(&client, "three").await.reply, "nine byte");
    input += sent(&mut requests).await;
    let estimated = input + 3;
    assert_eq!(context(&client).await.today, Today { input, output: 3, estimated }, "not counted");
    turn(&client, "four").await;
    let all = Today { input: input + 60, output: 43, estimated };
    assert_eq!(context(&client).await.today, all, "counted");

    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let context = context(&client).await;
    assert_eq!(context.today, all);
    let used: Vec<_> = context.usage.iter().map(|used| (used.model.as_str(), used.requests)).collect();
    assert_eq!(used, [("(configured)", 2), ("fake", 2)]);
    assert_eq!(context.usage.iter().map(|used| used.estimated).sum::<u64>(), estimated);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_requests_use_the_days_tokens_up_and_summaries_are_requests_too() {
    let settings = "[agentd]\ndaily_tokens = 210\n";
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let (_models, mut requests) = Models::serve(&bus, vec![say("a"), say("b"), Reply::Hang]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_agentd, client) = Agentd::start(&bus, settings).await;
    for text in ["one", "two"] {
        turn(&client, text).await;
        sent(&mut requests).await;
    }
    let other = client.clone();
    let summing = tokio::spawn(async move { other.compact("main", Options::new()).await });
    let summary = sent(&mut requests).await;
    assert!(client.cancel("main", "").await.unwrap());
    assert!(soon("the end", summing).await.unwrap().is_err());
    let context = context(&client).await;
    assert_eq!(context.today, Today { input: 120 + summary, output: 80, estimated: summary });
    assert!(summary > 10, "{summary}");
    assert_eq!(turn(&client, "three").await.end, End::BudgetReached);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_it_left_costs_nothing() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    assert!(turn(&client, "one").await.reply.contains("testudo-modeld is not running"));
    let refusals = vec![
        Reply::Refuse(Fault::NotFound),
        Reply::Refuse(Fault::InvalidArgument),
        Reply::Refuse(Fault::Denied),
        Reply::Refuse(Fault::Busy),
        Reply::Refuse(Fault::Unreached),
    ];
    let count = refusals.len();
    let _models = Models::serve(&bus, refusals).await;
    for _ in 0..count {
        assert_eq!(turn(&client, "two").await.end, End::Failed);
    }
    let context = context(&client).await;
    assert_eq!((context.today, context.usage), (Today::default(), vec![]));
}

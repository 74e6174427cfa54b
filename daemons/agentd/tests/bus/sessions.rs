//! The list of sessions: what nobody watches, and what this version cannot open.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testudo::proxy::{Agent1Proxy, Options};
use testudo::refusal::Code;
use zbus::wire::Variant;

use crate::peers::{Audit, Models, Policy, Reply, Tools, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

async fn sessions(client: &Agent1Proxy<'_>) -> Value {
    serde_json::from_str(&soon("the list", client.sessions()).await.unwrap()).unwrap()
}

async fn turn(client: &Agent1Proxy<'_>, session: &str, options: Options<'_>) {
    let turn = client.send(session, "sort the mail", options).await.unwrap();
    soon("the turn", client.wait(session, &turn)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_watched_by_nobody_is_listed_with_how_it_went_over_a_restart() {
    let settings = "[agentd.unattended]\nsessions = [\"cron-*\"]\n";
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let replies = vec![say("done"), say("done"), Reply::Call(vec![("echo", json!({}))]), say("hi")];
    let _models = Models::serve(&bus, replies).await;
    let _tools = Tools::serve(&bus, vec![Some(Err(Code::ConfirmationTimeout))]).await;
    let (mut agentd, client) = Agentd::start(&bus, settings).await;
    let unattended = || Options::from([("unattended", Variant::from(true))]);
    turn(&client, "a-watched", Options::new()).await;
    turn(&client, "cron-mail", Options::new()).await;
    turn(&client, "nightly", unattended()).await;

    let listed = sessions(&client).await;
    let seen = |key: &str| (0..3).map(|at| listed[at][key].clone()).collect::<Vec<_>>();
    assert_eq!(seen("session"), ["a-watched", "cron-mail", "nightly"]);
    assert_eq!(seen("unattended"), [false, true, true]);
    assert_eq!(listed[1]["run"]["ended"]["end"], "replied");
    assert_eq!(listed[1]["run"]["ended"]["question"], Value::Null);
    let blocked = &listed[2]["run"];
    assert_eq!((&blocked["ended"]["end"], &blocked["ended"]["question"]), (&json!("blocked"), &json!("a-7")));
    assert!(blocked["began_at"].as_str() <= blocked["ended"]["at"].as_str(), "{blocked}");

    assert!(agentd.signal(Signal::SIGKILL).code().is_none());
    let (_agentd, client) = Agentd::start(&bus, settings).await;
    assert_eq!(sessions(&client).await, listed);
    // Whoever speaks there watches it again.
    turn(&client, "nightly", Options::new()).await;
    assert_eq!(sessions(&client).await[2]["unattended"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_another_version_is_refused_and_all_others_go_on() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let _models = Models::serve(&bus, vec![say("hi")]).await;
    let _tools = Tools::serve(&bus, vec![]).await;
    let directory = bus.directory.path().join("state/sessions");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("newer.jsonl");
    let content = "{\"line\":\"session\",\"version\":2,\"name\":\"newer\"}\n{\"torn";
    std::fs::write(&path, content).unwrap();
    let (_agentd, client) = Agentd::start(&bus, "").await;

    let none = Options::new;
    for refused in [
        client.send("newer", "hi", none()).await,
        client.session("newer").await,
        client.context("newer").await,
        client.compact("newer", none()).await,
        client.pin("newer", "x", none()).await.map(|_| String::new()),
        client.unpin("newer", 1, none()).await.map(|()| String::new()),
        client.use_model("newer", "small", none()).await.map(|()| String::new()),
        client.cancel("newer", "").await.map(|_| String::new()),
    ] {
        let said = refused.unwrap_err().to_string();
        for part in ["Internal", "cannot open session newer", path.to_str().unwrap(), "version 2", "Install"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    turn(&client, "main", none()).await;
    let listed = sessions(&client).await;
    assert_eq!((&listed[0]["session"], &listed[0]["turns"]), (&json!("main"), &json!(1)));
    assert!(listed[1]["sealed"].as_str().is_some_and(|why| why.contains("version 2")), "{listed}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
}

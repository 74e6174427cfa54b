//! The interface: what it says of itself, who may call it, and what an argument may be.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use testudo::proxy::{Agent1Proxy, Options};
use testudo::turn::Finished;
use zbus::fdo::IntrospectableProxy;
use zbus::wire::Variant;

use crate::peers::{Audit, Models, Policy, say};
use crate::private_bus::{Agentd, PrivateBus, soon};

const CONTRACT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../units/dbus-1/interfaces/org.testudo.Agent1.xml");

/// The members of the interface with their arguments, one a line.
fn members(xml: &str) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    let mut is_ours = false;
    for tag in xml.split('<').filter(|tag| !tag.starts_with("!--")) {
        let attribute = |name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let named = attribute("name").unwrap_or_default();
        match tag.split_whitespace().next() {
            Some("interface") => is_ours = named == "org.testudo.Agent1",
            Some(kind @ ("method" | "signal")) if is_ours => members.push(format!("{kind} {named}")),
            Some("arg") if is_ours => {
                let direction = attribute("direction").unwrap_or_default();
                let argument = format!(" {direction} {named}:{}", attribute("type").unwrap());
                members.last_mut().unwrap().push_str(&argument);
            }
            _ => {}
        }
    }
    members.sort();
    members
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_the_contract() {
    let bus = PrivateBus::start();
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let connection = client.inner().connection();
    let introspectable = IntrospectableProxy::builder(connection)
        .destination("org.testudo.Agent1")
        .path("/org/testudo/Agent1")
        .build()
        .await
        .unwrap();
    let served = members(&introspectable.introspect().await.unwrap());
    let contract = members(&std::fs::read_to_string(CONTRACT).unwrap());
    assert_eq!(contract.len(), 14);
    assert_eq!(served, contract);
}

async fn refused(client: &Agent1Proxy<'_>, session: &str, text: &str, options: Options<'_>) -> String {
    match soon("the refusal", client.send(session, text, options)).await {
        Err(zbus::Error::MethodError(name, ..)) => name.trim_start_matches("org.testudo.Error.").to_owned(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_arguments_are_refused_and_the_daemon_serves_on() {
    let bus = PrivateBus::start();
    let _audit = Audit::serve(&bus).await;
    let _policy = Policy::serve(&bus).await;
    let _models = Models::serve(&bus, vec![say("hi")]).await;
    let (_agentd, client) = Agentd::start(&bus, "").await;
    let long = "x".repeat(101 * 1024);
    let escaped = "\u{1}".repeat(20 * 1024);
    let huge = "x".repeat(8 * 1024 * 1024);
    for (session, text, expected) in [
        ("../main", "hi", "InvalidArgument"),
        ("a/b", "hi", "InvalidArgument"),
        ("main", "", "InvalidArgument"),
        ("main", " \n", "InvalidArgument"),
        ("main", long.as_str(), "TooLarge"),
        ("main", escaped.as_str(), "TooLarge"),
        ("main", huge.as_str(), "TooLarge"),
    ] {
        assert_eq!(refused(&client, session, text, Options::new()).await, expected, "{session}");
    }
    let options = Options::from([("urgent", Variant::from(true))]);
    assert_eq!(refused(&client, "main", "hi", options).await, "InvalidArgument");
    for (session, turn) in [("main", "t-none"), ("other", "t-1")] {
        let error = soon("the refusal", client.wait(session, turn)).await.unwrap_err().to_string();
        assert!(error.contains("NotFound"), "{error}");
        assert!(client.cancel(session, turn).await.is_err());
    }
    let turn = client.send("main", "hi", Options::new()).await.unwrap();
    let finished: Finished =
        serde_json::from_str(&soon("the turn", client.wait("main", &turn)).await.unwrap()).unwrap();
    assert_eq!(finished.reply, "hi");
}

/// What the bus policy would stop already is stopped by the daemon too.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_may_do_nothing() {
    let bus = PrivateBus::start();
    let (_agentd, _client) = Agentd::start(&bus, "").await;
    for (member, arguments) in [
        ("Send", &["ssa{sv}", "main", "hi", "0"][..]),
        ("Wait", &["ss", "main", "t"]),
        ("Cancel", &["ss", "main", "t"]),
        ("Sessions", &[]),
        ("Session", &["s", "main"]),
        ("Context", &["s", "main"]),
        ("UseModel", &["ssa{sv}", "main", "small", "0"]),
        ("Pin", &["ssa{sv}", "main", "it", "0"]),
        ("Unpin", &["sua{sv}", "main", "1", "0"]),
        ("Compact", &["sa{sv}", "main", "0"]),
        ("Subscribe", &["s", "main"]),
    ] {
        let output = Command::new("busctl")
            .arg(format!("--address={}", bus.address))
            .args(["call", "org.testudo.Agent1", "/org/testudo/Agent1", "org.testudo.Agent1", member])
            .args(arguments)
            .uid(65_534)
            .gid(65_534)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("only an operator may do this"), "{member}: {said}");
    }
}

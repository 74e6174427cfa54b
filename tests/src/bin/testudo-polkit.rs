//! A polkit for tests: answers every question the same way and says what it was asked, one JSON object a line.
//!
//! `testudo-polkit yes|no|challenge|silent`; it prints `ready` once it owns the name.

use std::collections::HashMap;
use std::process::ExitCode;

use serde_json::json;
use zbus::wire::OwnedVariant;
use zbus::{Connection, interface};

/// The object that polkit serves.
struct Authority {
    answer: String,
}

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Authority {
    async fn check_authorization(
        &self,
        subject: (String, HashMap<String, OwnedVariant>),
        action_id: String,
        details: HashMap<String, String>,
        flags: u32,
        cancellation_id: String,
    ) -> (bool, bool, HashMap<String, String>) {
        let name = subject.1.get("name").and_then(|name| String::try_from(name.clone()).ok());
        println!(
            "{}",
            json!({ "kind": subject.0, "name": name, "action": action_id, "details": details, "flags": flags,
                "cancellation": cancellation_id })
        );
        match self.answer.as_str() {
            "yes" => (true, false, HashMap::new()),
            "challenge" => (false, true, HashMap::new()),
            "silent" => std::future::pending().await,
            _ => (false, false, HashMap::new()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(answer) = std::env::args().nth(1) else {
        eprintln!("Usage: testudo-polkit yes|no|challenge|silent");
        return ExitCode::from(2);
    };
    match serve(answer).await {
        Ok(_connection) => {
            println!("ready");
            std::future::pending().await
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(answer: String) -> zbus::Result<Connection> {
    let connection = testudo::bus::connect().await?;
    connection.object_server().at("/org/freedesktop/PolicyKit1/Authority", Authority { answer }).await?;
    connection.request_name("org.freedesktop.PolicyKit1").await?;
    Ok(connection)
}

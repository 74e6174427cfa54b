//! Calls one method on the bus as whoever it runs as, and says what came of it: the attacker's hand in tests.
//!
//! `testudo-caller Policy1 Approve s:a-1 s:DIGEST o:for=once` prints the answer, or the error's name and text with status 1.

use std::collections::HashMap;
use std::process::ExitCode;

use zbus::wire::{StructureBuilder, Variant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, member, rest @ ..] = arguments.as_slice() else {
        eprintln!("Usage: testudo-caller INTERFACE MEMBER [s:TEXT|t:NUMBER|u:NUMBER|o:KEY=VALUE,…]…");
        return ExitCode::from(2);
    };
    match call(interface, member, rest).await {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn call(interface: &str, member: &str, arguments: &[String]) -> Result<String, String> {
    let connection = testudo::bus::connect().await.map_err(|error| error.to_string())?;
    let name = format!("org.testudo.{interface}");
    let path = format!("/org/testudo/{interface}");
    let reply = if arguments.is_empty() {
        connection.call_method(Some(name.as_str()), path.as_str(), Some(name.as_str()), member, &()).await
    } else {
        let mut body = StructureBuilder::new();
        for argument in arguments {
            body = append(body, argument)?;
        }
        let body = body.build().map_err(|error| error.to_string())?;
        connection.call_method(Some(name.as_str()), path.as_str(), Some(name.as_str()), member, &body).await
    };
    let reply = reply.map_err(|error| match error {
        zbus::Error::MethodError(name, text, _) => format!("{name}: {}", text.unwrap_or_default()),
        other => other.to_string(),
    })?;
    let body = reply.body();
    Ok(body.deserialize::<String>().unwrap_or_else(|_| "done".to_owned()))
}

fn append<'a>(body: StructureBuilder<'a>, argument: &'a str) -> Result<StructureBuilder<'a>, String> {
    let wrong = || format!("cannot read the argument {argument}");
    let (kind, value) = argument.split_once(':').ok_or_else(wrong)?;
    Ok(match kind {
        "s" => body.add_field(value),
        "t" => body.add_field(value.parse::<u64>().map_err(|_| wrong())?),
        "u" => body.add_field(value.parse::<u32>().map_err(|_| wrong())?),
        "o" => {
            let pairs = value.split(',').filter_map(|pair| pair.split_once('='));
            let options: HashMap<&str, Variant<'_>> = pairs.map(|(key, value)| (key, Variant::from(value))).collect();
            body.add_field(options)
        }
        _ => return Err(wrong()),
    })
}

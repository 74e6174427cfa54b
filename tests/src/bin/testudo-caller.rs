//! Calls one method on the bus as whoever it runs as, and says what came of it: the attacker's hand in tests.
//!
//! `testudo-caller Policy1 Approve s:a-1 s:DIGEST o:for=once` prints the answer, or the error's name and text with status 1;
//! `testudo-caller --own NAME` tries to own a name; `testudo-caller --introspect NAME` prints what a daemon serves.

use std::collections::HashMap;
use std::io::{Seek as _, Write as _};
use std::process::ExitCode;

use zbus::wire::{Fd, StructureBuilder, Variant};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, member, rest @ ..] = arguments.as_slice() else {
        eprintln!(
            "Usage: testudo-caller INTERFACE MEMBER [s:TEXT|r:COUNT=TEXT|t:NUMBER|u:NUMBER|b:true|h:TEXT|o:KEY=VALUE,…]…"
        );
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
    if interface == "--own" {
        return connection
            .request_name(member)
            .await
            .map(|()| "owned".to_owned())
            .map_err(|error| said(&error));
    }
    if interface == "--introspect" {
        let path = format!("/{}", member.replace('.', "/"));
        let introspectable = Some("org.freedesktop.DBus.Introspectable");
        let reply =
            connection.call_method(Some(member), path.as_str(), introspectable, "Introspect", &()).await;
        return reply.and_then(|reply| reply.body().deserialize::<String>()).map_err(|error| said(&error));
    }
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
    let reply = reply.map_err(|error| said(&error))?;
    let body = reply.body();
    Ok(body.deserialize::<String>().unwrap_or_else(|_| "done".to_owned()))
}

/// An open file with this text.
fn file(text: &str) -> std::io::Result<std::os::fd::OwnedFd> {
    let mut file = tempfile::tempfile_in("/tmp")?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// The error's name and text.
fn said(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, text, _) => format!("{name}: {}", text.as_deref().unwrap_or_default()),
        zbus::Error::FDO(error) => match &**error {
            zbus::fdo::Error::ZBus(error) => said(error),
            other => format!("{}: {other}", zbus::DBusError::name(other)),
        },
        other => other.to_string(),
    }
}

fn append<'a>(body: StructureBuilder<'a>, argument: &'a str) -> Result<StructureBuilder<'a>, String> {
    let wrong = || format!("cannot read the argument {argument}");
    let (kind, value) = argument.split_once(':').ok_or_else(wrong)?;
    Ok(match kind {
        "s" => body.add_field(value),
        // A command line has no room for what is too long.
        "r" => {
            let (count, text) = value.split_once('=').ok_or_else(wrong)?;
            body.add_field(text.repeat(count.parse().map_err(|_| wrong())?))
        }
        "t" => body.add_field(value.parse::<u64>().map_err(|_| wrong())?),
        "u" => body.add_field(value.parse::<u32>().map_err(|_| wrong())?),
        "b" => body.add_field(value.parse::<bool>().map_err(|_| wrong())?),
        "h" => body.add_field(Fd::from(file(value).map_err(|error| error.to_string())?)),
        "o" => {
            let pairs = value.split(',').filter_map(|pair| pair.split_once('='));
            let options: HashMap<&str, Variant<'_>> =
                pairs.map(|(key, value)| (key, Variant::from(value))).collect();
            body.add_field(options)
        }
        _ => return Err(wrong()),
    })
}

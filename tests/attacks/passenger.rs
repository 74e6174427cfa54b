//! `testudo-passenger`: what a call's side of the proxy does, without a call.
//!
//! `hold` is `toold`: a line `open PASS` on standard input gives a ticket, `close CALL` takes it back. `speak SOCKET` is the
//! call: standard input goes to the proxy, and what comes back goes to standard output, until the proxy ends the
//! connection or is silent for a while; then the last line says which.

use std::io::{BufRead as _, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use testudo::bus;

/// How long the proxy may be silent.
const SILENCE: Duration = Duration::from_millis(1800);
/// Said at the end when the proxy has not hung up.
const HELD: &[u8] = b"\n-- held";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["hold"] => hold(),
        ["speak", socket] => speak(socket).map_err(|error| error.to_string()),
        _ => Err("Usage: testudo-passenger hold | speak SOCKET".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testudo-passenger: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn hold() -> Result<(), String> {
    let connection = bus::connect().await.map_err(|error| error.to_string())?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let (member, body) = line.split_once(' ').ok_or("a line has two words")?;
        let member = if member == "open" { "Open" } else { "Close" };
        let name = Some("org.testudo.Egress1");
        let reply = connection.call_method(name, "/org/testudo/Egress1", name, member, &(body)).await;
        let said = reply.and_then(|reply| reply.body().deserialize::<String>());
        println!("{}", said.unwrap_or_else(|error| format!("error {error}")));
    }
    Ok(())
}

fn speak(socket: &str) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE))?;
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    // The proxy may have heard enough before the end.
    let _ = stream.write_all(&input);
    let mut out = std::io::stdout();
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => out.write_all(bytes.get(..length).unwrap_or_default())?,
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                return out.write_all(HELD);
            }
            Err(_) => return Ok(()),
        }
    }
}

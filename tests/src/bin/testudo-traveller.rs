//! Reaches out as whoever it runs as, by hand: tickets as `toold` asks for them, and bytes as a call sends them.
//!
//! `testudo-traveller open PASS` prints a ticket and keeps it until its input ends; the line `close CALL` there closes a
//! call and prints what it carried. `testudo-traveller knock SOCKET` sends its input to a socket and prints what comes back.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use testudo::proxy::Egress1Proxy;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["open", pass] => open(pass).await,
        ["knock", socket] => knock(socket).map_err(|error| error.to_string()),
        _ => Err("Usage: testudo-traveller open PASS | knock SOCKET".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn open(pass: &str) -> Result<(), String> {
    let said = |error: zbus::Error| error.to_string();
    let connection = testudo::bus::connect().await.map_err(said)?;
    let egress = Egress1Proxy::new(&connection).await.map_err(said)?;
    println!("{}", egress.open(pass).await.map_err(said)?);
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let Some(call) = line.strip_prefix("close ") else { return Err(format!("what is {line}?")) };
        println!("{}", egress.close(call).await.map_err(said)?);
    }
    Ok(())
}

fn knock(socket: &str) -> std::io::Result<()> {
    let stream = UnixStream::connect(socket)?;
    let mut outgoing = stream.try_clone()?;
    let sending = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count) = std::io::stdin().read(&mut bytes) {
            if count == 0 || outgoing.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                break;
            }
        }
        // A client that hangs up early is a test of its own.
        let _ = outgoing.shutdown(Shutdown::Write);
    });
    let mut incoming = stream;
    let mut bytes = [0; 4096];
    loop {
        let count = incoming.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        let mut out = std::io::stdout();
        out.write_all(bytes.get(..count).unwrap_or_default())?;
        out.flush()?;
    }
    // Its input may stay open for ever.
    drop(sending);
    Ok(())
}

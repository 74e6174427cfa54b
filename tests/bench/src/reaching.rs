//! What a way out through `egressd` costs beside none: each request decided by `policyd` and recorded before it goes.
//!
//! The client is this program again, as the user that the socket is for; it takes turns between both ways.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use testudo_appliance::{Appliance, Plan};

use crate::percentile::Summary;
use crate::table::Table;

const SOCKET: &str = "/run/testudo/egress/models.sock";
const PATH: &str = "/v1/chat/completions";
/// Bytes of the large answer.
const LARGE: usize = 64 << 20;
const SMALL: usize = 128;
const WARM_UP: u16 = 10;
/// Large answers each way.
const LOADS: u16 = 8;

const PROXIED: &str = "request through egressd, decided and recorded";
const DIRECT: &str = "the same request without egressd";
const PROXIED_LOAD: &str = "64 MiB through egressd";
const DIRECT_LOAD: &str = "64 MiB without egressd";

/// Adds the four rows.
///
/// # Errors
/// When the appliance does not start, or a request does not come through.
pub(crate) fn measure(rounds: u16, table: &mut Table) -> Result<()> {
    let server = TcpListener::bind(("127.0.0.1", 0))?;
    let port = server.local_addr()?.port();
    std::thread::spawn(move || serve(&server));
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut plan = Plan::from_repo(&repository, &Plan::bin_dir_of_test()?)?;
    plan.set("modeld", "provider", "openai").set("modeld", "model", "none");
    plan.set("modeld", "base_url", format!("http://127.0.0.1:{port}/v1"));
    plan.set("egressd", "per_minute", 1_000_000).set("egressd", "response_limit", "4GiB");
    let appliance = Appliance::start(plan).context("cannot start the appliance")?;
    let mut client = appliance.run_as("testudo-modeld", std::env::current_exe()?)?;
    client.args(["--rounds", &rounds.to_string(), "--reach", &port.to_string()]);
    let output = client.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the client ended with {}", output.status);
    let mut series: Vec<Vec<Duration>> = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let micros = line.split(' ').map(|word| Ok(Duration::from_micros(word.parse()?)));
        series.push(micros.collect::<Result<_>>()?);
    }
    let [proxied, direct, proxied_load, direct_load] = series.as_slice() else {
        bail!("a series is missing")
    };
    for (name, series, rival, other) in
        [(PROXIED, proxied, DIRECT, direct), (PROXIED_LOAD, proxied_load, DIRECT_LOAD, direct_load)]
    {
        table.time(name, Summary::of(series), Summary::of(other).map(|other| (rival, other)));
        table.time(rival, Summary::of(other), None);
    }
    appliance.stop()?;
    Ok(())
}

/// The client's part: prints the four series, one a line, in microseconds.
///
/// # Errors
/// When a request does not come through.
pub(crate) fn client(port: u16, rounds: u16) -> Result<()> {
    let stream = UnixStream::connect(SOCKET).context("cannot reach egressd")?;
    (&stream).write_all(b"{}\0")?;
    let mut proxied = BufReader::new(stream);
    let mut direct = BufReader::new(TcpStream::connect(("127.0.0.1", port))?);
    let target = format!("http://127.0.0.1:{port}{PATH}");
    let mut series = [const { Vec::new() }; 4];
    let plans = [(WARM_UP, rounds, SMALL, 0), (1, LOADS, LARGE, 2)];
    for (warm_up, rounds, bytes, at) in plans {
        for round in 0..warm_up + rounds {
            let through = timed(&mut proxied, &target, port, bytes).context("cannot ask through egressd")?;
            let without = timed(&mut direct, PATH, port, bytes).context("cannot ask directly")?;
            if round < warm_up {
                continue;
            }
            for (index, took) in [(at, through), (at + 1, without)] {
                series.get_mut(index).context("a series")?.push(took.as_micros().to_string());
            }
        }
    }
    for series in series {
        writeln!(std::io::stdout(), "{}", series.join(" "))?;
    }
    Ok(())
}

fn timed<S>(stream: &mut BufReader<S>, target: &str, port: u16, bytes: usize) -> Result<Duration>
where
    S: Read,
    for<'s> &'s S: Write,
{
    let began = Instant::now();
    let body = bytes.to_string();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_ref().write_all(head.as_bytes())?;
    let (first, length) = head_of(stream)?;
    ensure!(first.contains(" 200 "), "the answer is {first}");
    ensure!(length == bytes, "the answer has {length} bytes");
    std::io::copy(&mut stream.take(length as u64), &mut std::io::sink())?;
    Ok(began.elapsed())
}

/// Answers each request with as many bytes as its body says.
fn serve(server: &TcpListener) {
    for stream in server.incoming().flatten() {
        std::thread::spawn(move || {
            // As servers do: else the second of two short writes waits for the other side's delayed acknowledgement.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let mut stream = BufReader::new(stream);
            let body = vec![b'x'; LARGE];
            // It ends with the client.
            while let Ok((_, length)) = head_of(&mut stream) {
                let mut wanted = String::new();
                let read = (&mut stream).take(length as u64).read_to_string(&mut wanted);
                let bytes = wanted.trim().parse::<usize>().unwrap_or(0);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
                let mut out = stream.get_ref();
                let sent = out.write_all(head.as_bytes());
                let sent = sent.and_then(|()| out.write_all(body.get(..bytes).unwrap_or_default()));
                if read.is_err() || sent.is_err() {
                    return;
                }
            }
        });
    }
}

/// The first line of a head, and the length that it announces.
fn head_of(stream: &mut impl BufRead) -> Result<(String, usize)> {
    let mut first = String::new();
    ensure!(stream.read_line(&mut first)? > 0, "the other side hung up");
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        if line.trim().is_empty() {
            return Ok((first.trim().to_owned(), length));
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
}

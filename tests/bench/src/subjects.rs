//! Everything that takes its turn in a round: contained calls, mediated calls, rivals and floors.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testudo::bus;
use testudo::proxy::{Options, Tools1Proxy};
use testudo_appliance::Appliance;
use testudo_sandbox::client::Instance;
use testudo_sandbox::protocol::{Program, Proposed, Run};
use tokio::runtime::{Builder, Runtime};
use zbus::fdo::PeerProxy;

use crate::memory;
use crate::percentile::Summary;
use crate::rivals::{self, BWRAP, FSYNC};
use crate::rounds::{Subject, take_turns};
use crate::table::Table;

/// The session of all mediated calls.
const SESSION: &str = "bench";
/// A small file of the workspace.
const FILE: &str = "small.txt";

const OVERLAY: &str = "sandboxed true, overlay";
const READ_ONLY: &str = "sandboxed true, read-only";
const SHELL: &str = "shell.run true, mediated and recorded";
const READ: &str = "fs.read of 1 KiB, mediated and recorded";
const ECHO: &str = "echo, mediated and recorded";
const PING: &str = "ping of toold over the bus";

/// Measures all of them and adds their rows.
///
/// # Errors
/// When one of them does not do what it should.
pub(crate) fn measure(appliance: &Appliance, rounds: u16, table: &mut Table) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let bus = runtime.block_on(Bus::connect(appliance))?;
    std::fs::write(appliance.workspace().join(FILE), [b'x'; 1024])?;
    let mut subjects = vec![contained(appliance, OVERLAY, true)?, contained(appliance, READ_ONLY, false)?];
    subjects.extend(rivals::bwrap());
    let scratch = tempfile::tempdir()?;
    subjects.extend(rivals::crun(scratch.path()));
    subjects.push(rivals::plain());
    subjects
        .push(mediated(&runtime, &bus, SHELL, "shell.run", &json!({ "command": "true" })).beside(OVERLAY));
    subjects.push(mediated(&runtime, &bus, READ, "fs.read", &json!({ "path": FILE })).beside(PING));
    subjects.push(mediated(&runtime, &bus, ECHO, "echo", &json!({ "text": "hello" })).beside(FSYNC));
    subjects.push(Subject::new(PING, || Ok(runtime.block_on(bus.peer.ping())?)));
    subjects.push(rivals::durable_write(appliance.state_dir())?);

    let series = take_turns(&mut subjects, rounds)?;
    let summaries: Vec<Option<Summary>> = series.iter().map(|series| Summary::of(series)).collect();
    for (subject, summary) in subjects.iter().zip(&summaries) {
        let is_rival = |other: &&Subject<'_>| Some(other.name) == subject.rival;
        let rival = subjects.iter().zip(&summaries).find(|(other, _)| is_rival(other));
        let rival = rival.and_then(|(other, summary)| Some((other.name, (*summary)?)));
        table.time(subject.name, *summary, rival);
    }
    // The subjects hold sandboxes, which idle now.
    memory::measure(appliance, "after the calls", table)
}

/// `true` in a warm sandbox of its own, through the socket that `toold` uses.
fn contained(appliance: &Appliance, name: &'static str, overlay: bool) -> Result<Subject<'static>> {
    let toold = appliance.pid_of("toold")?;
    let socket = format!("/proc/{toold}/root/run/testudo/sandbox/workshop.sock");
    let mut instance = Instance::connect(Path::new(&socket))?;
    let probe = instance.probe()?;
    ensure!(probe.ready, "cannot contain a call here: {}", probe.reason.unwrap_or_default());
    let program = Program::Exec { argv: vec!["true".to_owned()], cwd: None };
    let run = Run { overlay, ..Run::new("bench", program) };
    let once = move || {
        let done = instance.run(&run)?.done;
        ensure!(done.exit == Some(0) && done.changes == Proposed::Nothing, "it ended with {done:?}");
        Ok(())
    };
    Ok(Subject::new(name, once).beside(BWRAP))
}

/// A call through all six stages, as an operator makes it.
fn mediated<'s>(
    runtime: &'s Runtime,
    bus: &'s Bus,
    name: &'static str,
    tool: &'static str,
    arguments: &Value,
) -> Subject<'s> {
    let arguments = arguments.to_string();
    Subject::new(name, move || {
        let answer = runtime.block_on(bus.tools.invoke(SESSION, tool, &arguments, Options::new()))?;
        let outcome: testudo::tool::Outcome = serde_json::from_str(&answer)?;
        ensure!(outcome.error.is_none() && outcome.result.is_some(), "it ended with {answer}");
        Ok(())
    })
}

/// An operator's connection.
struct Bus {
    tools: Tools1Proxy<'static>,
    peer: PeerProxy<'static>,
}

impl Bus {
    async fn connect(appliance: &Appliance) -> Result<Self> {
        let address = appliance.bus_address();
        let connection = zbus::connection::Builder::address(address.as_str()).build().await;
        let connection = connection.with_context(|| format!("cannot reach the bus at {address}"))?;
        let tools = Tools1Proxy::new(&connection).await?;
        let peer = PeerProxy::builder(&connection).destination(bus::TOOLS).path(bus::TOOLS_PATH);
        Ok(Self { tools, peer: peer.build().await? })
    }
}

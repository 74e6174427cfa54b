//! Sessions: what the first call of one costs, what eight cost at once, and what a warm one keeps in memory.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testudo_appliance::Appliance;
use testudo_sandbox::client::Instance;
use testudo_sandbox::protocol::{Program, Run};

use crate::memory;
use crate::percentile::Summary;
use crate::rivals::BWRAP;
use crate::table::Table;

/// Sessions at once.
const CROWD: usize = 8;
/// Calls of each of them.
const CALLS: usize = 40;
/// First calls that are measured: each starts a unit, which takes a while to end again.
const FIRST: usize = 20;

/// Measures all three and adds their rows.
///
/// # Errors
/// When a call does not end as it should.
pub(crate) fn measure(appliance: &Appliance, table: &mut Table) -> Result<()> {
    let toold = appliance.pid_of("toold")?;
    let socket = PathBuf::from(format!("/proc/{toold}/root/run/testudo/sandbox/workshop.sock"));
    first_calls(&socket, table)?;
    crowd(appliance, &socket, table)
}

/// From the connection to the end of its first call.
fn first_calls(socket: &Path, table: &mut Table) -> Result<()> {
    let mut series = Vec::with_capacity(FIRST);
    for _ in 0..FIRST {
        let began = Instant::now();
        let mut instance = Instance::connect(socket)?;
        once(&mut instance)?;
        series.push(began.elapsed());
    }
    table.time("cold session: connection to the end of its first call", Summary::of(&series), None);
    Ok(())
}

/// Eight sessions that call at the same time; each call is timed on its own.
fn crowd(appliance: &Appliance, socket: &Path, table: &mut Table) -> Result<()> {
    let before = memory::sandboxes(appliance)?;
    let mut instances = (0..CROWD).map(|_| Instance::connect(socket)).collect::<Result<Vec<_>, _>>()?;
    for instance in &mut instances {
        once(instance)?;
    }
    let (bytes, count) = memory::sandboxes(appliance)?;
    let more = u64::try_from(count.saturating_sub(before.1)).unwrap_or(1).max(1);
    table.memory(format!("PSS of one warm session, of {more}"), bytes.saturating_sub(before.0) / more);

    let start = Barrier::new(CROWD);
    let began = Instant::now();
    let series: Vec<Vec<Duration>> = std::thread::scope(|scope| {
        let work = |mut instance: Instance| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                (0..CALLS).map(|_| timed(&mut instance)).collect::<Result<Vec<_>>>()
            })
        };
        let threads: Vec<_> = instances.drain(..).map(work).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Vec<Duration>>>| {
            thread.join().ok().context("a session's thread panicked")?
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let took = began.elapsed();
    let all: Vec<Duration> = series.into_iter().flatten().collect();
    let calls = u32::try_from(all.len()).unwrap_or(u32::MAX).max(1);
    table.time("sandboxed true, eight sessions at once: each call", Summary::of(&all), None);
    table.time("the same, time by calls", Summary::of(&[took / calls]), None);
    eprintln!("testudo-bench: eight sessions at once stand beside {BWRAP} one at a time, further up");
    Ok(())
}

fn timed(instance: &mut Instance) -> Result<Duration> {
    let began = Instant::now();
    once(instance)?;
    Ok(began.elapsed())
}

fn once(instance: &mut Instance) -> Result<()> {
    let program = Program::Exec { argv: vec!["true".to_owned()], cwd: None };
    let done = instance.run(&Run { overlay: true, ..Run::new("bench", program) })?.done;
    ensure!(done.exit == Some(0), "it ended with {done:?}");
    Ok(())
}

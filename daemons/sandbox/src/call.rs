//! One call, seen from the zygote: give a waiting child its order, collect its output, cut it where a limit says so.
//!
//! A call ends by itself, at its deadline, at its output limit, when the client hangs up, or when the zygote is
//! told to stop. In all but the first case its PID 1 is killed, which takes every process of the call along;
//! [`run`] returns only when all of them are dead, and only then is the overlay looked at.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::collector::{Captured, Collector, Cut, Watched, nonblocking};
use crate::layers::{Layer, Layers};
use crate::memfd;
use crate::order::{Carried, Order};
use crate::prepared::Prepared;
use crate::report::{self, Report};
use crate::stream::Stream;

/// A call that is over, every process of it dead.
pub(crate) struct Ended {
    pub(crate) report: Report,
    pub(crate) cut: Option<Cut>,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) duration: Duration,
    /// The rest of a frame that the client has begun to read.
    pub(crate) unsent: Vec<u8>,
}

/// Runs a call to its end, in a child that has served none before.
pub(crate) fn run(
    prepared: &mut Prepared,
    order: &mut Order,
    carried: &Carried,
    layers: Layers,
    watched: &Watched<'_>,
) -> io::Result<Ended> {
    let started = Instant::now();
    let (Some(stdout), Some(stderr), Some(report)) =
        (prepared.stdout.take(), prepared.stderr.take(), prepared.report.take())
    else {
        return Err(io::Error::other("the child has served a call already"));
    };
    let limits = &order.run.limits;
    let deadline = layers.has(Layer::WallLimit).then(|| started + Duration::from_millis(limits.wall_ms));
    let endless = !layers.has(Layer::OutputLimit);
    let mut collector = Collector {
        stdout: Captured::new(stdout)?,
        stderr: Captured::new(stderr)?,
        room: limits.output_bytes,
        endless,
        // What is forgotten later is better not told of.
        stream: (order.run.stream && !endless).then(|| Stream::new(&order.run.call)),
    };
    if let Some(group) = &prepared.group {
        group.limit(limits);
    }
    // A child that failed has said so in its report.
    let _ = order.give(&mut prepared.order, carried);
    let watch = collector.until_over(prepared.exit.as_fd(), watched, deadline);
    if matches!(watch, Ok(None)) {
        prepared.reap()?;
    } else {
        prepared.end()?;
    }
    let mut cut = watch?;
    if !collector.drain()? {
        cut = cut.or(Some(Cut::Output));
    }
    let report = report::read(nonblocking(report)?)?;
    let Collector { stdout, stderr, stream, .. } = collector;
    let unsent = stream.map(Stream::into_rest).unwrap_or_default();
    Ok(Ended { report, cut, stdout, stderr, duration: started.elapsed(), unsent })
}

/// What a call reads from its standard input.
pub(crate) fn input(text: &str) -> io::Result<OwnedFd> {
    use std::io::Seek;
    let mut file = memfd::create(c"stdin")?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    memfd::seal(file)
}

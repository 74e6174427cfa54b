//! From an admitted call to its answer.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;

use super::{Answer, Trouble, Zygote, refuse};
use crate::admission;
use crate::bulk;
use crate::call::{self, Ended};
use crate::cgroup::Group;
use crate::collector::{Cut, Watched};
use crate::copied::{self, Bound};
use crate::landlock;
use crate::layers::Layer;
use crate::network;
use crate::order::{Carried, Order};
use crate::overlay::Directories;
use crate::prepared::Prepared;
use crate::protocol::{Done, Kept, Program, Proposed, Reply, Run, TIMED_OUT};
use crate::report::Report;
use crate::root::HOSTS;
use crate::syscall;
use crate::tunnels;
use crate::upper;
use crate::way::Way;
use crate::wire::Connection;

impl Zygote {
    /// Runs a call that this sandbox accepts.
    pub(super) fn run(&mut self, run: &Run, connection: &Connection) -> Result<Answer, Trouble> {
        let run = admission::admit(run, self.deployment.template, self.layers).map_err(Trouble::Refused)?;
        self.carry_out(run, connection)
    }

    /// Runs a call as it is.
    pub(super) fn carry_out(&mut self, run: Run, connection: &Connection) -> Result<Answer, Trouble> {
        if self.layers.has(Layer::EmptyNetwork) {
            network::require_empty().map_err(refuse)?;
        }
        if self.layers.has(Layer::Landlock) {
            landlock::require_abi(syscall::landlock_abi()).map_err(refuse)?;
        }
        if let Some(root) = &self.deployment.tool_root {
            root.require().map_err(refuse)?;
        }
        let stdin = run.stdin.as_deref().map(call::input).transpose().map_err(refuse)?;
        let mut run = run;
        let mut way =
            Way::open(&mut run, self.deployment.egress.as_ref(), self.layers).map_err(refuse_call)?;
        let mut order = Order::new(run, std::mem::take(&mut way.ports));
        let carried = Carried { stdin, connection: way.connection.take() };
        let (mut prepared, mut ended) = self.run_contained(&mut order, &carried, connection)?;
        drop(way);
        let run = &order.run;
        if matches!(run.program, Program::Shell { .. }) && ended.cut.is_none() {
            let note = self.session.take(&prepared.directories.session).map_err(refuse)?;
            note.map_or(Ok(()), |note| ended.stderr.add(note)).map_err(refuse)?;
        }
        let (changes, proposal) = self.proposed(run, &mut prepared.directories)?;
        // The rest of a piece of output, without which no frame would be one.
        connection.stream().write_all(&ended.unsent).map_err(|_| Trouble::End)?;
        let (reply, bulk) = done(run, ended, &mut prepared, changes, proposal)
            .map_err(|error| Trouble::Refused(format!("cannot hand the output over: {error}")))?;
        Ok(Answer { reply, bulk, remains: Some(prepared) })
    }

    /// Runs it in the child that waits, or in a new one where that has failed before the call came.
    fn run_contained(
        &mut self,
        order: &mut Order,
        carried: &Carried,
        connection: &Connection,
    ) -> Result<(Prepared, Ended), Trouble> {
        let failed = |error: io::Error| Trouble::Refused(format!("cannot run the call: {error}"));
        loop {
            let waiting = self.next.take().filter(Prepared::is_waiting);
            let early = waiting.is_some();
            let mut prepared = waiting.map_or_else(|| self.prepare(), Ok).map_err(failed)?;
            if matches!(order.run.program, Program::Shell { .. }) {
                self.session.give(&prepared.directories.session).map_err(failed)?;
            }
            if let Some(hosts) = own_hosts(&order.run) {
                fs::write(prepared.directories.session.join(HOSTS), hosts).map_err(failed)?;
            }
            if self.workspace == Kept::Copy && self.proposes(&order.run) {
                self.copy(&mut prepared.directories)?;
            }
            let watched = Watched { connection: connection.stream().as_fd(), signals: self.signals.as_fd() };
            let ended = call::run(&mut prepared, order, carried, self.layers, &watched).map_err(failed)?;
            if matches!(ended.cut, Some(Cut::HungUp | Cut::Stopped)) {
                return Err(Trouble::End);
            }
            match ended.report {
                // The scratch may have been full while it prepared itself. Nothing has run.
                Report::Unconfined(_) if early => {}
                Report::NoOverlay(reason) if self.workspace == Kept::Overlay => {
                    eprintln!("<5>the workspace is copied for each call: {reason}");
                    self.workspace = Kept::Copy;
                }
                Report::Unconfined(reason) | Report::NoOverlay(reason) => {
                    eprintln!("<3>the call {} was not run: {reason}", order.run.call);
                    return Err(Trouble::Refused(reason));
                }
                _ => return Ok((prepared, ended)),
            }
        }
    }

    /// Sees to it that a child waits.
    pub(super) fn make_ready(&mut self) {
        if self.next.is_none() {
            // The call itself will try again, and say why it cannot run.
            self.next = self.prepare().ok();
        }
    }

    fn prepare(&mut self) -> io::Result<Prepared> {
        self.number += 1;
        let failed =
            |what: &'static str| move |error| io::Error::other(format!("cannot make {what}: {error}"));
        let mut directories = Directories::create(&self.deployment.scratch, self.number, self.layers)
            .map_err(failed("the call's scratch"))?;
        directories.copying = self.workspace == Kept::Copy;
        let limits = admission::most(self.deployment.template);
        let group = self.subtree.as_ref().map(|subtree| subtree.group(self.number, &limits)).transpose();
        let group = group.map_err(failed("the call's control group"))?;
        Prepared::start(&self.deployment, directories, group, &self.filters, self.layers)
    }

    /// Whether what it writes is a proposal.
    fn proposes(&self, run: &Run) -> bool {
        run.overlay && self.layers.has(Layer::Proposals)
    }

    /// Copies the workspace as it is now: what was applied after the last call must be in it.
    fn copy(&self, directories: &mut Directories) -> Result<(), Trouble> {
        let bound = Bound::of(&self.deployment.scratch).map_err(refuse_call)?;
        let copied = copied::copy(&self.deployment.workspace, &directories.upper, bound);
        directories.copied = Some(copied.map_err(refuse)?);
        Ok(())
    }

    fn proposed(
        &self,
        run: &Run,
        directories: &mut Directories,
    ) -> Result<(Proposed, Vec<OwnedFd>), Trouble> {
        if !self.proposes(run) {
            return Ok((Proposed::Nothing, Vec::new()));
        }
        let workspace = &self.deployment.workspace;
        let found = match &mut directories.copied {
            Some(was) => upper::read_copy(&directories.upper, was, workspace, &run.limits),
            None => upper::read(&directories.upper, workspace, &run.limits),
        };
        match found {
            Ok(found) => bulk::proposed(found, &run.limits).map_err(refuse),
            Err(error) => Ok((Proposed::Refused { reason: error.to_string() }, Vec::new())),
        }
    }
}

/// What the names of the call's tunnels mean to it.
fn own_hosts(run: &Run) -> Option<String> {
    let tunnels = run.network.as_ref().map(|network| network.tunnels.as_slice()).unwrap_or_default();
    (!tunnels.is_empty()).then(|| tunnels::hosts(tunnels))
}

fn refuse_call(why: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(format!("cannot run the call: {why}"))
}

fn done(
    run: &Run,
    ended: Ended,
    prepared: &mut Prepared,
    changes: Proposed,
    proposal: Vec<OwnedFd>,
) -> io::Result<(Reply, Vec<OwnedFd>)> {
    let timed_out = ended.cut == Some(Cut::Deadline);
    let (exit, signal) = match ended.report {
        _ if timed_out => (Some(TIMED_OUT), None),
        Report::Ended(status) => match status & 0x7f {
            0 => (Some(status >> 8 & 0xff), None),
            signal => (None, Some(signal)),
        },
        Report::Silent | Report::Unconfined(_) | Report::NoOverlay(_) => (None, Some(Signal::SIGKILL as i32)),
    };
    let reply = Reply::Done(Done {
        call: run.call.clone(),
        exit,
        signal,
        timed_out,
        output_truncated: ended.cut == Some(Cut::Output),
        duration_us: u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX),
        peak_memory: prepared.group.as_ref().and_then(Group::peak),
        stdout_len: ended.stdout.length,
        stderr_len: ended.stderr.length,
        changes,
    });
    let mut bulk = vec![ended.stdout.seal()?, ended.stderr.seal()?];
    bulk.extend(proposal);
    Ok((reply, bulk))
}

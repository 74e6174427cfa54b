//! The second process of a call: it waits for the order, enters what is left of the confinement, and becomes the program.
//!
//! Its steps, too, come in the kernel's order: mounts, then privileges, then Landlock (which forbids mounts), then
//! seccomp (which forbids nearly all of the above).

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd;

use crate::child::{Child, ChildError, step};
use crate::landlock::Domain;
use crate::layers::Layer;
use crate::order::{Carried, Order};
use crate::privileges;
use crate::program::Ready;
use crate::protocol::{Program, WORKSPACE};
use crate::report::Reporter;
use crate::syscall;

/// A process about to become the program.
pub(crate) struct Occupant<'c, 'a> {
    pub(crate) child: &'c mut Child<'a>,
    /// The rules that hold for every call.
    pub(crate) domain: Option<Domain>,
}

impl Occupant<'_, '_> {
    /// Never returns.
    pub(crate) fn live(mut self, reporter: &mut Reporter) -> ! {
        match self.confine(reporter) {
            Ok(Some(mut ready)) => {
                // Whatever happens from here on, the program does; it must not speak for its reaper.
                reporter.close();
                syscall::exit_now(ready.start())
            }
            Ok(None) => {}
            Err(ChildError::Root(error)) if error.refuses_overlay() => {
                reporter.no_overlay(&error.to_string());
            }
            Err(error) => reporter.unconfined(&error.to_string()),
        }
        syscall::exit_now(1)
    }

    /// None when there will be no order.
    fn confine(&mut self, reporter: &Reporter) -> Result<Option<Ready>, ChildError> {
        step("start a session", unistd::setsid().map(drop).map_err(Into::into))?;
        default_signals()?;
        let Some((order, mut carried)) = Order::wait(&mut self.child.order)? else { return Ok(None) };
        let shell = matches!(order.run.program, Program::Shell { .. });
        let named = order.run.network.as_ref().is_some_and(|network| !network.tunnels.is_empty());
        self.child.root.complete(order.run.overlay, order.run.limits.tmp_bytes, shell, named)?;
        self.descriptors(&mut carried)?;
        step("enter the workspace", std::env::set_current_dir(WORKSPACE))?;
        let layers = self.child.layers;
        if layers.has(Layer::ResourceLimits) {
            privileges::limit(&order.run.limits)?;
        }
        if layers.has(Layer::Privileges) {
            privileges::drop_all()?;
        }
        if let Some(domain) = self.domain.take() {
            let session = shell.then(|| Path::new(crate::session::PLACE));
            domain.enter(Path::new(WORKSPACE), order.run.overlay, session, &order.ports)?;
        }
        if layers.has(Layer::Descriptors) {
            // A built-in tool is not executed: it keeps its connection, if it has one, and nothing else.
            let kept = carried.connection.as_ref().map(AsRawFd::as_raw_fd);
            let kept = kept.into_iter().chain(reporter.descriptor()).collect();
            step("close descriptors", syscall::close_all_but(kept))?;
        }
        if layers.has(Layer::Seccomp) {
            self.child.filters.of(order.run.profile)?.load()?;
        }
        Ok(Some(Ready { run: order.run, connection: carried.connection }))
    }

    fn descriptors(&self, carried: &mut Carried) -> Result<(), ChildError> {
        // Opened only now: before the change of roots it would point into the host's.
        let stdin = match carried.stdin.take() {
            Some(descriptor) => descriptor,
            None => step("open /dev/null", File::open("/dev/null"))?.into(),
        };
        step("place standard input", syscall::place(stdin.as_fd(), 0))?;
        step("place standard output", syscall::place(self.child.stdout.as_fd(), 1))?;
        step("place standard error", syscall::place(self.child.stderr.as_fd(), 2))?;
        Ok(())
    }
}

/// The zygote blocks SIGTERM and its runtime ignores SIGPIPE; programs expect neither.
fn default_signals() -> Result<(), ChildError> {
    step("unblock signals", SigSet::empty().thread_set_mask().map_err(Into::into))?;
    step("reset SIGPIPE", syscall::default_action(Signal::SIGPIPE))
}

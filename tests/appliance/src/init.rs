//! PID 1 of the appliance: makes its world, then supervises it until the end.

use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::sethostname;

use crate::account::Accounts;
use crate::bus;
use crate::control::{self, Report};
use crate::error::ApplianceError;
use crate::filesystem::{self, BUS_CONFIG};
use crate::layout::Layout;
use crate::notify::NotifySocket;
use crate::plan::Plan;
use crate::socket::Socket;
use crate::supervisor::Supervisor;
use crate::unit::Units;

/// Runs the appliance. The caller of it is PID 1 of a fresh PID namespace already.
pub(crate) fn run(plan: Plan, layout: &Layout, control: OwnedFd) -> Result<(), ApplianceError> {
    let reporter = control
        .try_clone()
        .map_err(|source| ApplianceError::System { action: "copy the lifeline", source })?;
    let supervisor = set_up(plan, layout, control);
    let report = match &supervisor {
        Ok(_) => Report::Up,
        Err(error) => Report::Failed(error.to_string()),
    };
    control::send(&reporter, &report, None).map_err(ApplianceError::Silent)?;
    supervisor?.run()
}

fn set_up(plan: Plan, layout: &Layout, control: OwnedFd) -> Result<Supervisor, ApplianceError> {
    // The guardian's end, by whatever, is the end of everything here.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(ApplianceError::system("follow the guardian's end"))?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(ApplianceError::system("make namespaces"))?;
    sethostname("testudo").map_err(ApplianceError::system("set the host name"))?;
    let accounts = Accounts::load(&plan.units.join("sysusers.d"), plan.human)?;
    let shipped = plan.units.join("system");
    let mut units = Units::load(&shipped, &plan.target)?;
    plan.enabled.iter().try_for_each(|name| units.add(&shipped, name))?;
    // A checkout below /tmp must stay visible to those who run from it.
    if plan.visible.iter().chain(plan.binaries.values()).any(|path| path.starts_with("/tmp")) {
        units.confinements().for_each(|confinement| confinement.tmp = false);
    }
    let paths = filesystem::path_table(&plan);
    let bus = bus::unit(BUS_CONFIG.as_ref())?;
    filesystem::enter(&plan, layout, &accounts)?;
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block().map_err(ApplianceError::system("block signals"))?;
    let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(ApplianceError::system("watch for signals"))?;
    let notify = NotifySocket::open()?;
    // The bus's user makes its socket there.
    let owner = accounts.user(&bus.user)?;
    std::os::unix::fs::chown("/run/testudo", Some(owner.uid), Some(owner.gid))
        .map_err(|e| ApplianceError::file("own", "/run/testudo", e))?;
    let sockets = units
        .sockets
        .into_iter()
        .map(|unit| Socket::listen(unit, &accounts))
        .collect::<Result<Vec<_>, _>>()?;
    let services = std::iter::once(bus).chain(units.services).collect();
    Ok(Supervisor::new((plan, accounts, paths), (services, sockets), (notify, signals, control)))
}

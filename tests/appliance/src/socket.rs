//! A listening socket of the appliance, as its `.socket` unit describes it.

use std::collections::VecDeque;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::account::Accounts;
use crate::error::ApplianceError;
use crate::unit::SocketUnit;

/// `TriggerLimitIntervalSec=` and `TriggerLimitBurst=` as systemd has them for a socket with `Accept=no`.
const TRIGGERS: (Duration, usize) = (Duration::from_secs(2), 20);

/// The unit and its listener, which is gone once the appliance stops.
pub(crate) struct Socket {
    pub(crate) unit: SocketUnit,
    listener: Option<UnixListener>,
    triggers: VecDeque<Instant>,
}

impl Socket {
    pub(crate) fn listen(unit: SocketUnit, accounts: &Accounts) -> Result<Self, ApplianceError> {
        let wrap = |e| ApplianceError::file("listen on", &unit.path, e);
        if let Some(parent) = unit.path.parent() {
            fs::create_dir_all(parent).map_err(wrap)?;
        }
        let listener = UnixListener::bind(&unit.path).map_err(wrap)?;
        listener.set_nonblocking(true).map_err(wrap)?;
        let uid = unit.user.as_deref().map(|name| accounts.user(name).map(|user| user.uid)).transpose()?;
        let gid = unit.group.as_deref().map(|name| accounts.group(name)).transpose()?;
        fs::set_permissions(&unit.path, fs::Permissions::from_mode(unit.mode)).map_err(wrap)?;
        chown(&unit.path, Some(uid.unwrap_or(0)), Some(gid.unwrap_or(0))).map_err(wrap)?;
        Ok(Self { unit, listener: Some(listener), triggers: VecDeque::new() })
    }

    /// The next connection, if one waits.
    pub(crate) fn accept(&self) -> Option<OwnedFd> {
        let (connection, _) = self.listener.as_ref()?.accept().ok()?;
        Some(connection.into())
    }

    /// Whether a connection waits that nobody has accepted.
    pub(crate) fn is_knocked_at(&self) -> bool {
        self.listening().is_some_and(|listener| {
            let mut waiting = [PollFd::new(listener, PollFlags::POLLIN)];
            poll(&mut waiting, PollTimeout::ZERO).is_ok_and(|count| count > 0)
        })
    }

    /// Counts a start of the service behind it. False: there were too many at once, and it is closed for good.
    pub(crate) fn trigger(&mut self, now: Instant) -> bool {
        self.triggers.retain(|start| now - *start < TRIGGERS.0);
        self.triggers.push_back(now);
        if self.triggers.len() > TRIGGERS.1 {
            eprintln!("{}: its service ends before it accepts; closed", self.unit.name);
            self.close();
        }
        self.listener.is_some()
    }

    /// Refuses further connections and removes the file.
    pub(crate) fn close(&mut self) {
        if self.listener.take().is_some() {
            let _ = fs::remove_file(&self.unit.path);
        }
    }

    pub(crate) fn listening(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }
}

//! A listening socket of the appliance, as its `.socket` unit describes it.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;

use crate::account::Accounts;
use crate::error::ApplianceError;
use crate::unit::SocketUnit;

/// The unit and its listener, which is gone once the appliance stops.
pub(crate) struct Socket {
    pub(crate) unit: SocketUnit,
    listener: Option<UnixListener>,
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
        Ok(Self { unit, listener: Some(listener) })
    }

    /// The next connection, if one waits.
    pub(crate) fn accept(&self) -> Option<OwnedFd> {
        let (connection, _) = self.listener.as_ref()?.accept().ok()?;
        Some(connection.into())
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

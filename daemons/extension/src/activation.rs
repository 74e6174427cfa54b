//! The listening socket that the service manager passed.
#![expect(unsafe_code, reason = "a descriptor comes as a number, and somebody must take it over")]

use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{getsockopt, sockopt};
use thiserror::Error;

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub enum ActivationError {
    /// The service manager's variables are missing or wrong.
    #[error("cannot take the socket from the service manager: {0}; start testudo-extension.socket instead")]
    Manager(#[from] libsystemd::errors::SdError),
    /// It passed none, or several.
    #[error("cannot take the socket from the service manager: it passed {0} descriptors instead of one")]
    Count(usize),
    /// The descriptor does not listen.
    #[error("cannot listen on the socket that the service manager passed: {0}")]
    Socket(#[source] io::Error),
}

/// Takes the one listening socket of socket activation.
///
/// # Errors
/// There is none, or it does not listen.
pub fn listener() -> Result<UnixListener, ActivationError> {
    let mut passed = libsystemd::activation::receive_descriptors(false)?;
    let descriptor = match (passed.pop(), passed.len()) {
        (Some(descriptor), 0) => descriptor,
        (None, _) => return Err(ActivationError::Count(0)),
        (Some(_), more) => return Err(ActivationError::Count(more + 1)),
    };
    // SAFETY: the manager left this descriptor to this process, and `descriptor` gave it up with its number.
    let socket = unsafe { OwnedFd::from_raw_fd(descriptor.into_raw_fd()) };
    let failed = |error: nix::errno::Errno| ActivationError::Socket(error.into());
    if !getsockopt(&socket, sockopt::AcceptConn).map_err(failed)? {
        return Err(failed(nix::errno::Errno::EINVAL));
    }
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true).map_err(ActivationError::Socket)?;
    Ok(listener)
}

//! The two listening sockets that the service manager passes, told apart by name.
#![expect(unsafe_code, reason = "a descriptor comes as a number, and somebody must take it over")]

use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Uid, User};
use thiserror::Error;

use crate::listener::{Door, Side};

/// Why there is nothing to listen on.
#[derive(Debug, Error)]
pub enum ActivationError {
    /// The service manager's variables are missing or wrong.
    #[error(
        "cannot take the sockets from the service manager: {0}; start testudo-egress-calls.socket instead"
    )]
    Manager(#[from] libsystemd::errors::SdError),
    /// A name that is not known; `FileDescriptorName=` of the socket unit says it.
    #[error("cannot use the socket {0:?} that the service manager passed: its name is not calls or models")]
    Name(String),
    /// It passed none.
    #[error("cannot take the sockets from the service manager: it passed none")]
    None,
    /// The user who may connect is not on this machine.
    #[error("cannot find the user {0}; systemd-sysusers makes it")]
    User(&'static str),
    /// The descriptor does not listen.
    #[error("cannot listen on the socket {0} that the service manager passed: {1}")]
    Socket(String, #[source] io::Error),
}

/// Takes the listening sockets of socket activation.
///
/// # Errors
/// There is none, one is not known by its name, or one does not listen.
pub fn doors() -> Result<Vec<Door>, ActivationError> {
    let passed = libsystemd::activation::receive_descriptors_with_names(false)?;
    let doors: Result<Vec<_>, _> = passed
        .into_iter()
        .map(|(descriptor, name)| {
            // SAFETY: the manager left this descriptor to this process, and `descriptor` gave it up with its number.
            door(unsafe { OwnedFd::from_raw_fd(descriptor.into_raw_fd()) }, name)
        })
        .collect();
    doors.and_then(|doors| if doors.is_empty() { Err(ActivationError::None) } else { Ok(doors) })
}

fn door(socket: OwnedFd, name: String) -> Result<Door, ActivationError> {
    let (side, user) = match name.as_str() {
        "calls" => (Side::Calls, "testudo-work"),
        "models" => (Side::Models, "testudo-modeld"),
        _ => return Err(ActivationError::Name(name)),
    };
    let accepts = getsockopt(&socket, sockopt::AcceptConn).map_err(io::Error::from);
    let listener = UnixListener::from(socket);
    let ready = accepts.and_then(|accepts| {
        if accepts { listener.set_nonblocking(true) } else { Err(io::ErrorKind::InvalidInput.into()) }
    });
    ready.map_err(|error| ActivationError::Socket(name, error))?;
    let user = User::from_name(user).ok().flatten().map(|found| found.uid).ok_or(ActivationError::User(user));
    user.map(|user: Uid| Door { listener, side, user })
}

//! The connection that a runner was started for.

use std::io;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;

use libsystemd::activation;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{SockType, getsockopt, sockopt};

use crate::syscall;

/// Why there is no connection to serve.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The service manager's variables are missing or wrong.
    #[error("cannot take the connection from the service manager: {0}")]
    Manager(#[from] libsystemd::errors::SdError),
    /// It passed none, or several.
    #[error("cannot take the connection from the service manager: it passed {0} descriptors instead of one")]
    Count(usize),
    /// The descriptor is not a connected stream.
    #[error("cannot serve the descriptor {descriptor}: {source}")]
    Descriptor {
        /// Its number.
        descriptor: i32,
        /// Why not.
        source: io::Error,
    },
}

/// Takes the connection with that number or, without one, the single one of socket activation.
///
/// # Errors
/// There is none, or it is no stream socket.
pub fn connection(number: Option<i32>) -> Result<UnixStream, ActivationError> {
    let raw = match number {
        Some(number) => number,
        None => {
            let mut passed = activation::receive_descriptors(false)?;
            match (passed.pop(), passed.len()) {
                (Some(descriptor), 0) => descriptor.into_raw_fd(),
                (None, _) => return Err(ActivationError::Count(0)),
                (Some(_), more) => return Err(ActivationError::Count(more + 1)),
            }
        }
    };
    let failed = |source| ActivationError::Descriptor { descriptor: raw, source };
    if raw < 3 {
        return Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the standard descriptors are no connection",
        )));
    }
    let descriptor = syscall::adopt(raw);
    let kind = getsockopt(&descriptor, sockopt::SockType).map_err(|error| failed(error.into()))?;
    if kind != SockType::Stream {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is no stream socket")));
    }
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|error| failed(error.into()))?;
    Ok(UnixStream::from(descriptor))
}

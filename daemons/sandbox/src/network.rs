//! Makes sure that there is no network to begin with.
//!
//! The namespace is made by whoever starts the runner (`PrivateNetwork=yes`). Where it was forgotten, or the
//! launcher cannot make one, no tool runs.

use std::fs;
use std::io;

/// Why tools must not run here.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The devices cannot be listed.
    #[error("cannot list the network devices: {0}")]
    List(#[source] io::Error),
    /// There is more than the loopback device.
    #[error(
        "cannot run tools beside a network: the device {0} is there; start the runner in an empty network namespace"
    )]
    Device(String),
}

/// Fails unless this process' network namespace has nothing but its loopback device.
///
/// # Errors
/// Names the first other device.
pub fn require_empty() -> Result<(), NetworkError> {
    let table = fs::read_to_string("/proc/self/net/dev").map_err(NetworkError::List)?;
    match foreign_device(&table) {
        Some(device) => Err(NetworkError::Device(device.to_owned())),
        None => Ok(()),
    }
}

fn foreign_device(table: &str) -> Option<&str> {
    table
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .find(|name| *name != "lo")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive\n face |bytes\n";

    #[test]
    fn only_the_loopback_device_passes() {
        assert_eq!(foreign_device(&format!("{HEAD}    lo:  0 0\n")), None);
        assert_eq!(foreign_device(HEAD), None);
        assert_eq!(foreign_device(&format!("{HEAD}    lo:  0 0\n  eth0: 1 2\n")), Some("eth0"));
    }
}

//! The tool root: a tree of programs for sandboxed commands, apart from the host's, verified before it is used.
//!
//! Whoever builds one seals it: a [`Manifest`] at its top names every entry below, and the digest of that manifest
//! names the whole. [`verify`] finds any difference between tree and digest, once per boot; its [`Stamp`] says so to
//! the runners, which refuse calls without it. Between the two nobody but root can change the tree, because
//! verification insists on that, too.

pub mod command;
mod expected;
mod manifest;
mod stamp;
#[cfg(test)]
mod tests;
mod tree;
mod verify;

pub use expected::{Expected, STAMP, Unverified};
pub use manifest::{Entry, Kind, MANIFEST, Manifest, ManifestError, Origin};
pub use stamp::{Stamp, StampError};
pub use tree::{Fault, TreeError};
pub use verify::{VerifyError, seal, verify};

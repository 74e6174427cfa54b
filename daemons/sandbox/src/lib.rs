//! The sandbox runner: contains each tool call, and applies what was approved of its writes.
//!
//! Two small, single-threaded programs in one binary, both behind a socket with one instance per
//! connection and neither ever on the bus. The *zygote* clones a fresh, confined child for each call and
//! hands its output and its proposed changes back; the *apply* runner puts an approved change set into the
//! workspace, all of it or nothing.
//!
//! Start with [`protocol`]; [`client`] is what the caller uses; [`zygote`] and [`apply`] serve.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!(
    "the feature `ablation` takes layers of the confinement out and must not be in a release build"
);

pub mod activation;
pub mod address;
mod admission;
pub mod apply;
mod builtin;
mod bulk;
mod call;
mod cgroup;
pub mod changeset;
mod child;
pub mod client;
mod collector;
pub mod command;
pub mod container;
mod copied;
mod directory;
mod forwarder;
pub mod frame;
mod history;
pub mod identity;
pub mod inbox;
pub mod landlock;
pub mod layers;
pub mod limits;
pub mod memfd;
pub mod network;
mod occupant;
mod order;
mod overlay;
mod prepared;
mod privileges;
mod program;
pub mod protocol;
mod report;
mod root;
pub mod seccomp;
mod session;
mod stream;
mod syscall;
pub mod template;
pub mod tool_root;
pub mod tunnels;
mod upper;
mod way;
pub mod wire;
pub mod zygote;

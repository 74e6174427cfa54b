//! The container runner: the sandbox protocol, carried out by Podman, for programs that bring an image of their own.
//!
//! It serves one connection as the zygote does and answers the same frames. What differs is who isolates: an engine of
//! the operator's, in whose storage the image already is, by digest. A client names a container; which image that is
//! says the configuration alone. Start with [`Runner::serve`]; [`Invocation`] is the whole of what the engine is told.

mod allowed;
pub mod command;
mod engine;
mod invocation;
mod orphans;
mod runner;
mod workspace;

pub use allowed::{Allowed, AllowedError, Image};
pub use engine::{Engine, EngineError};
pub use invocation::Invocation;
pub use runner::{ContainerError, Place, Runner};

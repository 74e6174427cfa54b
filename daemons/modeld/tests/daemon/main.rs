//! The `OpenAI` provider against a server of our own, and the daemon's process on a private bus.

#[cfg(test)]
mod bus;
#[cfg(test)]
mod process;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod server;

//! The shipped daemon on a real bus, between daemons that answer from lists.

// The attribute tells clippy that all of it is test code, its fixtures too.
#[cfg(test)]
mod contract;
#[cfg(test)]
mod conversation;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod keeping;
#[cfg(test)]
#[expect(
    clippy::used_underscore_binding,
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "a fake has the signatures of its interface and ignores most of it"
)]
mod peers;
#[cfg(test)]
mod private_bus;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod spending;

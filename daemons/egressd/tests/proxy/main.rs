//! The data path with a gate of the test's own and servers on loopback: what is asked, sent, refused and recorded.

#[cfg(test)]
#[path = "../../../../tests/src/outside/authority.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of the whole appliance, which use more of it"
)]
mod authority;
#[cfg(test)]
#[path = "../../../../tests/src/outside/web.rs"]
#[expect(
    dead_code,
    unreachable_pub,
    reason = "shared with the tests of the whole appliance, which use more of it"
)]
mod web;

#[cfg(test)]
#[cfg(feature = "ablation")]
mod ablation;
#[cfg(test)]
mod client;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod form;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tunnels;
#[cfg(test)]
mod world;

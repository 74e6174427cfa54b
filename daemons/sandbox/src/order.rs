//! What the zygote tells a child that waits for its call.
//!
//! Everything that does not depend on the call is done before it comes: the child has its namespaces, its root and
//! its control group, and waits at a socket. One frame of JSON then says the rest; descriptors travel beside it.

use std::os::fd::{AsFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::protocol::Run;
use crate::wire::{Connection, WireError};

/// A call that was admitted, as the child is to carry it out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The call. Its limits and its profile are within the template's.
    pub(crate) run: Run,
    /// TCP ports of the loopback device that it may connect to.
    pub(crate) ports: Vec<u16>,
    /// Which descriptors travel along, in this order.
    stdin: bool,
    connection: bool,
}

/// The descriptors of an order.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// Standard input; without it, `/dev/null`.
    pub(crate) stdin: Option<OwnedFd>,
    /// An open connection to the proxy, for a built-in tool that may open none.
    pub(crate) connection: Option<OwnedFd>,
}

impl Order {
    /// An order to run this.
    pub(crate) fn new(run: Run, ports: Vec<u16>) -> Self {
        Self { run, ports, stdin: false, connection: false }
    }

    /// Hands it to a waiting child.
    pub(crate) fn give(&mut self, to: &mut Connection, carried: &Carried) -> Result<(), WireError> {
        (self.stdin, self.connection) = (carried.stdin.is_some(), carried.connection.is_some());
        let descriptors: Vec<_> =
            [&carried.stdin, &carried.connection].into_iter().flatten().map(AsFd::as_fd).collect();
        to.send(&self, &descriptors)
    }

    /// Waits for one; none when the zygote gave this child up.
    pub(crate) fn wait(from: &mut Connection) -> Result<Option<(Self, Carried)>, WireError> {
        let Some(message) = from.receive()? else { return Ok(None) };
        let order: Self =
            serde_json::from_slice(&message.frame).map_err(|error| WireError::Encode(error.into()))?;
        let mut descriptors = message.descriptors.into_iter();
        let carried = Carried {
            stdin: if order.stdin { descriptors.next() } else { None },
            connection: if order.connection { descriptors.next() } else { None },
        };
        Ok(Some((order, carried)))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::protocol::Program;

    #[test]
    fn an_order_arrives_with_its_descriptors_in_their_places() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut ours, mut theirs) = (Connection::new(ours), Connection::new(theirs));
        let (one, _other) = UnixStream::pair().unwrap();
        let run = Run::new("a", Program::Exec { argv: vec!["true".into()], cwd: None });
        let mut order = Order::new(run.clone(), vec![3128]);
        order.give(&mut ours, &Carried { stdin: None, connection: Some(one.into()) }).unwrap();
        let (order, carried) = Order::wait(&mut theirs).unwrap().unwrap();
        assert_eq!((order.run, order.ports), (run, vec![3128]));
        assert!(carried.stdin.is_none() && carried.connection.is_some());
        drop(ours);
        assert!(Order::wait(&mut theirs).unwrap().is_none());
    }
}

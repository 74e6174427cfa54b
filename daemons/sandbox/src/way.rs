//! What a call needs to reach out, made when it begins and gone when it ends: an open connection for the built-in tool
//! that fetches pages, or a forwarder for programs.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::forwarder::{self, Forwarder};
use crate::layers::Layers;
use crate::protocol::{Builtin, Profile, Program, Run};
use crate::tunnels::{self, PROXY};

/// The way out of one call; without a network, none.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// For the child, which may open no connection itself.
    pub(crate) connection: Option<OwnedFd>,
    /// TCP ports of the loopback device that the call may connect to.
    pub(crate) ports: Vec<u16>,
    /// Ends when this is dropped.
    _forwarder: Option<Forwarder>,
}

impl Way {
    /// Opens it, and takes the ticket out of the call, which must never see it.
    ///
    /// # Errors
    /// A sentence about why there is none.
    pub(crate) fn open(run: &mut Run, egress: Option<&PathBuf>, layers: Layers) -> Result<Self, String> {
        let Some(network) = &mut run.network else { return Ok(Self::default()) };
        let mut own = network.clone();
        network.ticket.clear();
        let socket = forwarder::socket_of(egress)?;
        if let Program::Builtin(builtin) = &run.program {
            let Builtin::Fetch { .. } = builtin else { return Ok(Self::default()) };
            let connection = forwarder::connection(socket, &own.ticket);
            let connection = connection.map_err(|error| format!("egressd does not answer: {error}"))?;
            return Ok(Self { connection: Some(connection), ..Self::default() });
        }
        if run.profile != Profile::StandardNet {
            return Err("its profile has no sockets, and so no use for a network".to_owned());
        }
        tunnels::check(&own.tunnels).map_err(|error| error.to_string())?;
        own.tunnels.sort_by_key(|tunnel| tunnel.local);
        let forwarder = Forwarder::start(socket, &own, layers);
        let forwarder = forwarder.map_err(|error| format!("its forwarder cannot start: {error}"))?;
        for (name, value) in forwarder::variables() {
            run.env.entry(name).or_insert(value);
        }
        let ports = [PROXY].into_iter().chain(own.tunnels.iter().map(|tunnel| tunnel.local)).collect();
        Ok(Self { connection: None, ports, _forwarder: Some(forwarder) })
    }
}

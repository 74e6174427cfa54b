//! Sockets with `Accept=no`: one process at a time gets the listening socket and accepts for itself.

use std::time::Instant;

use crate::socket::Socket;
use crate::supervisor::{Instance, Supervisor};

impl Supervisor {
    /// Whether the one process behind a socket runs.
    pub(crate) fn is_served(&self, socket: &Socket) -> bool {
        self.instances.iter().any(|instance| instance.socket == socket.unit.name)
    }

    /// Starts the services whose sockets somebody knocks at.
    pub(crate) fn trigger(&mut self, now: Instant) {
        for index in 0..self.sockets.len() {
            let Some(socket) = self.sockets.get(index) else { continue };
            let served = socket.unit.service.is_some() || self.is_served(socket);
            if socket.unit.accept || served || !socket.is_knocked_at() {
                continue;
            }
            if !self.sockets.get_mut(index).is_some_and(|socket| socket.trigger(now)) {
                continue;
            }
            let Some(socket) = self.sockets.get(index) else { continue };
            let Some(listener) = socket.listening() else { continue };
            let name = socket.unit.name.clone();
            match self.spawn_instance(socket, listener) {
                Ok(pid) => self.instances.push(Instance { pid, socket: name, deadline: None }),
                Err(error) => eprintln!("{name}: {error}"),
            }
        }
    }
}

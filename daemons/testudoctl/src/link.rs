//! The way to the daemons.

use serde::de::DeserializeOwned;
use testudo::bus;
use testudo::limits;
use testudo::proxy::{Agent1Proxy, Audit1Proxy, Egress1Proxy, Matrix1Proxy, Policy1Proxy, Tools1Proxy};
use zbus::Connection;

use crate::failure::{Doing as _, Failure};

/// A connection to the bus.
#[derive(Debug, Clone)]
pub struct Link {
    connection: Connection,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When the bus cannot be reached.
    pub async fn open() -> Result<Self, Failure> {
        let connection = bus::connect().await.doing("reach the bus").map_err(Failure::or_start)?;
        Ok(Self { connection })
    }

    /// The connection itself.
    pub const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The one that thinks.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn agent(&self) -> Result<Agent1Proxy<'static>, Failure> {
        Agent1Proxy::new(&self.connection).await.doing("reach agentd")
    }

    /// The one that decides.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn policy(&self) -> Result<Policy1Proxy<'static>, Failure> {
        Policy1Proxy::new(&self.connection).await.doing("reach policyd")
    }

    /// The one that acts.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn tools(&self) -> Result<Tools1Proxy<'static>, Failure> {
        Tools1Proxy::new(&self.connection).await.doing("reach toold")
    }

    /// The one that reaches out.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn egress(&self) -> Result<Egress1Proxy<'static>, Failure> {
        Egress1Proxy::new(&self.connection).await.doing("reach egressd")
    }

    /// The one that talks.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn matrix(&self) -> Result<Matrix1Proxy<'static>, Failure> {
        Matrix1Proxy::new(&self.connection).await.doing("reach matrixd")
    }

    /// The one that records.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn audit(&self) -> Result<Audit1Proxy<'static>, Failure> {
        Audit1Proxy::new(&self.connection).await.doing("reach auditd")
    }
}

/// Reads the JSON that a daemon answered.
///
/// # Errors
/// When it is not of the expected shape.
pub fn read<T: DeserializeOwned>(daemon: &'static str, text: &str) -> Result<T, Failure> {
    limits::parse(text, limits::REPLY).map_err(|error| Failure::Answer { daemon, cause: error.to_string() })
}

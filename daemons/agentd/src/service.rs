//! `org.testudo.Agent1` on the bus: who may call, what an argument may be, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use testudo::config::sessions::Unattended;
use testudo::fault::Fault;
use testudo::identity::Caller;
use testudo::observation::Author;
use testudo::options::GivenOptions;
use zbus::message::Header;
use zbus::wire::OwnedVariant;
use zbus::{Connection, interface};

use crate::agent::Agent;
use crate::attendance::Attendance;
use crate::name::SessionName;
use crate::session::Speaker;
use crate::transcript;

/// The interface.
pub struct Service(Arc<Agent>, Unattended);

impl Service {
    /// Serves this agent, with the sessions in which nobody watches.
    pub const fn new(agent: Arc<Agent>, unattended: Unattended) -> Self {
        Self(agent, unattended)
    }
}

/// Every method is for operators alone, whatever the bus policy lets through.
#[interface(name = "org.testudo.Agent1", introspection_docs = false)]
impl Service {
    #[zbus(out_args("turn"))]
    async fn send(
        &self,
        session: &str,
        text: String,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, connection).await?;
        let operator = caller.require_operator()?;
        let session = SessionName::parse(session)?;
        let mut options = GivenOptions::new(options);
        let attendance = Attendance::read(&mut options, &session, &self.1)?;
        options.finish()?;
        // Operators own the appliance.
        let speaker = Speaker { author: Author::Owner, name: operator.to_owned() };
        self.0.send(session, text, speaker, attendance).await
    }

    #[zbus(out_args("outcome"))]
    async fn wait(
        &self,
        session: &str,
        turn: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let finished = self.0.wait(&SessionName::parse(session)?, turn).await?;
        serde_json::to_string(&finished).map_err(|error| Fault::Internal(error.to_string()))
    }

    #[zbus(out_args("cancelled"))]
    async fn cancel(
        &self,
        session: &str,
        turn: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<bool, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let session = SessionName::parse(session)?;
        if turn.is_empty() {
            return self.0.cancel_all(&session);
        }
        self.0.cancel(&session, turn)
    }

    #[zbus(out_args("sessions"))]
    async fn sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let sessions = self.0.sessions();
        let list: serde_json::Value = sessions.iter().map(|session| transcript::overview(session)).collect();
        Ok(list.to_string())
    }

    #[zbus(out_args("transcript"))]
    async fn session(
        &self,
        session: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator()?;
        let session = self.0.session(&SessionName::parse(session)?)?;
        Ok(transcript::transcript(&session).to_string())
    }

    async fn subscribe(
        &self,
        session: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        let caller = Caller::of(&header, connection).await?;
        caller.require_operator()?;
        let session = SessionName::parse(session)?;
        self.0.peers().subscribers.add(&caller.connection, Some(session.as_str()))
    }

    /// Declared for introspection; it is sent by [`testudo::subscribers`], to those who asked for it.
    #[zbus(signal)]
    async fn event(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        session: &str,
        seq: u64,
        event: &str,
    ) -> zbus::Result<()>;
}

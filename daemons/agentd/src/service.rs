//! `org.testudo.Agent1` on the bus: who may call, what an argument may be, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use testudo::config::Matrixd;
use testudo::config::sessions::Unattended;
use testudo::fault::Fault;
use testudo::identity::Caller;
use testudo::options::GivenOptions;
use zbus::message::Header;
use zbus::wire::{OwnedFd, OwnedVariant};
use zbus::{Connection, interface};

use crate::agent::Agent;
use crate::attachment::Attachment;
use crate::attendance::Attendance;
use crate::name::SessionName;
use crate::speaker::{CHANNELS, Speaker};
use crate::transcript;

/// The interface.
pub struct Service {
    agent: Arc<Agent>,
    unattended: Unattended,
    matrix: Matrixd,
}

impl Service {
    /// Serves this agent, with the sessions in which nobody watches and the people of the channel.
    pub const fn new(agent: Arc<Agent>, unattended: Unattended, matrix: Matrixd) -> Self {
        Self { agent, unattended, matrix }
    }
}

/// Every method is for operators and for the channels that carry what people say, whatever the bus policy lets through.
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
        let mut options = GivenOptions::new(options);
        let speaker = Speaker::read(&caller, &mut options, &self.matrix)?;
        let session = reached(&caller, session)?;
        let attendance = Attendance::read(&mut options, &session, &self.unattended)?;
        let files = Attachment::read(&mut options)?;
        options.finish()?;
        self.agent.send(session, Attachment::told(&text, &files), speaker, attendance).await
    }

    #[zbus(out_args("path"))]
    async fn attach(
        &self,
        session: &str,
        name: &str,
        content: OwnedFd,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, connection).await?;
        let mut options = GivenOptions::new(options);
        let speaker = Speaker::read(&caller, &mut options, &self.matrix)?;
        // The next message says it to the model.
        let _mime = options.string("mime")?;
        options.finish()?;
        self.agent.attach(reached(&caller, session)?, name, content.into(), &speaker).await
    }

    #[zbus(out_args("content"))]
    async fn fetch(
        &self,
        session: &str,
        file: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<OwnedFd, Fault> {
        let (caller, session) = visited(&header, connection, session).await?;
        let content = self.agent.fetch(&session, file, &caller.principal.to_string()).await?;
        Ok(content.into())
    }

    #[zbus(out_args("outcome"))]
    async fn wait(
        &self,
        session: &str,
        turn: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let (_, session) = visited(&header, connection, session).await?;
        body(&self.agent.wait(&session, turn).await?)
    }

    #[zbus(out_args("cancelled"))]
    async fn cancel(
        &self,
        session: &str,
        turn: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<bool, Fault> {
        let (_, session) = visited(&header, connection, session).await?;
        if turn.is_empty() {
            return self.agent.cancel_all(&session);
        }
        self.agent.cancel(&session, turn)
    }

    #[zbus(out_args("sessions"))]
    async fn sessions(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        Caller::of(&header, connection).await?.require_operator_or(&CHANNELS)?;
        let sessions = self.agent.sessions();
        let open = sessions.iter().map(|session| transcript::overview(session, &self.unattended));
        let list: serde_json::Value =
            open.chain(self.agent.sealed().iter().map(transcript::sealed)).collect();
        Ok(list.to_string())
    }

    #[zbus(out_args("context"))]
    async fn context(
        &self,
        session: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let (_, session) = visited(&header, connection, session).await?;
        body(&self.agent.context(&session).await?)
    }

    async fn use_model(
        &self,
        session: &str,
        model: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        let (session, speaker) = self.asked(&header, connection, session, options).await?;
        self.agent.use_model(session, model, &speaker).await
    }

    #[zbus(out_args("number"))]
    async fn pin(
        &self,
        session: &str,
        text: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<u32, Fault> {
        let (session, speaker) = self.asked(&header, connection, session, options).await?;
        self.agent.pin(session, text, &speaker).await
    }

    async fn unpin(
        &self,
        session: &str,
        number: u32,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        let (session, speaker) = self.asked(&header, connection, session, options).await?;
        self.agent.unpin(&session, number, &speaker).await
    }

    #[zbus(out_args("shortened"))]
    async fn compact(
        &self,
        session: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let (session, speaker) = self.asked(&header, connection, session, options).await?;
        body(&self.agent.compact(&session, speaker).await?)
    }

    #[zbus(out_args("transcript"))]
    async fn session(
        &self,
        session: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<String, Fault> {
        let (_, session) = visited(&header, connection, session).await?;
        let session = self.agent.session(&session)?;
        Ok(transcript::transcript(&session).to_string())
    }

    async fn subscribe(
        &self,
        session: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> Result<(), Fault> {
        let (caller, session) = visited(&header, connection, session).await?;
        self.agent.peers().subscribers.add(&caller.connection, Some(session.as_str()))
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

impl Service {
    /// Who asks for something in which session, with nothing more.
    async fn asked(
        &self,
        header: &Header<'_>,
        connection: &Connection,
        session: &str,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<(SessionName, Speaker), Fault> {
        let caller = Caller::of(header, connection).await?;
        let mut options = GivenOptions::new(options);
        let speaker = Speaker::read(&caller, &mut options, &self.matrix)?;
        options.finish()?;
        Ok((reached(&caller, session)?, speaker))
    }
}

/// Who looks at a session or has to do with it, whoever it is that speaks there, and which session that is.
async fn visited(
    header: &Header<'_>,
    connection: &Connection,
    session: &str,
) -> Result<(Caller, SessionName), Fault> {
    let caller = Caller::of(header, connection).await?;
    caller.require_operator_or(&CHANNELS)?;
    let session = reached(&caller, session)?;
    Ok((caller, session))
}

/// The session of this name, where the caller has anything to do with it.
fn reached(caller: &Caller, session: &str) -> Result<SessionName, Fault> {
    let session = SessionName::parse(session)?;
    caller.require_session(session.as_str())?;
    Ok(session)
}

fn body<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

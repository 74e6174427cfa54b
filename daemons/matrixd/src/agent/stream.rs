//! The events of one session, for as long as somebody wants them.
//!
//! Each stream has a connection of its own, and ends with it: `agentd` forgets who left the bus, and has no other way to
//! be told that somebody does not follow a session any more.

use futures_util::StreamExt as _;
use testudo::bus;
use testudo::fault::bus_error_text;
use testudo::proxy::{Agent1Proxy, EventStream};
use testudo::turn::Event;
use tokio::sync::mpsc;
use zbus::Connection;
use zbus::proxy::OwnerChangedStream;

use crate::agent::bus::read;

/// Events that may wait; who is slower loses the stream.
pub(super) const BUFFER: usize = 256;

/// An open stream.
pub(super) struct Stream {
    connection: Connection,
    agent: Agent1Proxy<'static>,
    session: String,
    events: EventStream,
    owners: OwnerChangedStream<'static>,
}

impl Stream {
    /// Follows a session. When the agent is away, from when it is back.
    pub(super) async fn open(session: &str) -> zbus::Result<Self> {
        let connection = bus::connect().await?;
        let agent = Agent1Proxy::new(&connection).await?;
        let events = agent.receive_event().await?;
        let owners = agent.inner().receive_owner_changed().await?;
        let stream = Self { connection, agent, session: session.to_owned(), events, owners };
        stream.subscribe().await;
        Ok(stream)
    }

    /// Hands the events on until nobody wants them any more.
    pub(super) async fn hand_on(mut self, to: mpsc::Sender<Event>) {
        loop {
            tokio::select! {
                () = to.closed() => break,
                event = self.events.next() => {
                    let Some(event) = event else { break };
                    let Ok(args) = event.args() else { continue };
                    let Ok(event) = read::<Event>(&args.event) else { continue };
                    // A stream with a gap would show words that were never said so.
                    if args.session == self.session && to.try_send(event).is_err() {
                        break;
                    }
                }
                owner = self.owners.next() => match owner {
                    Some(Some(_)) => self.subscribe().await,
                    Some(None) => {}
                    None => break,
                },
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::debug!("a stream of session {} was not closed: {error}", self.session);
        }
    }

    async fn subscribe(&self) {
        if let Err(error) = self.agent.subscribe(&self.session).await {
            tracing::debug!("session {} is not followed: {}", self.session, bus_error_text(&error));
        }
    }
}

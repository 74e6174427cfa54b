//! The agent over `org.testudo.Agent1`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use testudo::fault::{bus_error_text, is_peer_gone};
use testudo::limits;
use testudo::observation::Author;
use testudo::proxy::{Agent1Proxy, Options};
use testudo::turn::{Event, Finished};
use tokio::sync::{Semaphore, mpsc};
use zbus::Connection;
use zbus::wire::{Fd, Variant};

use crate::agent::stream::{self, Stream};
use crate::agent::{Agent, AgentError, Attached, Heard, Speaker, memfd};

/// Turns that are followed at one time; of more the ends are seen. `agentd` has only so many places for all of its
/// clients.
const MOST_STREAMS: usize = 24;

/// The agent behind a connection to the bus.
pub struct BusAgent {
    agent: Agent1Proxy<'static>,
    streams: Arc<Semaphore>,
}

impl BusAgent {
    /// The agent, which need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        let agent = Agent1Proxy::new(connection).await?;
        Ok(Self { agent, streams: Arc::new(Semaphore::new(MOST_STREAMS)) })
    }

    async fn transcript(&self, session: &str) -> Result<Transcript, AgentError> {
        let text = self.agent.session(session).await.map_err(|error| failure(&error))?;
        read(&text)
    }
}

impl Agent for BusAgent {
    fn say<'a>(
        &'a self,
        session: &'a str,
        speaker: &'a Speaker,
        text: &'a str,
        files: &'a [Attached],
    ) -> BoxFuture<'a, Result<String, AgentError>> {
        Box::pin(async move {
            let mut options = spoken_by(speaker);
            if !files.is_empty() {
                let files =
                    serde_json::to_string(files).map_err(|error| AgentError::Refused(error.to_string()))?;
                options.insert("files", Variant::from(files));
            }
            self.agent.send(session, text, options).await.map_err(|error| failure(&error))
        })
    }

    fn attach<'a>(
        &'a self,
        session: &'a str,
        speaker: &'a Speaker,
        name: &'a str,
        mime: Option<&'a str>,
        content: &'a [u8],
    ) -> BoxFuture<'a, Result<String, AgentError>> {
        Box::pin(async move {
            let file = memfd::sealed(content).map_err(|error| AgentError::Later(error.to_string()))?;
            let mut options = spoken_by(speaker);
            if let Some(mime) = mime {
                options.insert("mime", Variant::from(mime));
            }
            self.agent.attach(session, name, Fd::from(file), options).await.map_err(|error| failure(&error))
        })
    }

    fn fetch<'a>(&'a self, session: &'a str, file: &'a str) -> BoxFuture<'a, Result<File, AgentError>> {
        Box::pin(async move {
            let content = self.agent.fetch(session, file).await.map_err(|error| failure(&error))?;
            Ok(File::from(OwnedFd::from(content)))
        })
    }

    fn wait<'a>(&'a self, session: &'a str, turn: &'a str) -> BoxFuture<'a, Result<Finished, AgentError>> {
        Box::pin(async move {
            let text = self.agent.wait(session, turn).await.map_err(|error| failure(&error))?;
            read(&text)
        })
    }

    fn cancel<'a>(&'a self, session: &'a str, turn: &'a str) -> BoxFuture<'a, Result<bool, AgentError>> {
        Box::pin(async move { self.agent.cancel(session, turn).await.map_err(|error| failure(&error)) })
    }

    fn follow<'a>(&'a self, session: &'a str) -> BoxFuture<'a, mpsc::Receiver<Event>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(stream::BUFFER);
            let Ok(place) = self.streams.clone().try_acquire_owned() else { return receiver };
            match Stream::open(session).await {
                Ok(stream) => {
                    tokio::spawn(async move {
                        stream.hand_on(sender).await;
                        drop(place);
                    });
                }
                // The answer comes by Wait all the same; only nobody sees it grow.
                Err(error) => {
                    tracing::debug!("session {session} is not followed: {}", bus_error_text(&error));
                }
            }
            receiver
        })
    }

    fn heard<'a>(
        &'a self,
        session: &'a str,
        text: &'a str,
        since_ms: i64,
    ) -> BoxFuture<'a, Result<Heard, AgentError>> {
        Box::pin(async move {
            match self.transcript(session).await {
                Ok(transcript) => Ok(transcript.heard(text, since_ms)),
                Err(AgentError::Unknown(_)) => Ok(Heard::No),
                Err(error) => Err(error),
            }
        })
    }
}

fn spoken_by(speaker: &Speaker) -> Options<'_> {
    let author = match speaker.author {
        Author::Owner => "owner",
        Author::Member => "member",
        Author::Bridged => "bridged",
        Author::Stranger => "stranger",
    };
    Options::from([("author", Variant::from(author)), ("speaker", Variant::from(speaker.id.as_str()))])
}

pub(super) fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, AgentError> {
    limits::parse(text, limits::REPLY).map_err(|error| AgentError::Refused(error.to_string()))
}

fn failure(error: &zbus::Error) -> AgentError {
    let text = bus_error_text(error);
    match error {
        error if is_peer_gone(error) => AgentError::Later(text),
        zbus::Error::MethodError(name, _, _) => match name.as_str() {
            "org.testudo.Error.Busy" => AgentError::Later(text),
            "org.testudo.Error.NotFound" => AgentError::Unknown(text),
            _ => AgentError::Refused(text),
        },
        _ => AgentError::Later(text),
    }
}

/// What is read of `Agent1.Session`.
#[derive(Debug, Deserialize)]
struct Transcript {
    messages: Vec<Message>,
    turns: Vec<Finished>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    text: String,
    at: String,
}

impl Transcript {
    /// The words that were said come first in the message; files are told of behind them. A turn that ended is in
    /// the list with its reply, which is the last message of it.
    fn heard(mut self, text: &str, since_ms: i64) -> Heard {
        let is_it = |message: &Message| {
            message.role == "user"
                && message.text.starts_with(text.trim_end())
                && message.at.parse::<jiff::Timestamp>().is_ok_and(|at| at.as_millisecond() >= since_ms)
        };
        let Some(at) = self.messages.iter().rposition(is_it) else { return Heard::No };
        let later: Vec<&Message> = self.messages.iter().skip(at + 1).collect();
        let replies = |turn: &Finished| {
            later
                .iter()
                .rev()
                .any(|message| message.role == "assistant" && message.text.trim() == turn.reply.trim())
        };
        match self.turns.pop() {
            Some(last) if replies(&last) => Heard::Over(last),
            _ => Heard::Running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn transcript(messages: &[(&str, &str, &str)], reply: Option<&str>) -> Transcript {
        let messages: Vec<_> = messages
            .iter()
            .map(|(role, text, at)| json!({"role": role, "text": text, "at": at, "labels": {}}))
            .collect();
        let turns: Vec<_> = reply
            .map(|reply| json!({"session": "m", "turn": "t", "reply": reply, "calls": [], "end": "replied"}))
            .into_iter()
            .collect();
        read(&json!({"session": "m", "messages": messages, "turns": turns}).to_string()).unwrap()
    }

    #[test]
    fn what_was_said_before_is_not_what_was_said_now() {
        let since = "2026-01-01T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let (early, late) = ("2026-01-01T09:59:59Z", "2026-01-01T10:00:01Z");
        for (messages, reply, expected) in [
            (vec![], None, "no"),
            (vec![("user", "yes", early), ("assistant", "Well.", early)], Some("Well."), "no"),
            (vec![("user", "yes", early), ("user", "yes", late)], Some("Well."), "running"),
            (
                vec![("user", "yes\n\nFiles that came", late), ("assistant", "Done.", late)],
                Some("Done."),
                "over",
            ),
            (vec![("assistant", "yes", late)], Some("yes"), "no"),
        ] {
            let heard = match transcript(&messages, reply).heard("yes", since) {
                Heard::No => "no",
                Heard::Running => "running",
                Heard::Over(_) => "over",
            };
            assert_eq!(heard, expected, "{messages:?}");
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let of = |name: &'static str| {
            let message = zbus::message::Message::method_call("/a", "b").build(&()).unwrap();
            failure(&zbus::Error::MethodError(name.try_into().unwrap(), Some("why".into()), message))
        };
        for (name, expected) in [
            ("org.testudo.Error.Busy", AgentError::Later("why".into())),
            ("org.testudo.Error.Unavailable", AgentError::Later("why".into())),
            ("org.testudo.Error.NotFound", AgentError::Unknown("why".into())),
            ("org.testudo.Error.TooLarge", AgentError::Refused("why".into())),
            ("org.testudo.Error.Denied", AgentError::Refused("why".into())),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}

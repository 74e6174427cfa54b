//! Commands of a room: lines that begin with a slash, read by the grammar that `testudoctl chat` reads too.
//!
//! What changes something, and what tells of more than the room, is done for an owner's verified device alone
//! ([`asker`]); members see and stop what runs in their own room. [`ear`] hears for the dispatcher, and hands on what
//! answers a question (`/approve ID CODE`, `/deny ID`) and what is to be said (`//…`).
//! [`agent`], [`policy`] and [`rooms`] are what a command needs of others, [`wording`] is how it answers, in Markdown.
//!
//! A command is in a new message and nowhere else: never in an edit, a caption or a quotation.

pub mod agent;
pub mod asker;
pub mod ear;
pub mod failure;
mod keeping;
pub mod policy;
pub mod rooms;
mod wording;

use std::sync::Arc;
use std::time::Duration;

use testudo::approval::Approval;
use testudo::command::jobs::{self, Job, Question};
use testudo::command::{self, Channel, Command, Line, help};
use testudo::config::Matrixd;

use self::agent::{Agent, Session};
use self::asker::Asker;
use self::failure::Failure;
use self::policy::Policy;
use self::rooms::Rooms;
use crate::controls::Controls;
use crate::incoming::Origin;
use crate::store::Place;
use crate::told::Told;

/// How long the agent may take to end a turn before that is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handled {
    /// It is no command: this is to be said to the agent.
    Say(String),
    /// It is answered with this Markdown.
    Answer(String),
    /// Nothing, by somebody who has nothing to command or was told so already.
    Silence,
}

/// Does what is commanded.
pub struct Commands {
    config: Matrixd,
    controls: Controls,
    agent: Arc<dyn Agent>,
    policy: Arc<dyn Policy>,
    rooms: Arc<dyn Rooms>,
    told: Told,
}

impl Commands {
    /// For the people of this configuration.
    pub fn new(
        config: Matrixd,
        controls: Controls,
        agent: Arc<dyn Agent>,
        policy: Arc<dyn Policy>,
        rooms: Arc<dyn Rooms>,
    ) -> Self {
        Self { config, controls, agent, policy, rooms, told: Told::at_most(1) }
    }

    /// Handles a line of a new message that came from `origin` and stands in `place`.
    pub async fn handle(&self, origin: &Origin, place: &Place, line: &str, now_ms: u64) -> Handled {
        let command = match command::read(line, Channel::Matrix) {
            Line::Nothing => return Handled::Silence,
            Line::Say(text) => return Handled::Say(text),
            Line::Command(command) => Ok(command),
            Line::Wrong(wrong) => Err(wrong),
        };
        let asker = Asker::of(&self.config, self.controls, origin);
        if asker == Asker::Nobody {
            return Handled::Silence;
        }
        let command = match command {
            Ok(command) => command,
            Err(wrong) => return Handled::Answer(wording::words(&wrong.to_string())),
        };
        if let Some(refusal) = asker.refusal(&command) {
            tracing::info!(
                command = command.name(),
                sender = origin.sender.as_str(),
                "a command was refused: {refusal}"
            );
            let is_due = self.told.is_due(origin.room.as_str(), &origin.sender, now_ms);
            return if is_due { Handled::Answer(refusal.to_owned()) } else { Handled::Silence };
        }
        Handled::Answer(
            self.obey(command, asker, origin.sender.as_str(), place)
                .await
                .unwrap_or_else(|failure| format!("⚠ {}", wording::words(&failure.to_string()))),
        )
    }

    /// Whether who an event is from may give this command.
    pub(crate) fn may(&self, origin: &Origin, line: &str) -> bool {
        let asker = Asker::of(&self.config, self.controls, origin);
        matches!(command::read(line, Channel::Matrix), Line::Command(command) if asker.refusal(&command).is_none())
    }

    async fn obey(&self, command: Command, asker: Asker, by: &str, place: &Place) -> Result<String, Failure> {
        match command {
            Command::Help(topic) => Ok(help::matrix(topic, asker.rights())),
            Command::Status => self.status(asker, place).await,
            Command::Stop => self.stop(place).await,
            Command::New(_) => self.renew(place).await,
            Command::Sessions => {
                let here = self.rooms.session(place)?;
                Ok(wording::sessions(&self.agent.sessions().await?, &here))
            }
            Command::Jobs => self.jobs().await,
            Command::Memory => Ok(command::MEMORY.to_owned()),
            Command::Approvals => {
                let (approvals, here) = (self.policy.approvals().await?, self.rooms.session(place)?);
                Ok(wording::approvals(&approvals, &here))
            }
            // With its code this is an answer, and went to who judges it.
            Command::Approve { id, .. } | Command::Deny { id, .. } => {
                Ok(wording::unanswered(&id, self.waiting(&id).await?.as_ref()))
            }
            Command::Leases => Ok(wording::leases(&self.policy.leases().await?)),
            Command::Revoke(lease) => {
                self.policy.revoke(&lease, by).await?;
                Ok(format!("{} is over: what it covered is asked about again.", wording::code(&lease)))
            }
            Command::Rules => Ok(wording::rules(&self.policy.rules(&self.rooms.session(place)?).await?)),
            Command::Disable(rule) => self.switch(place, &rule, false, by).await,
            Command::Enable(rule) => self.switch(place, &rule, true, by).await,
            Command::ApproveContext(text) => self.vouch(place, &text, by).await,
            Command::Security => self.security(place).await,
            Command::Model(_)
            | Command::Usage
            | Command::Budget
            | Command::Pin(_)
            | Command::Unpin(_)
            | Command::Compact => self.keep(&command, place, by).await,
            other => Ok(wording::at_the_machine(other.name(), "do that")),
        }
    }

    async fn jobs(&self) -> Result<String, Failure> {
        let sessions: Vec<Job> = self.agent.sessions().await?.into_iter().map(Job::from).collect();
        // Without `policyd` it is what the agent knew at the end of the turn.
        let waiting = self.policy.approvals().await.ok();
        let waiting: Option<Vec<Question>> =
            waiting.map(|approvals| approvals.iter().map(Question::from).collect());
        Ok(jobs::listed(&sessions, waiting.as_deref(), Channel::Matrix))
    }

    /// Ends what runs here, and drops what was said and has not begun.
    async fn stop(&self, place: &Place) -> Result<String, Failure> {
        let session = self.rooms.session(place)?;
        // First, or what waits would begin where the other ended.
        let dropped = self.rooms.forget_waiting(place)?;
        let stopped = match tokio::time::timeout(PATIENCE, self.agent.stop(&session)).await {
            Ok(stopped) => stopped?,
            Err(_) => {
                return Err(Failure::new(
                    "stop the agent",
                    "it does not answer; at the machine: testudoctl stop",
                ));
            }
        };
        let elsewhere = if stopped { 0 } else { self.running_nearby(place, &session).await };
        Ok(wording::stopped(stopped, dropped, elsewhere))
    }

    /// How many other sessions of the room run: what somebody may have meant to stop.
    async fn running_nearby(&self, place: &Place, session: &str) -> usize {
        let Ok(sessions) = self.agent.sessions().await else { return 0 };
        let is_near = |other: &&Session| {
            other.running
                && other.session != session
                && self.rooms.place(&other.session).is_some_and(|known| known.room == place.room)
        };
        sessions.iter().filter(is_near).count()
    }

    async fn renew(&self, place: &Place) -> Result<String, Failure> {
        if place.thread.is_some() {
            return Ok(
                "A thread is a session of its own: begin another thread, or say `/new` in the room.".into()
            );
        }
        let before = self.rooms.session(place)?;
        if self.agent.sessions().await?.iter().any(|session| session.session == before && session.running) {
            return Ok("Something is running here: wait for it, or `/stop` it first.".into());
        }
        let after = self.rooms.renew(place)?;
        Ok(wording::renewed(&before, &after))
    }

    async fn status(&self, asker: Asker, place: &Place) -> Result<String, Failure> {
        let (sessions, here) = (self.agent.sessions().await?, self.rooms.session(place)?);
        let running = sessions.iter().any(|session| session.session == here && session.running);
        if asker != Asker::Owner {
            return Ok(wording::running(running));
        }
        let waiting = self.policy.approvals().await?.len();
        Ok(wording::status(&sessions, &here, running, waiting))
    }

    async fn vouch(&self, place: &Place, text: &str, by: &str) -> Result<String, Failure> {
        self.policy.vouch(&self.rooms.session(place)?, text, by).await?;
        Ok("The judges of this session are shown it from now on: as context, and not as a permission.".into())
    }

    async fn switch(&self, place: &Place, rule: &str, enabled: bool, by: &str) -> Result<String, Failure> {
        let session = self.rooms.session(place)?;
        self.policy.switch(&session, rule, enabled, by).await?;
        let rule = wording::code(rule);
        Ok(if enabled {
            format!("{rule} is in force again in this session.")
        } else {
            format!("{rule} is off in this session, and stays in force in all others.")
        })
    }

    async fn security(&self, place: &Place) -> Result<String, Failure> {
        let rules = self.policy.rules(&self.rooms.session(place)?).await?;
        let (waiting, leases) = (self.policy.approvals().await?.len(), self.policy.leases().await?.len());
        Ok(wording::security(&self.config, &rules, waiting, leases))
    }

    async fn waiting(&self, id: &str) -> Result<Option<Approval>, Failure> {
        Ok(self.policy.approvals().await?.into_iter().find(|approval| approval.id == id))
    }
}

#[cfg(test)]
mod tests;

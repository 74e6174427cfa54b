//! Tells the agent what was said, once: also when it is away, and when a restart came in the middle.

use std::time::Duration;

use testudo::turn::{End, Finished};

use crate::agent::{AgentError, Attached, Heard};
use crate::conversation::exchange::{Exchange, Stage};
use crate::conversation::quotation::{self, Quoted};
use crate::conversation::{Talk, markdown, words};
use crate::outbox::delay;
use crate::outgoing::{Outgoing, Text};
use crate::store::StoreError;

/// After so many failures in a row people are told that the agent is away.
const AWAY_AFTER: u32 = 3;

/// How long is waited at most before it is tried again.
const SLOWEST: Duration = Duration::from_secs(10);

/// What became of telling it.
pub(super) enum Asked {
    /// It works on this turn.
    Turn(String),
    /// It is over without that.
    Ended(Finished),
    /// Nobody wants it any more.
    Withdrawn,
}

impl Talk {
    /// Sees one exchange to its end.
    pub(super) async fn deal_with(&self, number: i64, session: &str) -> Result<(), StoreError> {
        let Some(mut exchange) = self.exchanges.get(number)? else { return Ok(()) };
        if matches!(exchange.stage, Stage::Over | Stage::Withdrawn) {
            return Ok(());
        }
        let _typing = self.typing.begin(&exchange.message.origin.room);
        // Followed before it is told, so that its first words are not missed.
        let events = self.means.agent.follow(session).await;
        let asked = match exchange.stage.clone() {
            Stage::Over | Stage::Withdrawn => Asked::Withdrawn,
            Stage::Waiting => self.ask(number, &mut exchange, session, None).await?,
            Stage::Asking(since_ms) => self.ask(number, &mut exchange, session, Some(since_ms)).await?,
            Stage::Running(turn) => Asked::Turn(turn),
        };
        match asked {
            Asked::Turn(turn) => self.follow(number, exchange, session, &turn, events).await,
            Asked::Ended(finished) => self.conclude(number, exchange, session, &finished).await,
            Asked::Withdrawn => self.take_back(number, &exchange),
        }
    }

    /// Tells it; `since_ms` when it may have been told then.
    async fn ask(
        &self,
        number: i64,
        exchange: &mut Exchange,
        session: &str,
        mut since_ms: Option<i64>,
    ) -> Result<Asked, StoreError> {
        let (text, is_cut) = self.told(exchange)?;
        if is_cut {
            let note = format!("That was long: I took the first {} KiB of it.", words::MOST / 1024);
            self.tell(number, exchange, "cut", &note)?;
        }
        let mut files: Option<Vec<Attached>> = None;
        let mut failures = 0;
        loop {
            let error = match self.ask_once(number, exchange, session, &text, &mut files, since_ms).await? {
                Ok(asked) => return Ok(asked),
                Err(error) => error,
            };
            since_ms = match exchange.stage {
                Stage::Asking(at) => Some(since_ms.unwrap_or(at)),
                _ => None,
            };
            failures += 1;
            tracing::warn!("what was said in session {session} waits: {error}");
            if failures == AWAY_AFTER {
                self.tell(
                    number,
                    exchange,
                    "away",
                    "The agent is away or busy. I kept what you said; it will be answered.",
                )?;
            }
            if !self.exchanges.is_open(number)? {
                return Ok(Asked::Withdrawn);
            }
            tokio::time::sleep(delay(failures, None).min(SLOWEST)).await;
        }
    }

    async fn ask_once(
        &self,
        number: i64,
        exchange: &mut Exchange,
        session: &str,
        text: &str,
        files: &mut Option<Vec<Attached>>,
        since_ms: Option<i64>,
    ) -> Result<Result<Asked, AgentError>, StoreError> {
        if let Some(since_ms) = since_ms {
            match self.means.agent.heard(session, text, since_ms).await {
                Ok(Heard::No) => {}
                Ok(Heard::Over(finished)) => return Ok(Ok(Asked::Ended(finished))),
                // Its turn has no name here; its end will be seen.
                Ok(Heard::Running) => {
                    return Ok(Err(AgentError::Later("it was told and is at it".to_owned())));
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        if files.is_none() {
            match self.files(number, exchange, session).await? {
                Ok(taken) => *files = Some(taken),
                Err(None) => return Ok(Ok(Asked::Withdrawn)),
                Err(Some(error)) => return Ok(Err(error)),
            }
        }
        let files = files.as_deref().unwrap_or_default();
        if text.trim().is_empty() && files.is_empty() {
            return Ok(Ok(Asked::Ended(nothing(session, "I could not take what you sent."))));
        }
        exchange.stage = Stage::Asking(since_ms.unwrap_or_else(|| self.means.clock.now_ms()));
        if !self.exchanges.change(number, exchange)? {
            return Ok(Ok(Asked::Withdrawn));
        }
        match self.means.agent.say(session, &exchange.speaker(), text, files).await {
            Ok(turn) => {
                exchange.stage = Stage::Running(turn.clone());
                if self.exchanges.change(number, exchange)? {
                    return Ok(Ok(Asked::Turn(turn)));
                }
                if let Err(error) = self.means.agent.cancel(session, &turn).await {
                    tracing::warn!("turn {turn} goes on although it was taken back: {error}");
                }
                Ok(Ok(Asked::Withdrawn))
            }
            Err(error @ AgentError::Later(_)) => Ok(Err(error)),
            Err(error) => Ok(Ok(Asked::Ended(nothing(session, &format!("That did not work: {error}."))))),
        }
    }

    /// What the agent is told: what a reply refers to, and the words. Whether they were cut.
    fn told(&self, exchange: &Exchange) -> Result<(String, bool), StoreError> {
        let (words, is_cut) = words::told(exchange.words());
        let Some(target) = &exchange.message.reply_to else { return Ok((words, is_cut)) };
        let quoted = if let Some(number) = self.exchanges.asked_by(target)? {
            self.exchanges.get(number)?.map(|said| Quoted::Said(said.speaker(), said.words().to_owned()))
        } else if let Some(number) = self.exchanges.answered_by(target)? {
            self.exchanges.get(number)?.map(|said| Quoted::Answered(said.speaker(), said.words().to_owned()))
        } else {
            None
        };
        let line = quotation::line(&exchange.speaker(), &quoted.unwrap_or(Quoted::Unknown));
        Ok((format!("{line}{words}"), is_cut))
    }

    /// Tells the place of an exchange something about it, once.
    pub(super) fn tell(
        &self,
        number: i64,
        exchange: &Exchange,
        name: &str,
        words: &str,
    ) -> Result<(), StoreError> {
        let text = Text { thread: exchange.message.thread.clone(), ..markdown::notice(words) };
        self.queue(exchange, number, name, Outgoing::Text(text)).map(drop)
    }
}

/// A turn that never was, with what is said about it.
fn nothing(session: &str, reply: &str) -> Finished {
    Finished {
        session: session.to_owned(),
        turn: String::new(),
        reply: reply.to_owned(),
        calls: Vec::new(),
        end: End::Failed,
    }
}

//! Shows a turn while it runs, and hands its last words to the outbox.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use matrix_sdk::ruma::OwnedEventId;
use testudo::turn::{End, Event, Finished};
use tokio::sync::mpsc;

use crate::agent::AgentError;
use crate::conversation::exchange::{Exchange, Shown};
use crate::conversation::pacing::Step;
use crate::conversation::showing::Showing;
use crate::conversation::{Talk, draft, parts};
use crate::homeserver::SendError;
use crate::outbox::{Delivery, Post, Ticket, delay};
use crate::outgoing::{Behalf, Outgoing, Text};
use crate::store::StoreError;

/// How often it is tried to find out whether a message arrived.
const TRIES: u32 = 4;
/// How long nothing is tried in a room that does not take our messages; the outbox tells about it.
const REFUSED: Duration = Duration::from_hours(1);
/// How often it is looked whether the answers before this one arrived.
const HELD: Duration = Duration::from_millis(200);

/// A message on its way.
struct Sending {
    /// What was shown before it.
    before: Shown,
    sent: BoxFuture<'static, Sent>,
}

/// What came of a message; none where it was not sent, since something else was.
type Sent = Option<Result<OwnedEventId, SendError>>;

/// What was shown before a message, and what came of it.
type Arrived = (Shown, Sent);

impl Talk {
    /// Follows a turn to its end.
    pub(super) async fn follow(
        &self,
        number: i64,
        mut exchange: Exchange,
        session: &str,
        turn: &str,
        mut events: mpsc::Receiver<Event>,
    ) -> Result<(), StoreError> {
        let mut showing = match exchange.shown {
            Shown::Nothing => Showing::new(),
            Shown::Perhaps | Shown::As(_) => Showing::resumed(),
        };
        let began = Instant::now();
        let end = self.end_of(session, turn);
        tokio::pin!(end);
        let mut sending: Option<Sending> = None;
        let mut is_streaming = true;
        let mut edits = 0;
        let finished = loop {
            // The first words of an answer must not overtake the last ones of the answer before it; and where nothing may be
            // said now it is not known to have been tried.
            let room = &exchange.message.origin.room;
            let is_held = matches!(exchange.shown, Shown::Nothing)
                && (self.means.outbox.is_busy(room)? || self.means.homeserver.held(room).await.is_some());
            if sending.is_none()
                && !is_held
                && let Some((step, markdown)) = showing.step(began.elapsed())
            {
                edits += 1;
                sending = self.show(number, &mut exchange, session, step, &markdown, edits)?;
            }
            let least = if is_held { HELD } else { Duration::ZERO };
            let pause = showing.due().map(|due| due.saturating_sub(began.elapsed()).max(least));
            tokio::select! {
                finished = &mut end => break finished,
                event = events.recv(), if is_streaming => match event {
                    Some(event) if turn_of(&event) == turn => showing.event(event, began.elapsed()),
                    Some(_) => {}
                    None => is_streaming = false,
                },
                sent = arrival(&mut sending) => {
                    sending = None;
                    self.sent(number, &mut exchange, &mut showing, sent, began.elapsed())?;
                }
                () = tokio::time::sleep(pause.unwrap_or_default()), if sending.is_none() && pause.is_some() => {}
            }
        };
        if let Some(Sending { before, sent }) = sending {
            self.sent(number, &mut exchange, &mut showing, (before, sent.await), began.elapsed())?;
        }
        let last = showing.finish(began.elapsed());
        tokio::time::sleep(last.at.saturating_sub(began.elapsed())).await;
        self.conclude(number, exchange, session, &finished).await
    }

    /// Sends what is seen of a turn for now; none when nobody wants it any more.
    fn show(
        &self,
        number: i64,
        exchange: &mut Exchange,
        session: &str,
        step: Step,
        markdown: &str,
        edits: u32,
    ) -> Result<Option<Sending>, StoreError> {
        if !self.exchanges.is_open(number)? {
            return Ok(None);
        }
        let before = exchange.shown.clone();
        let is_edit = step == Step::Edit;
        let text = parts::beginning(markdown, self.means.hygiene, is_edit);
        // A notice notifies nobody.
        let text = Text { notice: true, ..self.placed(text, exchange, session) };
        let (name, outgoing) = match (step, &exchange.shown) {
            (Step::Edit, Shown::As(target)) => {
                (format!("edit-{edits}"), Outgoing::Edit { target: target.clone(), text })
            }
            _ => {
                exchange.shown = Shown::Perhaps;
                if !self.exchanges.change(number, exchange)? {
                    return Ok(None);
                }
                ("shown".to_owned(), Outgoing::Text(text))
            }
        };
        let (homeserver, room) = (self.means.homeserver.clone(), exchange.message.origin.room.clone());
        let transaction = transaction(number, exchange, &name);
        // It need not be seen: where anything else is to be said now, it does not wait for its turn.
        let sent = Box::pin(async move { homeserver.send_if_free(&room, &transaction, &outgoing).await });
        Ok(Some(Sending { before, sent }))
    }

    fn sent(
        &self,
        number: i64,
        exchange: &mut Exchange,
        showing: &mut Showing,
        (before, sent): Arrived,
        now: Duration,
    ) -> Result<(), StoreError> {
        let Some(sent) = sent else {
            showing.skipped(now);
            if exchange.shown != before {
                // What was noted for it was not so.
                exchange.shown = before;
                if !self.exchanges.change(number, exchange)? {
                    self.take_back(number, exchange)?;
                }
            }
            return Ok(());
        };
        match sent {
            Ok(event) if !matches!(exchange.shown, Shown::As(_)) => {
                showing.said();
                self.shown_as(number, exchange, event)?;
            }
            Ok(_) => {}
            Err(SendError::Later { retry_after, .. }) => showing.refused(now, retry_after),
            Err(SendError::Never { .. }) => showing.refused(now, Some(REFUSED)),
        }
        Ok(())
    }

    fn shown_as(&self, number: i64, exchange: &mut Exchange, event: OwnedEventId) -> Result<(), StoreError> {
        self.exchanges.answered(number, &event)?;
        exchange.shown = Shown::As(event);
        if !self.exchanges.change(number, exchange)? {
            self.take_back(number, exchange)?;
        }
        Ok(())
    }

    /// Waits for a turn to end, over restarts of the agent.
    async fn end_of(&self, session: &str, turn: &str) -> Finished {
        let mut failures = 0;
        let reply = loop {
            match self.means.agent.wait(session, turn).await {
                Ok(finished) => return finished,
                Err(AgentError::Later(why)) => {
                    tracing::debug!("turn {turn} is waited for: {why}");
                    failures += 1;
                    tokio::time::sleep(delay(failures, None).min(Duration::from_secs(10))).await;
                }
                Err(AgentError::Unknown(_)) => {
                    break "I do not know any more what became of that: say it again.".to_owned();
                }
                Err(AgentError::Refused(why)) => break format!("That did not work: {why}."),
            }
        };
        Finished {
            session: session.to_owned(),
            turn: turn.to_owned(),
            reply,
            calls: Vec::new(),
            end: End::Failed,
        }
    }

    /// Queues the last words with what lies beside them; only they notify, and only who asked.
    pub(super) async fn conclude(
        &self,
        number: i64,
        mut exchange: Exchange,
        session: &str,
        finished: &Finished,
    ) -> Result<(), StoreError> {
        let mut markdown = draft::finished(finished);
        if exchange.shown == Shown::Perhaps {
            self.find_shown(number, &mut exchange, session, &markdown).await?;
        }
        if !self.exchanges.is_open(number)? {
            return self.take_back(number, &exchange);
        }
        let target = match &exchange.shown {
            Shown::As(event) => Some(event.clone()),
            Shown::Nothing | Shown::Perhaps => None,
        };
        let given = self.fetched(number, &exchange, session, finished).await?;
        if let Some(lost) = given.lost() {
            if self.means.outbox.is_known(&transaction(number, &exchange, "final"))? {
                // The answer is on its way since before a restart, and does not say it.
                self.tell(number, &exchange, "lost", &lost)?;
            } else {
                let _ = write!(markdown, "\n\n{lost}");
            }
        }
        let answer = parts::answer(&markdown, self.means.hygiene, target.is_some());
        let mut text = self.placed(answer.text, &exchange, session);
        text.mentions = vec![exchange.message.origin.sender.clone()];
        let outgoing = match target {
            Some(target) => Outgoing::Edit { target, text },
            None => Outgoing::Text(text),
        };
        exchange.files = answer.attachments.len();
        self.record(number, self.queue(&exchange, number, "final", outgoing)?);
        for (index, file) in answer.attachments.into_iter().enumerate() {
            let outgoing = Outgoing::Attachment {
                name: file.name,
                mime: file.mime.to_owned(),
                content: file.content,
                thread: exchange.message.thread.clone(),
                behalf: Some(behalf(&exchange, session)),
            };
            self.record(number, self.queue(&exchange, number, &format!("file-{index}"), outgoing)?);
        }
        exchange.given = given.count();
        self.give(number, &exchange, session, given)?;
        exchange.end();
        if !self.exchanges.change(number, &exchange)? {
            self.take_back(number, &exchange)?;
        }
        Ok(())
    }

    /// A message was sent and it is not known whether it arrived: sent again, under the same id, it is the same event.
    async fn find_shown(
        &self,
        number: i64,
        exchange: &mut Exchange,
        session: &str,
        markdown: &str,
    ) -> Result<(), StoreError> {
        let text = parts::beginning(markdown, self.means.hygiene, false);
        let outgoing = Outgoing::Text(Text { notice: true, ..self.placed(text, exchange, session) });
        let name = transaction(number, exchange, "shown");
        for failures in 1..=TRIES {
            match self.means.homeserver.send(&exchange.message.origin.room, &name, &outgoing).await {
                Ok(event) => return self.shown_as(number, exchange, event),
                Err(SendError::Never { .. }) => return Ok(()),
                Err(SendError::Later { retry_after, .. }) => {
                    tokio::time::sleep(delay(failures, retry_after)).await;
                }
            }
        }
        Ok(())
    }

    /// Where an answer belongs: in the thread; in a main timeline it replies when others have spoken since.
    fn placed(&self, text: Text, exchange: &Exchange, session: &str) -> Text {
        let thread = exchange.message.thread.clone();
        let is_reply = thread.is_none() && self.has_more(session);
        let reply_to = is_reply.then(|| exchange.message.origin.event.clone());
        Text { thread, reply_to, ..text }
    }

    /// Queues something of an exchange, once by its name.
    pub(super) fn queue(
        &self,
        exchange: &Exchange,
        number: i64,
        name: &str,
        outgoing: Outgoing,
    ) -> Result<Ticket, StoreError> {
        let post = Post::new(exchange.message.origin.room.clone(), outgoing);
        self.means.outbox.queue(post.named(transaction(number, exchange, name)))
    }

    /// Remembers which event it became, so that a reply to it is understood.
    pub(super) fn record(&self, number: i64, ticket: Ticket) {
        let exchanges = self.exchanges.clone();
        tokio::spawn(async move {
            if let Delivery::Sent(event) = ticket.delivered().await
                && let Err(error) = exchanges.answered(number, &event)
            {
                tracing::warn!("a reply to {event} will not be understood: {error}");
            }
        });
    }
}

/// The name of something of an exchange, the same after a restart.
pub(super) fn transaction(number: i64, exchange: &Exchange, name: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let question = hex::encode(Sha256::digest(exchange.message.origin.event.as_str()));
    format!("talk-{number}-{}-{name}", question.get(..8).unwrap_or_default())
}

/// For whom a file of an answer leaves.
pub(super) fn behalf(exchange: &Exchange, session: &str) -> Behalf {
    Behalf { session: session.to_owned(), requester: Some(exchange.message.origin.sender.clone()) }
}

/// Returns when what is on its way has arrived or not; never when nothing is.
async fn arrival(sending: &mut Option<Sending>) -> Arrived {
    match sending {
        Some(Sending { before, sent }) => (before.clone(), sent.await),
        None => std::future::pending().await,
    }
}

/// The turn that an event belongs to.
fn turn_of(event: &Event) -> &str {
    match event {
        Event::TurnStarted { turn, .. }
        | Event::Text { turn, .. }
        | Event::CallStarted { turn, .. }
        | Event::CallOutput { turn, .. }
        | Event::CallFinished { turn, .. } => turn,
        Event::TurnFinished { turn } => &turn.turn,
    }
}

//! Somebody takes back what he said: what waits is dropped, what runs is ended, and our answer to it is taken back.
//!
//! What the agent was told already it has read; its transcript and the record keep that.

use matrix_sdk::ruma::{EventId, OwnedEventId};

use crate::authorship::{Standing, standing};
use crate::conversation::exchange::{Exchange, Shown, Stage};
use crate::conversation::following::transaction;
use crate::conversation::{Talk, giving};
use crate::incoming::Origin;
use crate::outbox::{Delivery, Post};
use crate::outgoing::Outgoing;
use crate::store::StoreError;

impl Talk {
    /// An event was taken back. It counts from who said it, and from an owner.
    pub(super) async fn redacted(&self, origin: &Origin, target: &EventId) -> Result<(), StoreError> {
        let Some(number) = self.exchanges.asked_by(target)? else { return Ok(()) };
        let Some(exchange) = self.exchanges.get(number)? else { return Ok(()) };
        let is_his = exchange.message.origin.sender == origin.sender
            || standing(&self.means.config, &origin.sender) == Standing::Owner;
        if !is_his || exchange.message.origin.room != origin.room || exchange.stage == Stage::Withdrawn {
            return Ok(());
        }
        self.exchanges.withdraw(number, &exchange)?;
        if let Stage::Running(turn) = &exchange.stage {
            let session = &exchange.session;
            if let Err(error) = self.means.agent.cancel(session, turn).await {
                tracing::warn!("turn {turn} goes on although it was taken back: {error}");
            }
        }
        self.take_back(number, &exchange)
    }

    /// Takes back everything of an answer: what is queued is dropped, what arrived is redacted, and what is on its way
    /// as soon as it arrived.
    pub(super) fn take_back(&self, number: i64, exchange: &Exchange) -> Result<(), StoreError> {
        if let Shown::As(event) = &exchange.shown {
            self.redact(number, exchange, "shown", event.clone())?;
        }
        let files = (0..exchange.files).map(|index| format!("file-{index}"));
        let given = (0..exchange.given).map(giving::name);
        for name in std::iter::once("final".to_owned()).chain(files).chain(given) {
            let transaction = transaction(number, exchange, &name);
            let Some(ticket) = self.means.outbox.withdraw(&transaction)? else { continue };
            let (talk, exchange) = (self.clone(), exchange.clone());
            tokio::spawn(async move {
                let Delivery::Sent(event) = ticket.delivered().await else { return };
                if let Err(error) = talk.redact(number, &exchange, &name, event) {
                    tracing::error!("an answer stays that was to be taken back: {error}");
                }
            });
        }
        Ok(())
    }

    fn redact(
        &self,
        number: i64,
        exchange: &Exchange,
        name: &str,
        target: OwnedEventId,
    ) -> Result<(), StoreError> {
        let reason = Some("the question was taken back".to_owned());
        let post = Post::new(exchange.message.origin.room.clone(), Outgoing::Redaction { target, reason });
        let name = transaction(number, exchange, &format!("back-{name}"));
        self.means.outbox.queue(post.named(name)).map(drop)
    }
}

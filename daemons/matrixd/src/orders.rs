//! Commands as the dispatcher hands them over, and their answers as people see them.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::commands::{Commands, Handled};
use crate::conversation::markdown::{self, Hygiene};
use crate::dispatcher::{self, Conversation, Heard};
use crate::incoming::{Content, Incoming, Message};
use crate::outbox::{Clock, Outbox, Post};
use crate::outgoing::{Outgoing, Text};
use crate::store::Place;

/// What is said when a restart came between a command and its answer.
const INTERRUPTED: &str =
    "I was started again while I did that, so it may be done or not. Say it again if it is not.";

/// Hands commands on and queues what they answer.
pub struct Orders {
    /// What carries them out.
    pub commands: Commands,
    /// What hears a line that is no command after all.
    pub conversation: Arc<dyn Conversation>,
    /// Where answers go.
    pub outbox: Outbox,
    /// Whether answers are made harmless.
    pub hygiene: Hygiene,
    /// What time it is.
    pub clock: Clock,
}

impl Orders {
    async fn hear(&self, heard: &Heard) {
        let Some((message, line)) = line(&heard.incoming) else { return };
        let origin = &message.origin;
        let place = Place { room: origin.room.clone(), thread: message.thread.clone() };
        let now_ms = u64::try_from(self.clock.now_ms()).unwrap_or_default();
        match self.commands.handle(origin, &place, line, now_ms).await {
            Handled::Answer(words) => self.answer(message, markdown::message(&words, self.hygiene)),
            Handled::Say(words) => {
                let said = Message { content: Content::Text(words), ..message.clone() };
                let said = Heard { incoming: Incoming::Message(said), ..heard.clone() };
                if let Err(postponed) = self.conversation.hear(&said).await {
                    self.answer(
                        message,
                        markdown::message(&format!("⚠ {postponed}; say it again"), self.hygiene),
                    );
                }
            }
            Handled::Silence => {}
        }
    }

    fn answer(&self, to: &Message, text: Text) {
        let text =
            Text { thread: to.thread.clone(), reply_to: Some(to.origin.event.clone()), notice: true, ..text };
        // Named after what it answers: however often it is queued, it is one answer.
        let name = format!("answer-{}", to.origin.event);
        let post = Post::new(to.origin.room.clone(), Outgoing::Text(text)).named(name);
        if let Err(error) = self.outbox.queue(post) {
            tracing::error!("a command is not answered: {error}");
        }
    }
}

fn line(incoming: &Incoming) -> Option<(&Message, &str)> {
    match incoming {
        Incoming::Message(message @ Message { content: Content::Text(line), .. }) => Some((message, line)),
        _ => None,
    }
}

impl dispatcher::Commands for Orders {
    fn carry_out<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        self.hear(heard).boxed()
    }

    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        async move {
            if let Some((message, _)) = line(&heard.incoming) {
                self.answer(message, markdown::message(INTERRUPTED, self.hygiene));
            }
        }
        .boxed()
    }
}

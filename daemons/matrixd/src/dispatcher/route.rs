//! Where an event goes: a pure decision of what it is, who its sender is, and which questions there are.
//!
//! It decides who looks at an event, not whether it has an effect: that an answer or a command comes from an owner's
//! verified device is judged by who it goes to, who also says why it was refused.

use matrix_sdk::ruma::{EventId, RoomId};

use crate::authorship::Standing;
use crate::incoming::{Content, Incoming, Message};

/// What is known about questions that were asked.
pub trait Prompts: Send + Sync + 'static {
    /// Whether this event of this room asked a question, open or not, or is an answer that was given to one.
    fn concerns(&self, room: &RoomId, event: &EventId) -> bool;

    /// Whether a question of this room waits for its answer.
    fn waits_in(&self, room: &RoomId) -> bool;

    /// Whether these words answer a question of this room without replying to it, such as `yes 7K3M`. What is not
    /// meant as an answer beyond doubt is not one: it goes to the agent.
    fn reads_as_answer(&self, room: &RoomId, text: &str) -> bool;
}

/// Where an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Nowhere.
    Unheard,
    /// It cannot be read: the room is told once, and it waits for its key.
    Undecryptable,
    /// To who judges answers; a redaction that was about none goes on to the agent.
    Answer,
    /// To who carries out commands.
    Command,
    /// Likewise, but past everything that waits: it stops something.
    Stop,
    /// To the agent.
    Talk,
}

/// Where an event goes.
pub fn route(incoming: &Incoming, standing: Standing, prompts: &dyn Prompts) -> Route {
    let room = &incoming.origin().room;
    match incoming {
        Incoming::Undecryptable { .. } if standing != Standing::Stranger => Route::Undecryptable,
        Incoming::Undecryptable { .. } | Incoming::Member { .. } => Route::Unheard,
        // A reaction on anything but a question says nothing to anybody; but while one waits, what is given to a copy of
        // it is told that it has no effect.
        Incoming::Reaction { target, .. } => {
            let is_near = || standing != Standing::Stranger && prompts.waits_in(room);
            if prompts.concerns(room, target) || is_near() { Route::Answer } else { Route::Unheard }
        }
        // An answer is not known as one before it is judged, so while a question waits a redaction goes behind what came
        // before it; the agent gets it after that, unless it was about an answer.
        Incoming::Redaction { target, .. } => {
            let is_near = || standing != Standing::Stranger && prompts.waits_in(room);
            heard(prompts.concerns(room, target) || is_near(), standing)
        }
        Incoming::Edit { target, text, .. } => {
            heard(prompts.concerns(room, target) || prompts.reads_as_answer(room, unmarked(text)), standing)
        }
        Incoming::Message(message) => of_message(message, standing, prompts),
    }
}

fn of_message(message: &Message, standing: Standing, prompts: &dyn Prompts) -> Route {
    let room = &message.origin.room;
    let replies = message.reply_to.as_deref().is_some_and(|target| prompts.concerns(room, target));
    if standing == Standing::Stranger {
        return heard(replies, standing);
    }
    match &message.content {
        // A command is one wherever it is said: who replies `/stop` to a question wants an end.
        Content::Text(text) => match text.trim_start() {
            text if is_stop(text) => Route::Stop,
            text if text.starts_with('/') => Route::Command,
            text if replies || prompts.reads_as_answer(room, text) => Route::Answer,
            _ => Route::Talk,
        },
        _ if replies => Route::Answer,
        Content::File { .. } => Route::Talk,
        Content::Other(_) => Route::Unheard,
    }
}

/// A stranger's attempt on a question is refused by who judges it; nothing else of him is heard.
fn heard(is_answer: bool, standing: Standing) -> Route {
    match (is_answer, standing) {
        (true, _) => Route::Answer,
        (false, Standing::Stranger) => Route::Unheard,
        (false, _) => Route::Talk,
    }
}

fn is_stop(text: &str) -> bool {
    text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("/stop"))
}

/// The text of an edit for clients that know no edits begins with a star.
fn unmarked(text: &str) -> &str {
    text.trim_start().trim_start_matches("* ")
}

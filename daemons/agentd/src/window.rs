//! What of a conversation the model is shown.
//!
//! A call and its outcome are never separated: the unit is a group, which is a message with all outcomes of the
//! calls in it. The question of the running turn is always there. Of this turn everything is shown, older
//! outcomes in brief where room is short; of the turns before it the last few messages, while there is room.
//! What is pinned, and a summary where there is one, stand before all that ([`crate::context`]).

use serde_json::json;
use testudo::label::Labels;
use testudo::model::{Message, Role};

use crate::cut;
use crate::said::Said;

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Most messages of earlier turns.
    pub messages: usize,
    /// Most bytes of JSON in all; only the question and the newest group may go beyond it.
    pub bytes: usize,
}

/// 20 messages and about 80,000 tokens of four bytes: a request stays well below the 1 MiB of a bus message.
pub const BOUNDS: Bounds = Bounds { messages: 20, bytes: 320 * 1024 };
/// The most bytes of arguments and text in a group that is shown in brief.
const BRIEF: usize = 256;

/// What the model is shown, oldest first, and who could have written it.
#[derive(Debug, Default)]
pub struct Window {
    /// The messages.
    pub messages: Vec<Message>,
    /// The union of their labels.
    pub labels: Labels,
}

/// A message and the outcomes of its calls, as they are in the history.
struct Group<'a>(Vec<&'a Said>);

/// A group as it is shown.
struct Shown {
    messages: Vec<Message>,
    labels: Labels,
    bytes: usize,
}

/// Chooses from a history, oldest first.
/// `head` is shown before all of it, whole and always.
pub fn window<'a>(head: &[Said], history: impl IntoIterator<Item = &'a Said>, bounds: Bounds) -> Window {
    let mut window = Window::default();
    for said in head {
        window.labels.absorb(&said.labels);
        window.messages.push(said.message.clone());
    }
    let groups = groups(history);
    let question = groups.iter().rposition(Group::is_question);
    let (earlier, this_turn) = groups.split_at(question.unwrap_or(0));
    let (question, this_turn) = this_turn.split_at(usize::from(question.is_some()));
    let question: Vec<Shown> = question.iter().filter_map(Group::whole).collect();

    let room = bounds.bytes.saturating_sub(bytes(&window.messages));
    let mut room = room.saturating_sub(question.iter().map(|shown| shown.bytes).sum());
    let mut chosen: Vec<Shown> = Vec::new();
    for whole in this_turn.iter().rev().filter_map(Group::whole) {
        let is_newest = chosen.is_empty();
        let shown = if is_newest || whole.bytes <= room { whole } else { whole.brief() };
        if !is_newest && shown.bytes > room {
            break;
        }
        room = room.saturating_sub(shown.bytes);
        chosen.push(shown);
    }
    chosen.extend(question);

    let mut count = 0;
    let mut before: Vec<(bool, Shown)> = Vec::new();
    for (is_question, shown) in
        earlier.iter().rev().filter_map(|group| Some((group.is_question(), group.whole()?)))
    {
        count += shown.messages.len();
        if count > bounds.messages || shown.bytes > room {
            break;
        }
        room -= shown.bytes;
        before.push((is_question, shown));
    }
    // A conversation that does not begin with a person is refused by some models.
    while before.pop_if(|(is_question, _)| !*is_question).is_some() {}
    chosen.extend(before.into_iter().map(|(_, shown)| shown));

    for shown in chosen.into_iter().rev() {
        window.labels.absorb(&shown.labels);
        window.messages.extend(shown.messages);
    }
    window
}

/// Outcomes that belong to no call of the message before them are left out: no model takes them.
fn groups<'a>(history: impl IntoIterator<Item = &'a Said>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    for said in history {
        match (&said.message.tool_call_id, groups.last_mut()) {
            (Some(id), Some(group)) if group.has_call(id) && !group.has_outcome(id) => group.0.push(said),
            (Some(_), _) => {}
            (None, _) => groups.push(Group(vec![said])),
        }
    }
    groups
}

impl Group<'_> {
    fn is_question(&self) -> bool {
        self.0.first().is_some_and(|said| said.message.role == Role::User)
    }

    fn has_call(&self, id: &str) -> bool {
        self.0.first().is_some_and(|said| said.message.tool_calls.iter().any(|call| call.id == id))
    }

    fn has_outcome(&self, id: &str) -> bool {
        self.0.iter().any(|said| said.message.tool_call_id.as_deref() == Some(id))
    }

    /// All of it but calls that have no outcome; nothing if nothing remains.
    fn whole(&self) -> Option<Shown> {
        let mut labels = Labels::default();
        let mut messages = Vec::with_capacity(self.0.len());
        for said in &self.0 {
            labels.absorb(&said.labels);
            let mut message = said.message.clone();
            message.tool_calls.retain(|call| self.has_outcome(&call.id));
            messages.push(message);
        }
        let is_empty = |message: &Message| message.content.is_empty() && message.tool_calls.is_empty();
        (!messages.iter().all(is_empty)).then(|| Shown::new(messages, labels))
    }
}

/// How much messages are as JSON.
pub fn bytes(messages: &[Message]) -> usize {
    let length = |message| serde_json::to_string(message).map_or(usize::MAX / 4, |text| text.len());
    messages.iter().map(length).fold(0, usize::saturating_add)
}

impl Shown {
    fn new(messages: Vec<Message>, labels: Labels) -> Self {
        let bytes = bytes(&messages);
        Self { messages, labels, bytes }
    }

    /// What was done, without what it gave.
    fn brief(mut self) -> Self {
        for message in &mut self.messages {
            message.content = if message.role == Role::Tool {
                json!({"note": "left out to save room: ask again if it is needed"}).to_string()
            } else {
                cut::text(&message.content, BRIEF).into_owned()
            };
            for call in &mut message.tool_calls {
                if let Some(short) = cut::json(&call.arguments, BRIEF) {
                    call.arguments = short;
                }
            }
        }
        Self::new(self.messages, self.labels)
    }
}

#[cfg(test)]
mod tests;

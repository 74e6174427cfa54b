//! What of a conversation the model is shown.
//!
//! A call and its outcome are never separated: the unit is a group, which is a message with all outcomes of the
//! calls in it. The question of the running turn is always there. Of this turn everything is shown, older
//! outcomes in brief where room is short; of the turns before it the last few messages, while there is room.

use serde_json::json;
use testudo::label::Labels;
use testudo::model::{Message, Role, ToolCall};

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

/// A message with the outcomes of all its calls.
#[derive(Debug, Clone)]
struct Group {
    messages: Vec<Message>,
    labels: Labels,
}

/// Chooses from a history, oldest first.
pub fn window<'a>(history: impl IntoIterator<Item = &'a Said>, bounds: Bounds) -> Window {
    let groups = groups(history);
    let question = groups.iter().rposition(Group::is_question);
    let (earlier, this_turn) = groups.split_at(question.unwrap_or(0));
    let (question, this_turn) = this_turn.split_at(usize::from(question.is_some()));

    let mut room = bounds.bytes.saturating_sub(question.iter().map(Group::cost).sum());
    let mut chosen = Vec::new();
    for (age, group) in this_turn.iter().rev().enumerate() {
        let group = if age == 0 || group.cost() <= room { group.clone() } else { group.brief() };
        if age > 0 && group.cost() > room {
            break;
        }
        room = room.saturating_sub(group.cost());
        chosen.push(group);
    }
    chosen.extend(question.iter().cloned());

    let mut count = 0;
    let mut before = Vec::new();
    for group in earlier.iter().rev() {
        count += group.messages.len();
        if count > bounds.messages || group.cost() > room {
            break;
        }
        room -= group.cost();
        before.push(group.clone());
    }
    // A conversation that does not begin with a person is refused by some models.
    while before.last().is_some_and(|group| !group.is_question()) {
        before.pop();
    }
    chosen.extend(before);

    let mut window = Window::default();
    for group in chosen.into_iter().rev() {
        window.labels.absorb(&group.labels);
        window.messages.extend(group.messages);
    }
    window
}

/// Calls without an outcome and outcomes without a call are left out: no model takes them.
fn groups<'a>(history: impl IntoIterator<Item = &'a Said>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Said { message, labels, .. } in history {
        match (&message.tool_call_id, groups.last_mut()) {
            (Some(id), Some(group)) if group.awaits(id) => {
                group.messages.push(message.clone());
                group.labels.absorb(labels);
            }
            (Some(_), _) => {}
            (None, _) => groups.push(Group { messages: vec![message.clone()], labels: labels.clone() }),
        }
    }
    groups.iter_mut().for_each(Group::drop_unanswered);
    groups.retain(|group| {
        !group.messages.iter().all(|message| message.content.is_empty() && message.tool_calls.is_empty())
    });
    groups
}

impl Group {
    fn is_question(&self) -> bool {
        self.messages.first().is_some_and(|message| message.role == Role::User)
    }

    fn awaits(&self, id: &str) -> bool {
        let asked =
            self.messages.first().is_some_and(|first| first.tool_calls.iter().any(|call| call.id == id));
        asked && !self.has_outcome(id)
    }

    fn has_outcome(&self, id: &str) -> bool {
        self.messages.iter().any(|message| message.tool_call_id.as_deref() == Some(id))
    }

    fn drop_unanswered(&mut self) {
        let answered: Vec<ToolCall> = self
            .messages
            .iter()
            .flat_map(|message| &message.tool_calls)
            .filter(|call| self.has_outcome(&call.id))
            .cloned()
            .collect();
        if let Some(first) = self.messages.first_mut() {
            first.tool_calls = answered;
        }
    }

    fn cost(&self) -> usize {
        self.messages
            .iter()
            .map(|message| serde_json::to_string(message).map_or(usize::MAX / 2, |text| text.len()))
            .sum()
    }

    /// What was done, without what it gave.
    fn brief(&self) -> Self {
        let messages = self.messages.iter().map(|message| {
            let mut brief = message.clone();
            if brief.role == Role::Tool {
                brief.content =
                    json!({"note": "left out to save room: ask again if it is needed"}).to_string();
            } else {
                brief.content = cut::text(&brief.content, BRIEF).into_owned();
            }
            for call in &mut brief.tool_calls {
                call.arguments = cut::json(&call.arguments, BRIEF).unwrap_or_else(|| call.arguments.clone());
            }
            brief
        });
        Self { messages: messages.collect(), labels: self.labels.clone() }
    }
}

#[cfg(test)]
mod tests;

//! The built-in offline planner: deterministic, and honest about having no intelligence.
//!
//! It turns the plain sentences of the last user message into tool calls, one per completion, and after
//! the last one says what each of them gave. [`answer`] is all of it: a pure function that keeps nothing
//! between two requests and finds its place in the plan from the outcomes in the conversation.
//! A call that was refused is reported, and the plan goes on. What `policyd` wants judged goes to [`judge`].

mod clause;
mod judge;
mod plan;
mod report;
mod searching;
mod sentence;
mod token;
mod writing;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use testudo::model::{Completion, CompletionRequest, Finish, Message, Purpose, Role, ToolCall, Usage};

use crate::provider::{Deltas, Provider, ProviderError};
use plan::Step;
use sentence::Wish;

/// The name of the provider, and of its only model.
pub const NAME: &str = "rehearsal";

/// The built-in planner as a [`Provider`]; it needs nothing and cannot fail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rehearsal;

impl Provider for Rehearsal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn model(&self) -> &str {
        NAME
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        deltas: Deltas,
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        async move {
            let completion = answer(request);
            for word in completion.text.split_inclusive(char::is_whitespace) {
                deltas.send(word).await;
            }
            Ok(completion)
        }
        .boxed()
    }
}

/// Answers `request`: the next call of the plan, or the report when there is none left.
pub fn answer(request: &CompletionRequest) -> Completion {
    let messages = &request.messages;
    if request.purpose == Purpose::Judge {
        return completion(messages, judge::verdict(messages), Vec::new());
    }
    let asked = messages.iter().rposition(|message| message.role == Role::User);
    let (said, since) = match asked.and_then(|at| messages.split_at_checked(at + 1)) {
        Some((said, since)) => (said, since),
        None => (messages.as_slice(), Default::default()),
    };
    let text = asked.and_then(|at| messages.get(at)).map_or("", |message| message.content.as_str());
    let steps = plan::plan(text, &request.tools);
    let outcomes: Vec<&str> = since
        .iter()
        .filter(|message| message.role == Role::Tool)
        .map(|message| message.content.as_str())
        .collect();

    let mut wishes = steps.iter().filter_map(Step::wish);
    let (text, tool_calls) = match wishes.nth(outcomes.len()) {
        Some(wish) => {
            let turn = said.iter().filter(|message| message.role == Role::User).count();
            let intro = if outcomes.is_empty() { plan::introduction(&steps) } else { String::new() };
            (intro, vec![call(wish, turn, outcomes.len() + 1)])
        }
        None => (report::report(&steps, &outcomes), Vec::new()),
    };
    completion(messages, text, tool_calls)
}

fn completion(messages: &[Message], text: String, tool_calls: Vec<ToolCall>) -> Completion {
    let finish = if tool_calls.is_empty() { Finish::Stop } else { Finish::ToolCalls };
    let usage = Usage { input_tokens: messages.iter().map(words).sum(), output_tokens: count(&text) };
    Completion { text, tool_calls, usage, finish, model: NAME.to_owned(), provider: NAME.to_owned() }
}

fn call(wish: &Wish, turn: usize, step: usize) -> ToolCall {
    ToolCall { id: format!("r{turn}-{step}"), name: wish.tool.clone(), arguments: wish.arguments.clone() }
}

fn words(message: &Message) -> u64 {
    count(&message.content)
}

/// Words stand in for tokens here.
fn count(text: &str) -> u64 {
    text.split_whitespace().map(|_| 1).sum()
}

#[cfg(test)]
mod tests;

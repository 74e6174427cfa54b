//! What a session has beside its messages, and what was changed of it.

use testudo::context::{Context, Shortened};

use super::{code, count, listed, words};

/// A model that answers from now on.
pub(in crate::commands) fn chosen(name: &str) -> String {
    format!("{} answers here from now on.", code(name))
}

pub(in crate::commands) fn models(context: &Context) -> String {
    if context.models.is_empty() {
        return "The models cannot be listed now: `testudo-modeld` does not answer.".to_owned();
    }
    let mut list = listed(&context.models, |model| {
        let here = if model.name == context.model { ", **answers here**" } else { "" };
        let configured = if model.configured { ", the configured one" } else { "" };
        format!("{} ({}{configured}{here})", code(&model.name), words(&model.provider))
    });
    if !context.models.iter().any(|model| model.name == context.model) {
        list.push_str(&format!("\n{} was chosen here and is not there any more.\n", code(&context.model)));
    }
    format!("{list}\n`/model NAME` has another one answer here.")
}

pub(in crate::commands) fn usage(context: &Context) -> String {
    let mut here = listed(&context.usage, |used| {
        let requests = if used.requests == 1 { "request" } else { "requests" };
        format!(
            "{}: {} {requests}, {} tokens read, {} written{}",
            code(&used.model),
            used.requests,
            used.input,
            used.output,
            estimated(used.estimated)
        )
    });
    if here.is_empty() {
        here.push_str("No model was asked here yet.\n");
    }
    let messages = count(usize::try_from(context.messages).unwrap_or(usize::MAX), "message");
    let summary = context.compacted.as_ref().map_or_else(String::new, |compacted| {
        format!(", the first {} of them in a summary of {}", compacted.messages, code(&compacted.at))
    });
    let today = context.today;
    let (read, written, part) = (today.input, today.output, estimated(today.estimated));
    format!(
        "{messages} here{summary}.\n\n{here}\nToday, in all sessions: {read} tokens read, {written} written{part}."
    )
}

/// How much of a sum nobody counted.
fn estimated(tokens: u64) -> String {
    if tokens == 0 { String::new() } else { format!(", {tokens} of them estimated") }
}

pub(in crate::commands) fn budget(context: &Context) -> String {
    let Some(budget) = &context.budget else {
        return "There is no limit: `daily_tokens` in `[agentd]` of testudo.toml sets one.".to_owned();
    };
    let (spent, tokens, end) = (budget.spent, budget.tokens, code(&budget.resets_at));
    if spent >= tokens {
        return format!(
            "The tokens of this day are **used up**: {spent} of {tokens}. It goes on from {end}."
        );
    }
    format!(
        "{spent} of the day's {tokens} tokens are used, in all sessions. They are counted anew from {end}."
    )
}

pub(in crate::commands) fn pins(context: &Context) -> String {
    if context.pins.is_empty() {
        return "Nothing is pinned here: `/pin TEXT` does it.".to_owned();
    }
    let list = listed(&context.pins, |pin| {
        format!("**{}**, by {}: {}", pin.number, code(&pin.by), words(&pin.text))
    });
    format!("{list}\n`/unpin NUMBER` takes one away.")
}

pub(in crate::commands) fn pinned(number: u32) -> String {
    format!("Pinned as {number}: the model is shown it first from now on. `/unpin {number}` takes it away.")
}

pub(in crate::commands) fn unpinned(number: u32) -> String {
    format!("Pin {number} is gone.")
}

pub(in crate::commands) fn shortened(shortened: Shortened) -> String {
    let Shortened { messages, before_bytes, after_bytes } = shortened;
    match messages {
        0 => "There is nothing to compact: the model is shown no more than the last exchange.".to_owned(),
        _ => format!(
            "A summary by the model stands for {messages} messages from now on: it is shown {after_bytes} bytes instead of \
             {before_bytes}. What was said stays as it is, here and at the machine."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::context::{Budget, Compacted, Model, Pin, Today, Used};

    #[test]
    fn what_others_wrote_is_no_markdown() {
        let context = Context {
            model: "gone`".into(),
            models: vec![Model { name: "**big**`".into(), provider: "<b>".into(), configured: true }],
            pins: vec![Pin {
                number: 1,
                text: "[x](http://evil)\nb".into(),
                by: "matrix @ann:home.org".into(),
                at: String::new(),
            }],
            ..Context::default()
        };
        let shown = models(&context);
        assert!(
            shown.starts_with("- `**big**ˋ` (\\<b\\>, the configured one)\n\n`goneˋ` was chosen here"),
            "{shown}"
        );
        assert!(
            pins(&context).starts_with("- **1**, by `matrix @ann:home.org`: \\[x\\](http://evil)\\\\u{a}b\n"),
            "{}",
            pins(&context)
        );
    }

    #[test]
    fn usage_says_how_much_of_it_nobody_counted() {
        let used = |model: &str, estimated| Used {
            model: model.into(),
            requests: 1,
            input: 20,
            output: 3,
            estimated,
        };
        let context = Context {
            messages: 14,
            usage: vec![used("big", 0), used("small", 3)],
            today: Today { input: 40, output: 6, estimated: 3 },
            compacted: Some(Compacted { messages: 12, at: "2026".into() }),
            ..Context::default()
        };
        assert_eq!(
            usage(&context),
            "14 messages here, the first 12 of them in a summary of `2026`.\n\n\
             - `big`: 1 request, 20 tokens read, 3 written\n\
             - `small`: 1 request, 20 tokens read, 3 written, 3 of them estimated\n\n\
             Today, in all sessions: 40 tokens read, 6 written, 3 of them estimated."
        );
    }

    #[test]
    fn a_limit_is_said_with_how_far_it_is_and_none_is_said_too() {
        assert!(budget(&Context::default()).starts_with("There is no limit"));
        let with = |spent| Context {
            budget: Some(Budget { tokens: 10, spent, resets_at: "2026-01-02T00:00:00Z".into() }),
            ..Context::default()
        };
        assert!(budget(&with(9)).starts_with("9 of the day's 10 tokens are used"));
        assert!(budget(&with(11)).contains("**used up**: 11 of 10. It goes on from `2026-01-02T00:00:00Z`"));
    }
}

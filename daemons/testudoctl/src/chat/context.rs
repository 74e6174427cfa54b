//! `/model`, `/usage`, `/budget`, `/pin`, `/unpin` and `/compact`: what a session has beside its messages.

use testudo::command::Command;
use testudo::context::{Context, Shortened};
use testudo::proxy::{Agent1Proxy, Options};

use crate::failure::{Doing as _, Failure};
use crate::{link, screen};

/// Characters of a model's name.
const NAME: usize = 80;
/// Characters of who did something.
const WHO: usize = 60;

/// Does what such a command asks for, and says what it found or did. Of any other it says nothing.
///
/// # Errors
/// When `agentd` does not answer, or does not do it.
pub async fn text(agent: &Agent1Proxy<'_>, session: &str, command: &Command) -> Result<String, Failure> {
    match command {
        Command::Model(Some(name)) => {
            agent.use_model(session, name, Options::new()).await.doing("choose that model")?;
            Ok(format!("{} answers in this session from now on.\n", screen::brief(name, NAME)))
        }
        Command::Pin(Some(text)) => {
            let number = agent.pin(session, text, Options::new()).await.doing("pin that")?;
            Ok(format!(
                "Pinned as {number}: the model is shown it first from now on. /unpin {number} takes it away.\n"
            ))
        }
        Command::Unpin(number) => {
            agent.unpin(session, *number, Options::new()).await.doing("take that pin away")?;
            Ok(format!("Pin {number} is gone.\n"))
        }
        Command::Compact => {
            let text = agent.compact(session, Options::new()).await.doing("sum this session up")?;
            Ok(shortened(link::read("agentd", &text)?))
        }
        other => Ok(about(&read(agent, session).await?, other)),
    }
}

/// What a session has, as `agentd` tells it.
///
/// # Errors
/// When it does not.
pub async fn read(agent: &Agent1Proxy<'_>, session: &str) -> Result<Context, Failure> {
    let text =
        agent.context(session).await.doing(format_args!("look at session {}", screen::line(session)))?;
    link::read("agentd", &text)
}

/// All of it for people.
pub fn whole(context: &Context) -> String {
    let parts = [models(context), usage(context), budget(context), pins(context)];
    parts.concat()
}

fn about(context: &Context, command: &Command) -> String {
    match command {
        Command::Model(_) => models(context),
        Command::Usage => usage(context),
        Command::Budget => budget(context),
        Command::Pin(_) => pins(context),
        _ => String::new(),
    }
}

fn models(context: &Context) -> String {
    let mut out = String::new();
    for model in &context.models {
        let mark = if model.name == context.model { "●" } else { "○" };
        let configured = if model.configured { ", the configured one" } else { "" };
        let (name, provider) = (screen::brief(&model.name, NAME), screen::brief(&model.provider, 40));
        out.push_str(&format!("{mark} {name} ({provider}{configured})\n"));
    }
    if context.models.is_empty() {
        out.push_str("The models cannot be listed now: testudo-modeld does not answer.\n");
    } else if !context.models.iter().any(|model| model.name == context.model) {
        let name = screen::brief(&context.model, NAME);
        out.push_str(&format!(
            "{name} was chosen here and is not there any more: /model NAME chooses another.\n"
        ));
    }
    out
}

fn usage(context: &Context) -> String {
    let messages = if context.messages == 1 { "message" } else { "messages" };
    let mut out = format!("in this session, {} {messages}\n{}", context.messages, compacted(context));
    for used in &context.usage {
        let requests = if used.requests == 1 { "request" } else { "requests" };
        out.push_str(&format!(
            "in this session, {}  {} {requests}, {} tokens read, {} written{}\n",
            screen::brief(&used.model, NAME),
            used.requests,
            used.input,
            used.output,
            estimated(used.estimated)
        ));
    }
    if context.usage.is_empty() {
        out.push_str("No model was asked in this session yet.\n");
    }
    let today = context.today;
    let (read, written, part) = (today.input, today.output, estimated(today.estimated));
    out.push_str(&format!("today, all sessions  {read} tokens read, {written} written{part}\n"));
    out
}

/// How much of a sum nobody counted.
fn estimated(tokens: u64) -> String {
    if tokens == 0 { String::new() } else { format!(", {tokens} of them estimated") }
}

fn budget(context: &Context) -> String {
    match &context.budget {
        None => "There is no limit: [agentd] daily_tokens in testudo.toml sets one.\n".to_owned(),
        Some(budget) => {
            let state =
                if budget.spent >= budget.tokens { "; nothing is asked of a model until then" } else { "" };
            format!(
                "{} of the day's {} tokens are used, in all sessions; they are counted anew from {}{state}\n",
                budget.spent,
                budget.tokens,
                screen::brief(&budget.resets_at, 40)
            )
        }
    }
}

fn pins(context: &Context) -> String {
    let mut out = String::new();
    for pin in &context.pins {
        let (by, at) = (screen::brief(&pin.by, WHO), screen::brief(&pin.at, 20));
        out.push_str(&format!("pin {}, by {by}, {at}\n", pin.number));
        for line in screen::lines(&pin.text).lines() {
            out.push_str(&format!("  {line}\n"));
        }
    }
    if context.pins.is_empty() {
        out.push_str("Nothing is pinned in this session: /pin TEXT does it.\n");
    }
    out
}

fn compacted(context: &Context) -> String {
    context.compacted.as_ref().map_or_else(String::new, |compacted| {
        let at = screen::brief(&compacted.at, 30);
        format!("a summary of {at} stands for the first {} messages\n", compacted.messages)
    })
}

fn shortened(shortened: Shortened) -> String {
    let Shortened { messages, before_bytes, after_bytes } = shortened;
    if messages == 0 {
        return "There is nothing to compact: the model is shown no more than the last exchange.\n"
            .to_owned();
    }
    format!(
        "A summary by the model stands for {messages} messages from now on: it is shown {after_bytes} bytes instead of {before_bytes}.\n\
         They stay in testudoctl session show.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::context::{Budget, Compacted, Model, Pin, Today, Used};

    fn context() -> Context {
        let model =
            |name: &str, configured| Model { name: name.into(), provider: "openai".into(), configured };
        let pin =
            Pin { number: 3, text: "never\non Sundays\u{202e}".into(), by: "root".into(), at: "2026".into() };
        Context {
            session: "main".into(),
            messages: 14,
            model: "small".into(),
            models: vec![model("big\u{202e}", true), model("small", false)],
            usage: vec![Used { model: "small".into(), requests: 1, input: 20, output: 3, estimated: 0 }],
            today: Today { input: 40, output: 6, estimated: 5 },
            budget: Some(Budget { tokens: 46, spent: 46, resets_at: "2026-01-02T00:00:00Z".into() }),
            pins: vec![pin],
            compacted: Some(Compacted { messages: 12, at: "2026".into() }),
        }
    }

    #[test]
    fn everything_is_said_and_nothing_hides() {
        assert_eq!(
            whole(&context()),
            "○ big\\u{202e} (openai, the configured one)\n● small (openai)\n\
             in this session, 14 messages\na summary of 2026 stands for the first 12 messages\n\
             in this session, small  1 request, 20 tokens read, 3 written\n\
             today, all sessions  40 tokens read, 6 written, 5 of them estimated\n\
             46 of the day's 46 tokens are used, in all sessions; they are counted anew from 2026-01-02T00:00:00Z; \
             nothing is asked of a model until then\n\
             pin 3, by root, 2026\n  never\n  on Sundays\\u{202e}\n"
        );
    }

    #[test]
    fn what_is_not_there_is_said_too() {
        let nothing = whole(&Context::default());
        for expected in
            ["cannot be listed now", "No model was asked", "There is no limit", "Nothing is pinned"]
        {
            assert!(nothing.contains(expected), "{expected}: {nothing}");
        }
        let gone = Context { model: "old".into(), ..context() };
        assert!(models(&gone).contains("old was chosen here and is not there any more"));
        assert!(
            shortened(Shortened { messages: 0, before_bytes: 5, after_bytes: 5 })
                .contains("nothing to compact")
        );
    }
}

//! How commands are heard and answered: the dispatcher hands lines over, answers go out through the outbox.
//!
//! A line that begins with a slash and is no command is handed on: `/approve ID CODE` and `/deny ID` to who judges
//! answers, `//…` to the conversation.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use testudo::command::{self, Channel, Command, Line};

use super::{Commands, Handled};
use crate::conversation::markdown;
use crate::dispatcher::{self, Answers, Conversation, Heard};
use crate::incoming::{Content, Incoming, Message};
use crate::outbox::{Clock, Outbox, Post, delay};
use crate::outgoing::{Outgoing, Text};
use crate::store::Place;

/// What is said of a command that a restart interrupted and that must not be done twice.
const INTERRUPTED: &str =
    "I was restarted while that was done, so it may be done or not. Look, and say it again if you must.";

/// Hears commands for the dispatcher.
pub struct Ear {
    commands: Commands,
    answers: Arc<dyn Answers>,
    conversation: Arc<dyn Conversation>,
    outbox: Outbox,
    clock: Clock,
}

impl Ear {
    /// Hands what is no command to these two.
    pub fn new(
        commands: Commands,
        answers: Arc<dyn Answers>,
        conversation: Arc<dyn Conversation>,
        outbox: Outbox,
        clock: Clock,
    ) -> Self {
        Self { commands, answers, conversation, outbox, clock }
    }

    async fn hear(&self, heard: &Heard, message: &Message, line: &str) {
        if self.answers.reads_as_answer(&message.origin.room, line.trim()) {
            if heard.again {
                self.answers.interrupted(heard).await;
            } else {
                self.answers.judge(heard).await;
            }
            return;
        }
        let place = Place { room: message.origin.room.clone(), thread: message.thread.clone() };
        let now_ms = u64::try_from(self.clock.now_ms()).unwrap_or(0);
        match self.commands.handle(&message.origin, &place, line, now_ms).await {
            Handled::Answer(markdown) => self.reply(message, &markdown),
            Handled::Say(text) => self.say(heard, message, text).await,
            Handled::Silence => {}
        }
    }

    fn reply(&self, message: &Message, words: &str) {
        let text = Text {
            thread: message.thread.clone(),
            reply_to: Some(message.origin.event.clone()),
            ..markdown::notice(words)
        };
        // By its name it is one post, should the same event come twice.
        let post = Post::new(message.origin.room.clone(), Outgoing::Text(text))
            .named(format!("command-{}", message.origin.event));
        if let Err(error) = self.outbox.queue(post) {
            tracing::error!("a command is not answered: {error}");
        }
    }

    /// Says it to the agent, again and again until it is heard.
    async fn say(&self, heard: &Heard, message: &Message, text: String) {
        let message = Message { content: Content::Text(text), ..message.clone() };
        let heard = Heard { incoming: Incoming::Message(message), ..heard.clone() };
        let mut failures = 0_u32;
        while let Err(postponed) = self.conversation.hear(&heard).await {
            tracing::warn!("{postponed}");
            failures = failures.saturating_add(1);
            tokio::time::sleep(delay(failures, None)).await;
        }
    }
}

/// The line of a new message; nothing else has commands in it.
fn line(heard: &Heard) -> Option<(&Message, &str)> {
    match &heard.incoming {
        Incoming::Message(message) => match &message.content {
            Content::Text(text) => Some((message, text)),
            Content::File { .. } | Content::Other(_) => None,
        },
        _ => None,
    }
}

/// Whether doing it once more would be another thing than doing it once.
fn must_be_done_once(line: &str) -> bool {
    let command = command::read(line, Channel::Matrix);
    matches!(
        command,
        Line::Command(
            Command::New(_)
                | Command::Revoke(_)
                | Command::Disable(_)
                | Command::Enable(_)
                | Command::ApproveContext(_)
                | Command::Pin(Some(_))
                | Command::Unpin(_)
                | Command::Compact
        )
    )
}

impl dispatcher::Commands for Ear {
    fn carry_out<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some((message, line)) = line(heard) {
                self.hear(heard, message, line).await;
            }
        })
    }

    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some((message, line)) = line(heard) else { return };
            if must_be_done_once(line) {
                if self.commands.may(&message.origin, line) {
                    self.reply(message, INTERRUPTED);
                }
            } else {
                self.hear(heard, message, line).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use matrix_sdk::ruma::{EventId, RoomId, event_id, room_id};

    use super::*;
    use crate::authorship::Standing;
    use crate::commands::tests::{World, ann, commands, room};
    use crate::dispatcher::{Commands as _, Postponed, Prompts};
    use crate::incoming::Origin;
    use crate::store::Store;

    /// Who judges answers and who talks, in one; what they get is kept.
    #[derive(Default)]
    struct Others(Mutex<Vec<String>>);

    impl Prompts for Others {
        fn concerns(&self, _: &RoomId, _: &EventId) -> bool {
            false
        }

        fn waits_in(&self, _: &RoomId) -> bool {
            false
        }

        fn reads_as_answer(&self, _: &RoomId, text: &str) -> bool {
            text.starts_with("/approve a-1 ")
        }
    }

    impl Answers for Others {
        fn judge<'a>(&'a self, _: &'a Heard) -> BoxFuture<'a, ()> {
            self.0.lock().unwrap().push("judged".into());
            Box::pin(async {})
        }

        fn interrupted<'a>(&'a self, _: &'a Heard) -> BoxFuture<'a, ()> {
            self.0.lock().unwrap().push("judged before".into());
            Box::pin(async {})
        }
    }

    impl Conversation for Others {
        fn hear<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, Result<(), Postponed>> {
            let said = line(heard).map(|(_, line)| line.to_owned()).unwrap();
            self.0.lock().unwrap().push(format!("said {said}"));
            Box::pin(async { Ok(()) })
        }
    }

    struct Stage {
        ear: Ear,
        others: Arc<Others>,
        world: Arc<World>,
        outbox: Outbox,
        _directory: tempfile::TempDir,
    }

    fn stage() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap();
        let clock = Clock::by(|| 1_000_000);
        let (outbox, others) = (Outbox::new(store, clock.clone()), Arc::new(Others::default()));
        let (commands, world) = commands(World::default());
        let ear = Ear::new(commands, others.clone(), others.clone(), outbox.clone(), clock);
        Stage { ear, others, world, outbox, _directory: directory }
    }

    fn heard(line: &str, again: bool) -> Heard {
        let origin = Origin {
            room: room_id!("!room:home.org").to_owned(),
            event: event_id!("$e").to_owned(),
            ..ann()
        };
        let content = Content::Text(line.to_owned());
        let message = Message { origin, thread: room().thread, reply_to: None, content };
        Heard { incoming: Incoming::Message(message), standing: Standing::Owner, again }
    }

    impl Stage {
        /// What the others got, what was done, and how many answers wait to be sent.
        fn came(&self) -> (Vec<String>, Vec<String>, u64) {
            let queued = self.outbox.counts().unwrap().queued;
            (self.others.0.lock().unwrap().clone(), self.world.done(), queued)
        }
    }

    #[tokio::test]
    async fn each_line_goes_to_whom_it_is_for() {
        for (line, others, answers) in [
            ("/approve a-1 7K3M", vec!["judged"], 0),
            ("/approve a-1", vec![], 1),
            ("//etc is full", vec!["said /etc is full"], 0),
            ("/help", vec![], 1),
        ] {
            let stage = stage();
            stage.ear.carry_out(&heard(line, false)).await;
            let (got, _, queued) = stage.came();
            assert_eq!((got, queued), (others.into_iter().map(str::to_owned).collect(), answers), "{line}");
        }
    }

    #[tokio::test]
    async fn the_same_event_is_answered_once() {
        let stage = stage();
        stage.ear.carry_out(&heard("/help", false)).await;
        stage.ear.interrupted(&heard("/help", true)).await;
        assert_eq!(stage.came().2, 1);
    }

    #[tokio::test]
    async fn after_a_restart_nothing_is_done_twice_but_a_stop() {
        for line in [
            "/new",
            "/revoke l-1",
            "/disable no-money",
            "/approve-context he is my son",
            "/pin x",
            "/compact",
        ] {
            let stage = stage();
            stage.ear.interrupted(&heard(line, true)).await;
            assert_eq!(stage.came(), (vec![], vec![], 1), "{line}");
        }
        let stage = stage();
        stage.ear.interrupted(&heard("/stop", true)).await;
        assert!(stage.came().1.iter().any(|done| done.starts_with("stop ")));
        stage.ear.interrupted(&heard("/approve a-1 7K3M", true)).await;
        assert_eq!(stage.came().0, ["judged before"]);
    }

    #[tokio::test]
    async fn an_edit_holds_no_command() {
        let stage = stage();
        let Incoming::Message(message) = heard("/stop", false).incoming else { panic!() };
        let target = event_id!("$before").to_owned();
        let incoming = Incoming::Edit { origin: message.origin, target, text: "/stop".into() };
        stage.ear.carry_out(&Heard { incoming, standing: Standing::Owner, again: false }).await;
        assert_eq!(stage.came(), (vec![], vec![], 0));
    }
}

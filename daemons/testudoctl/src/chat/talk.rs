//! The conversation: one loop over what the person types and what the daemons say.
//!
//! ```text
//!  prompt ──line──▶ Agent1.Send ──▶ events … approvals … ──▶ turn over ──▶ prompt
//!                                     │ y / s / n ▲
//!                                     └───────────┘
//! ```
//! While a turn runs there is no prompt, unless an approval waits. Streams may be lost (a daemon restarts, this
//! reader was too slow): the end of a turn is also waited for by `Agent1.Wait`, and a daemon that comes back is
//! asked anew.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as NixSignal};
use testudo::approval::Approval;
use testudo::command::{Command, Line};
use testudo::proxy::{Agent1Proxy, Options, Policy1Proxy};
use testudo::turn::{Event, Finished};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::chat::answer::{self, Answer};
use crate::chat::backlog::Backlog;
use crate::chat::console::{Console, Heard, Question};
use crate::chat::transcript::Transcript;
use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::{render, screen};

/// How much later than the answer of `Wait` the last event may come.
const GRACE: Duration = Duration::from_millis(300);

mod commands;
mod happened;
mod questions;
mod standing;

use happened::{Happened, Streams};

/// A conversation under way.
pub struct Talk {
    link: Link,
    agent: Agent1Proxy<'static>,
    policy: Policy1Proxy<'static>,
    session: String,
    page: Page,
    console: Console,
    transcript: Transcript,
    streams: Streams,
    interrupts: Signal,
    /// The turn that runs, and whether it was begun here.
    turn: Option<(String, bool)>,
    ends: mpsc::UnboundedReceiver<(String, Result<Finished, Failure>)>,
    end_of: mpsc::UnboundedSender<(String, Result<Finished, Failure>)>,
    /// Questions that are asked here, the first one now.
    waiting: Vec<Approval>,
    /// Questions whose end is still to be told here.
    open: BTreeSet<String>,
    /// What is shown when no question waits any more.
    backlog: Backlog,
    /// What was read from a pipe before its time.
    ahead: Option<Heard>,
    stopping: bool,
    leaving: bool,
}

impl Talk {
    /// Asks the daemons for their streams.
    ///
    /// # Errors
    /// When one of them is not there.
    pub async fn begin(link: Link, session: String, page: Page, console: Console) -> Result<Self, Failure> {
        let (agent, policy) = (link.agent().await?, link.policy().await?);
        let streams = Streams::open(&agent, &policy).await?;
        agent.subscribe(&session).await.doing(format_args!("follow session {}", screen::line(&session)))?;
        policy.subscribe().await.doing("follow the approvals")?;
        let (end_of, ends) = mpsc::unbounded_channel();
        // Whoever started this may have left Ctrl-C blocked, as supervisors do for themselves.
        let _ = SigSet::from(NixSignal::SIGINT).thread_unblock();
        Ok(Self {
            link,
            agent,
            policy,
            session,
            page,
            console,
            transcript: Transcript::new(page),
            streams,
            interrupts: signal(SignalKind::interrupt())?,
            turn: None,
            ends,
            end_of,
            waiting: Vec::new(),
            open: BTreeSet::new(),
            backlog: Backlog::default(),
            ahead: None,
            stopping: false,
            leaving: false,
        })
    }

    /// Talks until the person leaves.
    ///
    /// # Errors
    /// When the screen is gone, or the bus.
    pub async fn run(mut self) -> Result<(), Failure> {
        if self.console.is_terminal() {
            let paint = self.page.paint();
            let hello = format!(
                "{} session {} · /help · Ctrl-D leaves\n",
                paint.bold("testudo"),
                paint.cyan(&screen::line(&self.session))
            );
            self.print(hello).await?;
        }
        self.look_for_questions().await?;
        while !self.leaving {
            let question = self.question();
            let heard = match (&question, self.ahead.take()) {
                (Some(_), Some(heard)) => Some(heard),
                (_, ahead) => {
                    self.ahead = ahead;
                    None
                }
            };
            if let (Some(question), None) = (&question, &heard) {
                self.console.ask(question.clone()).await;
            }
            let happened = match heard {
                Some(heard) => Happened::Heard(heard),
                None => self.next().await,
            };
            self.handle(happened, question).await?;
            self.catch_up().await?;
        }
        self.console.pause().await;
        Ok(())
    }

    /// What the person is asked now: an approval before anything else.
    fn question(&self) -> Option<Question> {
        match (self.waiting.first(), &self.turn) {
            (Some(approval), _) => {
                Some(Question::Answer { id: approval.id.clone(), keys: render::approval::keys(approval) })
            }
            (None, None) => Some(Question::Say),
            (None, Some(_)) => None,
        }
    }

    async fn next(&mut self) -> Happened {
        tokio::select! {
            heard = self.console.next(), if self.ahead.is_none() => Happened::Heard(heard),
            happened = self.streams.next() => happened,
            Some((turn, end)) = self.ends.recv() => Happened::Ended(turn, end),
            Some(()) = self.interrupts.recv() => Happened::Interrupted,
        }
    }

    async fn handle(&mut self, happened: Happened, question: Option<Question>) -> Result<(), Failure> {
        match happened {
            Happened::Heard(Heard::Line(line)) => self.line(line, question).await,
            Happened::Heard(Heard::Interrupt) => self.interrupt().await,
            Happened::Interrupted => {
                if self.console.is_terminal() {
                    // The terminal has written ^C where the cursor was.
                    self.print("\n".to_owned()).await?;
                }
                self.interrupt().await
            }
            Happened::Heard(Heard::End) => self.end(question).await,
            Happened::Event { session, event } if session == self.session => self.event(*event).await,
            Happened::Event { .. } => Ok(()),
            Happened::Ended(turn, end) => self.ended(&turn, end).await,
            Happened::Requested(approval) => self.requested(*approval).await,
            Happened::Resolved(outcome) => self.resolved(&outcome).await,
            Happened::Gap(daemon) => {
                let note = self.transcript.note(&format!("something that {daemon} said was lost"));
                self.print(note).await?;
                self.look_for_questions().await
            }
            Happened::Gone(daemon) => {
                let note = self.transcript.note(&format!("{daemon} has left the bus"));
                self.print(note).await
            }
            Happened::Back(daemon) => self.back(daemon).await,
        }
    }

    async fn line(&mut self, line: String, question: Option<Question>) -> Result<(), Failure> {
        let Some(question) = question else {
            // From a pipe, before its time: only /stop is for now.
            if Self::read(&line) == Line::Command(Command::Stop) {
                return self.interrupt().await;
            }
            self.ahead = Some(Heard::Line(line));
            return Ok(());
        };
        if !self.console.is_terminal() && !line.trim().is_empty() {
            let asked = match &question {
                Question::Answer { id, .. } => format!("{id}? "),
                Question::Say => String::new(),
            };
            let echo = self.transcript.echo(&asked, &line);
            self.print(echo).await?;
        }
        match question {
            Question::Say => self.obey(Self::read(&line)).await,
            Question::Answer { id, keys } => match answer::read(&line) {
                Answer::Instead(line) => self.obey(line).await,
                Answer::Yes(yes) => self.approve(&id, yes).await,
                Answer::Whole => self.show_whole(&id).await,
                Answer::No(reason) => self.deny(&id, &reason).await,
                Answer::Unclear if line.trim().is_empty() => Ok(()),
                Answer::Unclear => self.note(&format!("{keys} · /help")).await,
            },
        }
    }

    async fn say(&mut self, text: &str) -> Result<(), Failure> {
        if self.turn.is_some() {
            return self.note("a turn is running: answer the question first, or /stop").await;
        }
        self.transcript.measure();
        match self.agent.send(&self.session, text, Options::new()).await.doing("send that to the agent") {
            Ok(turn) => {
                self.started(turn, true);
                Ok(())
            }
            Err(failure) => self.failed(&failure).await,
        }
    }

    fn started(&mut self, turn: String, ours: bool) {
        let (agent, session, end_of) = (self.agent.clone(), self.session.clone(), self.end_of.clone());
        self.turn = Some((turn.clone(), ours));
        self.stopping = false;
        tokio::spawn(async move {
            let answer = agent.wait(&session, &turn).await.doing("wait for the reply");
            let end = answer.and_then(|text| link::read("agentd", &text));
            if end.is_ok() {
                // The stream brings the same and more, unless it was lost.
                tokio::time::sleep(GRACE).await;
            }
            // Nobody listens any more when the chat is over.
            let _ = end_of.send((turn, end));
        });
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        let turn = happened::turn_of(&event);
        let running = self.turn.as_ref().filter(|(id, _)| id == turn).map(|(_, ours)| *ours);
        let ours = match (&event, running) {
            (_, Some(ours)) => ours,
            (Event::TurnStarted { .. }, None) => {
                self.started(turn.to_owned(), false);
                false
            }
            // Of a turn whose end was shown already.
            (_, None) => return Ok(()),
        };
        if matches!(event, Event::TurnFinished { .. }) {
            self.turn = None;
        }
        self.tell(event, ours).await
    }

    /// `Wait` has answered, and the stream did not tell.
    async fn ended(&mut self, turn: &str, end: Result<Finished, Failure>) -> Result<(), Failure> {
        if self.turn.as_ref().is_none_or(|(id, _)| id != turn) {
            return Ok(());
        }
        self.turn = None;
        match end {
            Ok(finished) => self.tell(Event::TurnFinished { turn: finished }, true).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn interrupt(&mut self) -> Result<(), Failure> {
        let Some((turn, _)) = self.turn.clone() else {
            self.leaving = true;
            return Ok(());
        };
        if self.stopping {
            self.leaving = true;
            return self.note("left; the turn is still being cancelled").await;
        }
        self.stopping = true;
        match self.agent.cancel(&self.session, &turn).await.doing("cancel the turn") {
            Ok(_) => Ok(()),
            Err(failure) => self.failed(&failure).await,
        }
    }

    /// No more input: on a terminal the person leaves; a pipe's last turn is seen to its end.
    async fn end(&mut self, question: Option<Question>) -> Result<(), Failure> {
        self.leaving = self.console.is_terminal() || self.turn.is_none();
        if self.leaving {
            return Ok(());
        }
        if self.ahead.is_none()
            && let Some(Question::Answer { id, .. }) = question
        {
            let id = screen::line(&id);
            self.note(&format!("there is no more input: answer with testudoctl approve {id}, or deny {id}"))
                .await?;
        }
        // The question is left to others; its end, and that of the turn, will be heard.
        self.waiting.clear();
        self.ahead = Some(Heard::End);
        Ok(())
    }

    async fn back(&mut self, daemon: &'static str) -> Result<(), Failure> {
        let again = if daemon == "policyd" {
            self.policy.subscribe().await.doing("follow the approvals")
        } else {
            self.agent.subscribe(&self.session).await.doing("follow the session")
        };
        match again {
            Ok(()) if daemon == "policyd" => self.look_for_questions().await,
            Ok(()) => Ok(()),
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn failed(&mut self, failure: &Failure) -> Result<(), Failure> {
        let remedy = failure.remedy().map_or_else(String::new, |remedy| format!("\n{remedy}"));
        self.note(&format!("{failure}{remedy}")).await
    }

    async fn note(&mut self, text: &str) -> Result<(), Failure> {
        let note = self.transcript.note(text);
        self.print(note).await
    }

    async fn laid_out(&mut self, text: &str) -> Result<(), Failure> {
        let text = self.transcript.laid_out(text);
        self.print(text).await
    }

    async fn print(&mut self, text: String) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        self.console.pause().await;
        Ok(self.page.text(&text)?)
    }
}

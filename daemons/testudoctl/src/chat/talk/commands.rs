//! What is done on a command of the person.

use testudo::command::jobs::{self, Job, Question};
use testudo::command::{Channel, Command, Line, help};
use testudo::proxy::Options;

use super::Talk;
use crate::chat::{context, posture, usage};
use crate::failure::{Doing as _, Failure};
use crate::{approvals, leases, rules, screen, session, status};

impl Talk {
    /// Does what a line asks for.
    pub(super) async fn obey(&mut self, line: Line) -> Result<(), Failure> {
        match line {
            Line::Nothing => Ok(()),
            Line::Say(text) => self.say(&text).await,
            Line::Wrong(wrong) => self.note(&wrong.to_string()).await,
            Line::Command(command) => Box::pin(self.command(command)).await,
        }
    }

    /// What a line means here.
    pub(super) fn read(line: &str) -> Line {
        testudo::command::read(line, Channel::Chat)
    }

    async fn command(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Help(topic) => self.note(&help::chat(topic)).await,
            Command::Approvals => self.list_questions().await,
            Command::Approve { id, answer } if answer.is_empty() => self.take_up(&id).await,
            Command::Approve { id, .. } => {
                self.note("it is shown first, and then asked about").await?;
                self.take_up(&id).await
            }
            Command::Deny { id, reason } => self.deny(&id, &reason).await,
            Command::Leases => {
                let text = leases::text(&self.policy, &self.page).await;
                self.answer(text).await
            }
            Command::Revoke(id) => self.revoke(&id).await,
            Command::Rules => {
                let rules = rules::listed(&self.policy, &self.session).await;
                self.answer(rules.map(|rules| rules::shown(&rules, self.page.paint()))).await
            }
            Command::Disable(rule) => self.switch(&rule, false).await,
            Command::Enable(rule) => self.switch(&rule, true).await,
            Command::ApproveContext(text) => self.vouch(&text).await,
            Command::Sessions => {
                let sessions = session::sessions(&self.link).await;
                self.answer(sessions.map(|list| session::listed(&list, self.page.paint()))).await
            }
            Command::Jobs => {
                let text = self.jobs().await;
                self.answer(text).await
            }
            Command::Status => {
                let text = status::text(&self.link, self.page.paint()).await;
                self.answer(text).await
            }
            Command::Security => {
                let text = posture::text(&self.link, &self.session, self.page.paint()).await;
                self.answer(text).await
            }
            Command::Usage => {
                let text = self.usage().await;
                self.answer(text).await
            }
            Command::Model(_) | Command::Budget | Command::Pin(_) | Command::Unpin(_) | Command::Compact => {
                let text = context::text(&self.agent, &self.session, &command).await;
                self.answer(text).await
            }
            Command::New(name) => self.renew(name).await,
            Command::Resume => self.resume().await,
            Command::Stop if self.turn.is_none() => self.note("nothing is running").await,
            Command::Stop => self.interrupt().await,
            Command::Quit => {
                self.leaving = true;
                Ok(())
            }
            Command::Memory => self.note(testudo::command::MEMORY).await,
        }
    }

    async fn jobs(&self) -> Result<String, Failure> {
        let sessions: Vec<Job> = session::read(&self.link).await?;
        // Without `policyd` it is what the agent knew at the end of the turn.
        let waiting = approvals::pending(&self.policy, None).await.ok();
        let waiting: Option<Vec<Question>> = waiting.map(|all| all.iter().map(Question::from).collect());
        let text = jobs::listed(&sessions, waiting.as_deref(), Channel::Chat);
        Ok(format!("{}\n", text.trim_end()))
    }

    async fn usage(&self) -> Result<String, Failure> {
        let here = context::text(&self.agent, &self.session, &Command::Usage).await?;
        Ok(format!("{here}{}", usage::text(&self.link, jiff::Timestamp::now()).await?))
    }

    async fn answer(&mut self, text: Result<String, Failure>) -> Result<(), Failure> {
        match text {
            Ok(text) => self.laid_out(&text).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn list_questions(&mut self) -> Result<(), Failure> {
        match approvals::pending(&self.policy, None).await {
            Ok(pending) if pending.is_empty() => self.note("nothing waits for an answer").await,
            Ok(pending) => {
                let all: String = pending.iter().map(|one| self.transcript.elsewhere(one)).collect();
                self.print(all).await
            }
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn switch(&mut self, rule: &str, enabled: bool) -> Result<(), Failure> {
        match rules::switch(&self.policy, &self.session, rule, enabled).await {
            Ok(()) => self.note(&rules::switched(&self.session, rule, enabled)).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn vouch(&mut self, text: &str) -> Result<(), Failure> {
        match rules::vouch(&self.policy, &self.session, text).await {
            Ok(()) => self.note(&rules::vouched(&self.session)).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn revoke(&mut self, id: &str) -> Result<(), Failure> {
        let shown = screen::line(id);
        match self.policy.revoke(id, Options::new()).await.doing(format_args!("revoke {shown}")) {
            Ok(()) => self.note(&format!("{shown} is over: what it covered is asked about again")).await,
            Err(failure) => self.failed(&failure).await,
        }
    }
}

//! The questions of a chat: asked here, answered here or elsewhere, and gone.

use jiff::Timestamp;
use testudo::approval::{Approval, Outcome};
use testudo::turn::Event;

use super::Talk;
use crate::approvals::{self, Yes};
use crate::chat::console::Heard;
use crate::failure::Failure;
use crate::screen;

impl Talk {
    /// Shows an event, unless it would push a question off the screen.
    pub(super) async fn tell(&mut self, event: Event, ours: bool) -> Result<(), Failure> {
        let held = !self.waiting.is_empty() && !self.page.is_json();
        let event = if held { self.backlog.hold(event, ours) } else { Some(event) };
        let Some(event) = event else { return Ok(()) };
        let shown = self.transcript.event(&event, ours);
        self.print(shown).await
    }

    /// Shows what had to wait, once nothing waits for an answer.
    pub(super) async fn catch_up(&mut self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            return Ok(());
        }
        for (event, ours) in self.backlog.take() {
            let shown = self.transcript.event(&event, ours);
            self.print(shown).await?;
        }
        Ok(())
    }

    pub(super) async fn requested(&mut self, approval: Approval) -> Result<(), Failure> {
        if let Some(known) = self.waiting.iter_mut().find(|known| known.id == approval.id) {
            let calls = approval.calls;
            if known.calls == calls {
                return Ok(());
            }
            // What a yes is to has changed, so the one that was shown is no longer what waits.
            let id = screen::line(&approval.id);
            *known = approval;
            return self
                .note(&format!("{calls} identical calls wait for {id} now: a yes lets each happen once"))
                .await;
        }
        if approval.session != self.session {
            let note = self.transcript.elsewhere(&approval);
            return self.print(note).await;
        }
        let card = self.transcript.question(&approval, Timestamp::now());
        self.print(card).await?;
        self.open.insert(approval.id.clone());
        if self.ahead == Some(Heard::End) {
            let id = screen::line(&approval.id);
            return self
                .note(&format!("there is no more input: answer with testudoctl approve {id}, or deny {id}"))
                .await;
        }
        self.waiting.push(approval);
        Ok(())
    }

    pub(super) async fn resolved(&mut self, outcome: &Outcome) -> Result<(), Failure> {
        self.waiting.retain(|known| known.id != outcome.id);
        if !self.open.remove(&outcome.id) {
            return Ok(());
        }
        let shown = self.transcript.settled(outcome);
        self.print(shown).await
    }

    /// Asks about an approval of any session here.
    pub(super) async fn take_up(&mut self, id: &str) -> Result<(), Failure> {
        let pending = match approvals::pending(&self.policy, None).await {
            Ok(pending) => pending,
            Err(failure) => return self.failed(&failure).await,
        };
        let Some(approval) = pending.into_iter().find(|approval| approval.id == id) else {
            return self.note(&format!("{} does not wait for an answer", screen::line(id))).await;
        };
        let card = self.transcript.question(&approval, Timestamp::now());
        self.print(card).await?;
        self.open.insert(approval.id.clone());
        self.waiting.retain(|known| known.id != approval.id);
        self.waiting.insert(0, approval);
        Ok(())
    }

    pub(super) async fn approve(&mut self, id: &str, yes: Yes) -> Result<(), Failure> {
        let Some(approval) = self.waiting.iter().find(|known| known.id == id) else { return Ok(()) };
        let answer = approvals::yes(&self.policy, approval, &yes).await;
        self.answered(id, answer).await
    }

    /// Shows a question with its long values in full; from then on it can be answered yes.
    pub(super) async fn show_whole(&mut self, id: &str) -> Result<(), Failure> {
        match approvals::whole(&self.policy, id).await {
            Ok(approval) => {
                let card = self.transcript.question(&approval, Timestamp::now());
                if let Some(known) = self.waiting.iter_mut().find(|known| known.id == id) {
                    *known = approval;
                }
                self.print(card).await
            }
            Err(failure) => self.failed(&failure).await,
        }
    }

    pub(super) async fn deny(&mut self, id: &str, reason: &str) -> Result<(), Failure> {
        let answer = approvals::no(&self.policy, id, reason).await;
        self.answered(id, answer).await
    }

    async fn answered(&mut self, id: &str, answer: Result<Outcome, Failure>) -> Result<(), Failure> {
        match answer {
            Ok(outcome) => {
                self.waiting.retain(|known| known.id != id);
                self.open.remove(id);
                let shown = self.transcript.settled(&outcome);
                self.print(shown).await
            }
            Err(failure) => {
                self.failed(&failure).await?;
                // It may be settled by now; a question that nobody can answer must not stay.
                if let Ok(pending) = approvals::pending(&self.policy, None).await {
                    self.waiting.retain(|known| pending.iter().any(|one| one.id == known.id));
                }
                Ok(())
            }
        }
    }

    pub(super) async fn look_for_questions(&mut self) -> Result<(), Failure> {
        match approvals::pending(&self.policy, Some(&self.session)).await {
            Ok(pending) => {
                for approval in pending {
                    self.requested(approval).await?;
                }
                Ok(())
            }
            Err(failure) => self.failed(&failure).await,
        }
    }
}

//! What people do in rooms, as the desk hears it: answers are judged, claimed, handed on, and said to be what they were.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use matrix_sdk::ruma::{EventId, RoomId};
use testudo::approval::Outcome;

use super::{Desk, about_refused};
use crate::approval::answer::{self, Answer};
use crate::approval::book::Claim;
use crate::approval::choosing::chosen;
use crate::approval::judging::{Attempt, Judgement};
use crate::approval::prompt::Prompt;
use crate::approval::refusal::Refusal;
use crate::approval::rendering::defused;
use crate::conversation::plain;
use crate::dispatcher::{Answers, Heard, Prompts};
use crate::incoming::{Incoming, Origin};
use crate::outgoing::{Outgoing, Text};
use crate::policy::{PolicyError, Yes};
use crate::store::StoreError;

impl Prompts for Desk {
    fn concerns(&self, room: &RoomId, event: &EventId) -> bool {
        // Whose room it is, and whether it is this event, is for the judge to say.
        let is_anything = !self.judge.controls.target && self.book.waits_in(room).unwrap_or_default();
        is_anything || self.book.concerns(event).unwrap_or_else(|error| unknown(&error))
    }

    fn waits_in(&self, room: &RoomId) -> bool {
        self.book.waits_in(room).unwrap_or_else(|error| unknown(&error))
    }

    fn reads_as_answer(&self, room: &RoomId, text: &str) -> bool {
        let Some(answer) = answer::parse(text) else { return false };
        let (id, code, is_yes) = match &answer {
            Answer::Yes(yes) => (yes.id.as_ref(), Some(&yes.code), true),
            Answer::No(no) => (no.id.as_ref(), no.code.as_ref(), false),
        };
        // `/deny a-7` needs no code: it names what it is about.
        if let Some(id) = id
            && self.book.of(id).map_or_else(|error| unknown(&error), |prompts| !prompts.is_empty())
        {
            return true;
        }
        let Some(code) = code else { return false };
        let known = self.book.candidates(None, None, Some(code));
        let is_known = known.map(|found| found.iter().any(|prompt| prompt.code == *code));
        // A yes with a wrong code is told so where something waits; elsewhere it is talk.
        is_known
            .and_then(|is_known| Ok(is_known || (is_yes && self.book.waits_in(room)?)))
            .unwrap_or_else(|error| unknown(&error))
    }
}

/// What cannot be looked up is no answer: it has no effect.
fn unknown(error: &StoreError) -> bool {
    tracing::error!("an answer is not known as one: {error}");
    false
}

impl Answers for Desk {
    fn judge<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        async move {
            if let Err(error) = self.hear(heard).await {
                tracing::error!("an answer had no effect: {error}");
            }
        }
        .boxed()
    }

    fn interrupted<'a>(&'a self, heard: &'a Heard) -> BoxFuture<'a, ()> {
        async move {
            if let Err(error) = self.hear_again(heard).await {
                tracing::error!("an answer had no effect: {error}");
            }
        }
        .boxed()
    }
}

impl Desk {
    /// Something that may be an answer. Nothing has an effect before it is claimed.
    async fn hear(&self, heard: &Heard) -> Result<(), StoreError> {
        let incoming = &heard.incoming;
        if let Incoming::Redaction { origin, target } = incoming {
            self.book.take_back(target, &origin.sender)?;
            return Ok(());
        }
        let Some(mut attempt) = Attempt::of(incoming) else { return Ok(()) };
        let candidates = self.book.candidates(attempt.target(), attempt.id(), attempt.code())?;
        let Some(prompt) = chosen(&candidates, &attempt) else { return Ok(()) };
        let origin = incoming.origin();
        attempt.was_taken_back = self.book.was_taken_back(&prompt.key, &origin.sender)?;
        let now = self.now_ms();
        let judgement = self.judge.judge(prompt, &attempt, heard.standing, now);
        if judgement == Judgement::Ours
            || !self.book.claim(&origin.event, &prompt.key, &origin.sender, now)?
        {
            return Ok(());
        }
        let result = match judgement {
            Judgement::Ours => return Ok(()),
            Judgement::Refused(refusal) => {
                self.refuse(prompt, origin, refusal).await?;
                format!("refused: {}", refusal.word())
            }
            Judgement::Yes { manner, reach, steps, otp, phrase } => {
                let yes = Yes {
                    approval: &prompt.approval,
                    digest: &prompt.digest,
                    seen: &prompt.seen,
                    by: origin.sender.as_str(),
                    manner,
                    reach: &reach,
                    steps: steps.as_deref(),
                    otp: otp.as_ref(),
                    phrase: phrase.as_deref(),
                };
                self.came(prompt, origin, self.policy.approve(yes).await).await?
            }
            Judgement::No { reason } => {
                let denied = self.policy.deny(&prompt.approval, &reason, origin.sender.as_str()).await;
                self.came(prompt, origin, denied).await?
            }
        };
        self.book.conclude(&origin.event, &result)
    }

    /// An answer that a restart interrupted: one that was claimed may have had its effect, so it gets no second.
    async fn hear_again(&self, heard: &Heard) -> Result<(), StoreError> {
        let origin = heard.incoming.origin();
        let prompt = match self.book.claimed(&origin.event)? {
            Claim::Unknown => return self.hear(heard).await,
            Claim::Done => return Ok(()),
            Claim::Open { prompt } => self.book.find(&prompt)?,
        };
        if let Some(prompt) = prompt {
            let id = &prompt.approval;
            let text = format!(
                "I was restarted while I handed on your answer to {id}. If {id} is still open, answer it again."
            );
            self.say(&prompt, origin, &text)?;
        }
        self.book.conclude(&origin.event, "interrupted")
    }

    /// What `policyd` made of an answer.
    async fn came(
        &self,
        prompt: &Prompt,
        origin: &Origin,
        outcome: Result<Outcome, PolicyError>,
    ) -> Result<String, StoreError> {
        match outcome {
            Ok(outcome) => {
                self.settled(&outcome).await?;
                Ok(outcome.state.word().to_owned())
            }
            Err(error) => {
                let id = &prompt.approval;
                let text = match &error {
                    PolicyError::Refused(why) => format!("No effect: {}.", testudo::visible::line(why)),
                    PolicyError::Gone(_) | PolicyError::Unreadable(_) => format!(
                        "I do not know whether your answer to {id} arrived: {error}. If {id} is still open, answer it again."
                    ),
                };
                // Each is in the record of policyd; a room is not flooded by who mistypes again and again.
                let is_refusal = matches!(error, PolicyError::Refused(_));
                if !is_refusal || self.told.is_due(&prompt.key, &origin.sender, self.now_ms()) {
                    self.say(prompt, origin, &text)?;
                }
                Ok(format!("failed: {error}"))
            }
        }
    }

    /// An answer without effect: said to who gave it, once for each reason, and recorded. More of the same are counted.
    async fn refuse(&self, prompt: &Prompt, origin: &Origin, refusal: Refusal) -> Result<(), StoreError> {
        if !self.book.refuse(&prompt.key, &origin.sender, refusal.word())? {
            return Ok(());
        }
        let entry = about_refused(prompt, origin.sender.as_str(), refusal.word());
        self.record.append(entry.with("event_id", origin.event.as_str())).await;
        self.say(prompt, origin, &format!("No effect: {}.", refusal.sentence(prompt)))
    }

    /// Says something to who gave an answer, where he gave it.
    fn say(&self, prompt: &Prompt, origin: &Origin, body: &str) -> Result<(), StoreError> {
        let is_there = origin.room == prompt.place.room;
        let text = Text {
            // A cause can have words of others in it.
            body: defused(&plain::harmless(body)),
            thread: prompt.place.thread.clone().filter(|_| is_there),
            reply_to: Some(origin.event.clone()),
            notice: true,
            mentions: vec![origin.sender.clone()],
            ..Text::default()
        };
        let transaction = format!("said.{}", origin.event);
        self.post.queue(&origin.room, &transaction, Outgoing::Text(text), None)
    }
}

//! The desk: puts questions into rooms, hands answers on, and shows how each question ended.
//!
//! Promises: nothing is handed to `policyd` that the judge did not take, and nothing twice; what was asked before a
//! restart can be answered after it; a question that looks different by now is put again, with another code.
//! [`Desk::attend`] hears `policyd`; rooms are heard through [`crate::dispatcher::Answers`], which is in `hearing`.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matrix_sdk::ruma::{OwnedEventId, OwnedUserId};
use testudo::approval::{Approval, Outcome};
use testudo::record::Entry;
use tokio::sync::mpsc;

use super::book::Book;
use super::code::Code;
use super::judging::{Judge, Sign};
use super::prompt::{End, Place, Prompt};
use super::surroundings::{Post, Recording, Rooms};
use super::{outcome, rendering};
use crate::outbox::Clock;
use crate::outgoing::{Behalf, Outgoing, Text};
use crate::policy::{Deciding, News, PolicyError};
use crate::store::StoreError;
use crate::told::Told;

mod hearing;

/// How often a minute somebody is told that his answer to a prompt had no effect at `policyd`: who mistypes a phrase tries
/// it again at once.
const TOLD_A_MINUTE: usize = 5;
/// How often a code is drawn until it is none of another open prompt.
const DRAWS: usize = 16;

/// The desk.
pub struct Desk {
    pub(super) judge: Judge,
    /// Who is notified of a question.
    pub(super) owners: Vec<OwnedUserId>,
    pub(super) book: Book,
    pub(super) policy: Arc<dyn Deciding>,
    pub(super) post: Arc<dyn Post>,
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) record: Arc<dyn Recording>,
    pub(super) clock: Clock,
    /// When somebody was told last that his answer to a prompt had no effect at `policyd`.
    told: Told,
    /// Prompts whose delivery this process follows. Held while a prompt is read, changed and kept again.
    followed: Mutex<HashSet<String>>,
}

/// What a desk works with.
pub struct Surroundings {
    /// Who decides.
    pub policy: Arc<dyn Deciding>,
    /// The outbox.
    pub post: Arc<dyn Post>,
    /// The rooms.
    pub rooms: Arc<dyn Rooms>,
    /// The record.
    pub record: Arc<dyn Recording>,
    /// The time.
    pub clock: Clock,
}

/// One of the events that a prompt consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    File,
    Message,
}

impl Part {
    fn transaction(self, prompt: &Prompt) -> String {
        match self {
            Self::File => format!("{}.file", prompt.key),
            Self::Message => format!("{}.ask", prompt.key),
        }
    }
}

impl Desk {
    /// A desk. Questions that the book has open are taken up when `policyd` says that they still wait.
    pub fn new(judge: Judge, owners: Vec<OwnedUserId>, book: Book, around: Surroundings) -> Arc<Self> {
        let Surroundings { policy, post, rooms, record, clock } = around;
        let followed = Mutex::default();
        let told = Told::at_most(TOLD_A_MINUTE);
        Arc::new(Self { judge, owners, book, policy, post, rooms, record, clock, told, followed })
    }

    /// Takes what happens at `policyd` until nobody tells any more.
    pub async fn attend(self: Arc<Self>, mut news: mpsc::Receiver<News>) {
        while let Some(said) = news.recv().await {
            self.take(said).await;
        }
    }

    /// Takes one thing that happened at `policyd`.
    pub async fn take(self: &Arc<Self>, news: News) {
        let taken = match news {
            News::Asked(approval) => self.asked(&approval).await,
            News::Settled(outcome) => self.settled(&outcome).await,
            News::All(waiting) => self.all(&waiting).await,
        };
        if let Err(error) = taken {
            tracing::error!("a question is not where it should be: {error}");
        }
    }

    /// Everything that waits: what is new is put, and what does not wait any more is ended.
    async fn all(self: &Arc<Self>, waiting: &[Approval]) -> Result<(), StoreError> {
        self.book.forget(self.now_ms())?;
        let still = |prompt: &Prompt| {
            waiting.iter().any(|approval| approval.id == prompt.approval && approval.digest == prompt.digest)
        };
        for prompt in self.book.open()?.into_iter().filter(|prompt| !still(prompt)) {
            let (end, ending) = outcome::unseen(&prompt, self.now_ms());
            self.end(&prompt, end, ending).await?;
        }
        for approval in waiting {
            self.asked(approval).await?;
        }
        Ok(())
    }

    /// A question: put into its room, unless it stands there already exactly so.
    async fn asked(self: &Arc<Self>, approval: &Approval) -> Result<(), StoreError> {
        let open: Vec<Prompt> =
            self.book.of(&approval.id)?.into_iter().filter(|prompt| prompt.end.is_none()).collect();
        let (shown, is_whole) = match self.shown(approval).await {
            Ok(shown) => shown,
            // It is taken up when policyd is back and says everything that waits.
            Err(error) => {
                tracing::warn!("{} is not asked yet: {error}", approval.id);
                return Ok(());
            }
        };
        let is_same = |prompt: &&Prompt| prompt.digest == shown.digest && prompt.seen == shown.seen;
        let same = open.iter().find(is_same);
        let place = match same {
            // It stands in its room, or may arrive there at any time.
            Some(prompt) if prompt.event.is_some() || self.rooms.is_open(&prompt.place.room).await => None,
            // It is held for as long as somebody is there; perhaps it can be asked elsewhere.
            Some(prompt) => self.place(approval).await.filter(|place| place.room != prompt.place.room),
            None => self.place(approval).await,
        };
        let place = match (place, same) {
            (Some(place), _) => place,
            (None, Some(prompt)) => return self.send(prompt, &shown, is_whole),
            (None, None) => {
                let id = &approval.id;
                tracing::warn!(
                    "{id} is not asked yet: there is no encrypted room in which nobody else would hear it"
                );
                return Ok(());
            }
        };
        let in_file = !is_whole || !rendering::fits(&shown);
        let prompt = Prompt::new(&shown, place, self.code()?, in_file, self.now_ms());
        self.book.keep(&prompt)?;
        self.send(&prompt, &shown, is_whole)?;
        for old in open {
            let ending = if old.place.room == prompt.place.room {
                "asked anew below: it looks different by now"
            } else {
                "asked elsewhere: somebody else would have heard it here"
            };
            self.end(&old, End::Replaced, ending.to_owned()).await?;
        }
        Ok(())
    }

    /// The approval with the rendering that is to be shown, and whether that has everything in it.
    async fn shown(&self, approval: &Approval) -> Result<(Approval, bool), PolicyError> {
        if !approval.cut {
            return Ok((approval.clone(), true));
        }
        match self.policy.whole(&approval.id).await {
            Ok(whole) if whole.digest == approval.digest => Ok((whole, true)),
            Err(PolicyError::Gone(why)) => Err(PolicyError::Gone(why)),
            other => {
                tracing::warn!("the whole of {} cannot be shown: {:?}", approval.id, other.err());
                Ok((approval.clone(), false))
            }
        }
    }

    /// Where a question goes: the room of its session, or else the owner's; none where neither is encrypted and without
    /// anybody of no list.
    async fn place(&self, approval: &Approval) -> Option<Place> {
        let own = self.rooms.of(&approval.session);
        let owner = self.rooms.of_owner().map(|room| Place { room, thread: None, is_own: false });
        for place in [own, owner].into_iter().flatten() {
            if self.rooms.is_encrypted(&place.room) && self.rooms.is_open(&place.room).await {
                return Some(place);
            }
        }
        None
    }

    /// A code that no open prompt has.
    fn code(&self) -> Result<Code, StoreError> {
        let open = self.book.open()?;
        let mut code = Code::random()?;
        for _ in 0..DRAWS {
            if open.iter().all(|prompt| prompt.code != code) {
                break;
            }
            code = Code::random()?;
        }
        Ok(code)
    }

    /// Queues what a prompt consists of, once in the life of this process; what is queued already stays as it is.
    fn send(self: &Arc<Self>, prompt: &Prompt, shown: &Approval, is_whole: bool) -> Result<(), StoreError> {
        if !self.lock().insert(prompt.key.clone()) {
            return Ok(());
        }
        let place = &prompt.place;
        let until = Some(prompt.expires_ms);
        // The file first: who reads the question has it already.
        if prompt.in_file && is_whole && prompt.file.is_none() {
            let content = rendering::file(shown).into_bytes();
            let (name, mime) = (rendering::file_name(&prompt.approval), "text/plain".to_owned());
            let behalf = Some(Behalf { session: prompt.session.clone(), requester: None });
            let file = Outgoing::Attachment { name, mime, content, thread: place.thread.clone(), behalf };
            self.queue_part(prompt, Part::File, file, until)?;
        }
        if prompt.event.is_none() {
            let look = rendering::question(shown, prompt, &self.seeds(prompt), self.escape());
            let mentions = self.owners.clone();
            let words = Text { mentions, ..text(look, prompt) };
            self.queue_part(prompt, Part::Message, Outgoing::Text(words), until)?;
        } else {
            self.seed(prompt)?;
        }
        Ok(())
    }

    fn queue_part(
        self: &Arc<Self>,
        prompt: &Prompt,
        part: Part,
        outgoing: Outgoing,
        until: Option<u64>,
    ) -> Result<(), StoreError> {
        let transaction = part.transaction(prompt);
        self.post.queue(&prompt.place.room, &transaction, outgoing, until)?;
        let delivered = self.post.delivered(&transaction);
        let (desk, key) = (self.clone(), prompt.key.clone());
        tokio::spawn(async move {
            let Some(event) = delivered.await else { return };
            if let Err(error) = desk.arrived(&key, part, event) {
                tracing::error!("a question arrived and cannot be kept: {error}");
            }
        });
        Ok(())
    }

    /// A part of a prompt is in its room.
    fn arrived(&self, key: &str, part: Part, event: OwnedEventId) -> Result<(), StoreError> {
        let prompt = {
            let _held = self.lock();
            let Some(mut prompt) = self.book.find(key)? else { return Ok(()) };
            match part {
                Part::File => prompt.file = Some(event),
                Part::Message => prompt.event = Some(event),
            }
            self.book.keep(&prompt)?;
            prompt
        };
        match (part, prompt.end) {
            (Part::File, _) => Ok(()),
            (Part::Message, None) => self.seed(&prompt),
            // It ended while it was on its way.
            (Part::Message, Some(_)) => self.show_end(&prompt),
        }
    }

    /// Puts the reactions to a prompt that people then only have to touch.
    fn seed(&self, prompt: &Prompt) -> Result<(), StoreError> {
        let Some(target) = &prompt.event else { return Ok(()) };
        for sign in self.seeds(prompt) {
            let key = Sign::SEEDS.into_iter().find(|(seed, _)| *seed == sign).map_or("", |(_, key)| key);
            let reaction = Outgoing::Reaction { target: target.clone(), key: key.to_owned() };
            let transaction = format!("{}.{}", prompt.key, sign.word());
            self.post.queue(&prompt.place.room, &transaction, reaction, Some(prompt.expires_ms))?;
        }
        Ok(())
    }

    fn seeds(&self, prompt: &Prompt) -> Vec<Sign> {
        rendering::seeds(prompt, self.judge.trust_homeserver)
    }

    /// A question is settled.
    pub(super) async fn settled(&self, settled: &Outcome) -> Result<(), StoreError> {
        let Some(end) = outcome::end(settled.state) else { return Ok(()) };
        // One that was given up as settled unseen may still be told how.
        let is_meant = |prompt: &Prompt| {
            prompt.digest == settled.digest && matches!(prompt.end, None | Some(End::Settled))
        };
        for prompt in self.book.of(&settled.id)?.into_iter().filter(is_meant) {
            self.end(&prompt, end, outcome::sentence(settled)).await?;
        }
        Ok(())
    }

    /// Ends a prompt, shows that in its room, and records how often answers to it had no effect.
    async fn end(&self, prompt: &Prompt, end: End, ending: String) -> Result<(), StoreError> {
        let prompt = {
            let _held = self.lock();
            let Some(prompt) = self.book.find(&prompt.key)? else { return Ok(()) };
            if prompt.end.is_some_and(|before| before != End::Settled || end == End::Settled) {
                return Ok(());
            }
            let prompt = Prompt { end: Some(end), ending: Some(ending), ..prompt };
            self.book.keep(&prompt)?;
            prompt
        };
        self.show_end(&prompt)?;
        for (person, why, times) in self.book.repeated(&prompt.key)? {
            let entry = about_refused(&prompt, &person, &why).with("more", times);
            self.record.append(entry).await;
        }
        Ok(())
    }

    /// Puts the end into the place of the question.
    fn show_end(&self, prompt: &Prompt) -> Result<(), StoreError> {
        let (Some(target), Some(end), Some(ending)) = (&prompt.event, prompt.end, &prompt.ending) else {
            return Ok(());
        };
        let words = text(rendering::ended(prompt, ending, self.escape()), prompt);
        let edit = Outgoing::Edit { target: target.clone(), text: words };
        let transaction = format!("{}.end.{end:?}", prompt.key);
        self.post.queue(&prompt.place.room, &transaction, edit, None)
    }

    /// What makes text harmless in HTML.
    fn escape(&self) -> fn(&str) -> String {
        if self.judge.controls.sanitising { rendering::escaped } else { str::to_owned }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.now_ms()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        // What is guarded is a set and the order of writes; neither is half done by a panic.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look as the words of a prompt.
fn text(look: rendering::Look, prompt: &Prompt) -> Text {
    Text { body: look.body, html: Some(look.html), thread: prompt.place.thread.clone(), ..Text::default() }
}

/// A record of an answer that had no effect.
pub(super) fn about_refused(prompt: &Prompt, person: &str, why: &str) -> Entry {
    Entry::new("approval.refused")
        .session(&prompt.session)
        .decision("deny")
        .with("approval", prompt.approval.as_str())
        .with("by", format!("matrix {person}"))
        .with("reason", why)
        .with("room", prompt.place.room.as_str())
}

#[cfg(test)]
mod tests;

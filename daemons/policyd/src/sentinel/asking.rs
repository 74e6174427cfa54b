//! Asking the judge, for one session: one question at a time, no longer than its time, and not again and again.
//!
//! Sessions share nothing here, so one whose questions always fail blocks no other.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures_util::future::BoxFuture;
use testudo::action::Judged;
use testudo::model::{Completion, CompletionRequest};
use testudo::verdict::Verdict;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use super::breaker::Breaker;
use super::cache::{Cache, Key, Moment};
use super::log::Shown;
use super::prompt::{self, Facts, Writer};
use super::verdict::{self, Failure, Spoken};

/// Most decisions of one session that wait for the judge.
const WAITING: usize = 8;

/// Whoever answers.
pub trait Model: Send + Sync {
    /// The whole answer, or why there is none.
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, String>>;
}

/// One question: a rule, and an action in its session.
#[derive(Debug)]
pub struct Question<'q> {
    /// The rule's text.
    pub rule: &'q str,
    /// Who wrote it.
    pub writer: Writer,
    /// What the verdict is remembered under.
    pub key: Key,
    /// The action.
    pub judged: &'q Judged,
    /// All of it, in parts that a judge can see.
    pub parts: &'q [&'q str],
    /// What happened before.
    pub log: &'q Shown,
    /// When the session was as it is.
    pub moment: &'q Moment,
    /// When it is asked.
    pub now: Instant,
    /// When an answer is too late.
    pub deadline: Instant,
}

/// What came of it, and whether it was known already.
pub type Answer = (Result<Spoken, Failure>, bool);

/// One session's way to the judge.
#[derive(Debug, Default)]
pub struct Door {
    inside: Mutex<Inside>,
    waiting: AtomicUsize,
    /// Verdicts that a model gave.
    pub answered: AtomicU64,
    /// Questions that came to no verdict.
    pub failed: AtomicU64,
}

/// What only one decision at a time may use.
#[derive(Debug, Default)]
pub struct Inside {
    breaker: Breaker,
    cache: Cache,
}

struct Waiting<'d>(&'d AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Door {
    /// Waits for its turn.
    ///
    /// # Errors
    /// When too many wait already, or the turn did not come in time.
    pub async fn enter(&self, deadline: Instant) -> Result<MutexGuard<'_, Inside>, Failure> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = Waiting(&self.waiting);
        if before >= WAITING {
            return Err(Failure::Crowded);
        }
        let inside = timeout_at(deadline, self.inside.lock()).await.map_err(|_| Failure::Late)?;
        if Instant::now() < deadline { Ok(inside) } else { Err(Failure::Late) }
    }

    /// Whether the judge is left alone now. While a question is under way it is not.
    pub fn rests(&self, now: Instant) -> bool {
        self.inside.try_lock().is_ok_and(|inside| !inside.breaker.admits(now.into_std()))
    }

    /// Has one question answered: from memory, or by the model.
    pub async fn ask(&self, inside: &mut Inside, model: &dyn Model, question: Question<'_>) -> Answer {
        if let Some(spoken) = inside.cache.get(question.moment, &question.key) {
            return (Ok(spoken), true);
        }
        let outcome = inside.hear(model, &question).await;
        match &outcome {
            Ok(spoken) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                inside.cache.put(question.moment, question.key, spoken.clone());
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        (outcome, false)
    }
}

impl Inside {
    /// Asks about every part; the strictest word is the verdict. What cannot be asked to its end is none.
    async fn hear(&mut self, model: &dyn Model, question: &Question<'_>) -> Result<Spoken, Failure> {
        let mut strictest: Option<Spoken> = None;
        let began = Instant::now();
        let now = || (question.now + began.elapsed()).into_std();
        for (index, part) in question.parts.iter().enumerate() {
            if !self.breaker.admits(now()) {
                return Err(Failure::Resting);
            }
            let facts =
                Facts::of(question.judged, question.log.calls_since_owner, index + 1, question.parts.len());
            let request =
                prompt::request(question.rule, question.writer, &facts, &question.log.text, part, mark);
            let answer = timeout_at(question.deadline, model.complete(request)).await;
            let spoken = match answer {
                Err(_) => Err(Failure::Late),
                Ok(Err(why)) => Err(Failure::Unreachable(why)),
                Ok(Ok(completion)) => verdict::read(&completion),
            };
            match spoken {
                Ok(spoken) => {
                    self.breaker.answered();
                    if strictest.as_ref().is_none_or(|before| spoken.decision > before.decision) {
                        strictest = Some(spoken);
                    }
                }
                Err(failure) => {
                    self.breaker.failed(now());
                    return Err(failure);
                }
            }
            if strictest.as_ref().is_some_and(|spoken| spoken.decision == Verdict::Deny) {
                break;
            }
        }
        strictest.ok_or(Failure::NotWhole)
    }
}

/// 122 random bits.
fn mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[cfg(test)]
mod tests;

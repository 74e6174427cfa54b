//! The way to `policyd`: every connection is an action, and happens when it is allowed.
//!
//! ```text
//!  wish ──▶ Judged{net.connect} ──▶ Decide ──▶ allow ────────────────────────────▶ permit
//!             │ digest known: the same answer     ├─▶ ask ──▶ Await ──▶ Redeem ──▶ permit
//!             └ digest asked: wait for it         └─▶ deny, no, too late ──▶ turned
//! ```
//! Within one call a look with the same digest is decided once, and whoever wants it meanwhile waits for that; what
//! sends something of which nobody is shown the whole is decided each time. A question that nobody waits for any more
//! is taken back. [`tally`] bounds how often one call may ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use testudo::approval::{Outcome, State};
use testudo::asking;
use testudo::fault::bus_error_text;
use testudo::limits::{self, REPLY};
use testudo::proxy::{Options, Policy1Proxy};
use testudo::verdict::{Decision, Verdict};
use tokio::sync::{oneshot, watch};
use zbus::Connection;
use zbus::wire::Variant;

use crate::controls::{Control, Controls};
use crate::gate::{Reason, Turned, Who, Wish};

mod action;
mod tally;

pub use action::{MODELS, judged};
use tally::Tally;

/// Most answers that are remembered for one call; more are asked again.
const MOST: usize = 1000;

/// Leave for one connection or request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// What the policy said: allow, or ask with a person's yes.
    pub verdict: Verdict,
    /// The digest of the action.
    pub digest: String,
    /// The approval that was used up for it.
    pub approval: Option<String>,
}

type Answer = Result<Permit, Turned>;

/// What was decided for one call, and what is being decided.
#[derive(Debug, Default)]
pub struct Decided {
    known: Mutex<HashMap<String, Known>>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
enum Known {
    Settled(Answer),
    Asked(Weak<Question>),
}

/// What a question counts against.
#[derive(Debug)]
struct Asking {
    tally: Arc<Tally>,
    /// The place that a no refuses; none for what was decided with the call.
    place: Option<String>,
}

/// A question under way; it is taken back when the last who waits for it is gone.
#[derive(Debug)]
struct Question {
    answer: watch::Receiver<Option<Answer>>,
    /// Its end tells the task that nobody waits.
    _wanted: oneshot::Sender<()>,
}

/// A client of `policyd`.
#[derive(Debug, Clone)]
pub struct Decider {
    policy: Policy1Proxy<'static>,
    controls: Controls,
}

impl Decider {
    /// A client on this connection; `policyd` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection, controls: Controls) -> zbus::Result<Self> {
        Ok(Self { policy: Policy1Proxy::new(connection).await?, controls })
    }

    /// Has a wish decided, waiting for a person if need be. Dropping the future takes the question back.
    ///
    /// # Errors
    /// As policy, a person or the clock says; a `policyd` that is not there is a refusal too.
    pub async fn decide(&self, who: &Who, wish: &Wish, listed: bool, decided: &Decided) -> Answer {
        let judged = judged(who, wish, listed);
        let broken = |error: serde_json::Error| Turned::new(Reason::Unavailable, error.to_string());
        let digest = judged.action.digest().map_err(broken)?;
        if !self.controls.has(Control::Decide) {
            return Ok(Permit { verdict: Verdict::Allow, digest, approval: None });
        }
        // What was decided with the call needs no question, so none that was asked speaks about it.
        let place = (!listed).then(|| place(wish));
        if let Some(place) = &place {
            decided.tally.may_want(place, decided.is_settled(&digest))?;
        }
        let text = serde_json::to_string(&judged).map_err(broken)?;
        let tally = Arc::clone(&decided.tally);
        let ask = || self.ask(text, digest.clone(), options(who), Asking { tally, place });
        let question = if wish.is_look() { decided.find(&digest, ask) } else { Ok(Arc::new(ask())) };
        let question = match question {
            Ok(question) => question,
            Err(answer) => return *answer,
        };
        let mut answer = question.answer.clone();
        let answer = match answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_) => None,
        };
        let answer =
            answer.unwrap_or_else(|| Err(Turned::new(Reason::Unavailable, "the decision was given up")));
        if wish.is_look() {
            decided.settle(&digest, &answer);
        }
        answer
    }

    fn ask(&self, text: String, digest: String, options: Options<'static>, asking: Asking) -> Question {
        let (wanted, unwanted) = oneshot::channel();
        let (answered, answer) = watch::channel(None);
        let decider = self.clone();
        tokio::spawn(async move {
            let settled = decider.settle(&text, digest, options, unwanted, &asking).await;
            answered.send_replace(Some(settled));
        });
        Question { answer, _wanted: wanted }
    }

    async fn settle(
        &self,
        text: &str,
        digest: String,
        options: Options<'static>,
        mut unwanted: oneshot::Receiver<()>,
        counted: &Asking,
    ) -> Answer {
        let deciding = asking::decision(&self.policy, text, options, true);
        tokio::pin!(deciding);
        let decision: Decision = tokio::select! {
            decision = &mut deciding => read(decision)?,
            _ = &mut unwanted => {
                // The question that comes of it must not stand: nobody would act on a yes.
                if let Ok(Decision { approval: Some(approval), .. }) = read::<Decision>(deciding.await) {
                    // Somebody may have seen it, so it counts, or giving up at once would make it free.
                    let _counted = counted.tally.ask(counted.place.as_deref());
                    self.withdraw(&approval).await;
                }
                return Err(abandoned());
            }
        };
        if decision.digest != digest {
            return Err(unreadable("it is about another action"));
        }
        let verdict = decision.verdict;
        let approval = match (verdict, decision.approval) {
            (Verdict::Allow, _) => return Ok(Permit { verdict, digest, approval: None }),
            (Verdict::Deny, _) => {
                let denying = decision.reasons.iter().filter(|reason| reason.verdict == Verdict::Deny);
                let why: Vec<String> =
                    denying.map(|reason| format!("{} ({})", reason.text, reason.rule)).collect();
                let sentence = format!("policy denies this connection: {}", why.join("; "));
                return Err(Turned::new(Reason::Denied, sentence));
            }
            (Verdict::Ask, None) => return Err(unreadable("it names no approval")),
            (Verdict::Ask, Some(approval)) => approval,
        };
        if let Err(turned) = counted.tally.ask(counted.place.as_deref()) {
            self.withdraw(&approval).await;
            return Err(turned);
        }
        let outcome: Outcome = tokio::select! {
            outcome = asking::outcome(&self.policy, &approval) => read(outcome)?,
            _ = unwanted => {
                self.withdraw(&approval).await;
                return Err(abandoned());
            }
        };
        let yes = answered(&outcome);
        if let (Err(turned), Some(place), State::Denied) = (&yes, &counted.place, outcome.state) {
            counted.tally.refuse(place, &turned.sentence);
        }
        yes?;
        // Not tried again: if the answer was lost, the yes may be used up, and a second use would be one too many.
        let used = self.policy.redeem(&approval, &digest).await;
        used.map_err(|error| {
            let sentence = format!("the approval cannot be used: {}", bus_error_text(&error));
            Turned::new(Reason::Denied, sentence)
        })?;
        Ok(Permit { verdict, digest, approval: Some(approval) })
    }

    async fn withdraw(&self, approval: &str) {
        if let Err(error) = self.policy.withdraw(approval).await {
            tracing::debug!("{approval} was not taken back, and expires: {}", bus_error_text(&error));
        }
    }
}

impl Decided {
    /// The question about a digest, put by `ask` unless it was before; or its answer, where that is known.
    fn find(&self, digest: &str, ask: impl FnOnce() -> Question) -> Result<Arc<Question>, Box<Answer>> {
        let mut known = self.lock();
        match known.get(digest) {
            Some(Known::Settled(answer)) => return Err(Box::new(answer.clone())),
            Some(Known::Asked(question)) => {
                if let Some(question) = question.upgrade() {
                    return Ok(question);
                }
            }
            None => {}
        }
        if known.len() >= MOST {
            known.retain(|_, known| matches!(known, Known::Asked(question) if question.strong_count() > 0));
        }
        let question = Arc::new(ask());
        known.insert(digest.to_owned(), Known::Asked(Arc::downgrade(&question)));
        Ok(question)
    }

    /// Whether the answer about a digest is known.
    fn is_settled(&self, digest: &str) -> bool {
        matches!(self.lock().get(digest), Some(Known::Settled(_)))
    }

    /// Remembers a yes and a no. What could not be answered may be asked again.
    fn settle(&self, digest: &str, answer: &Answer) {
        let settled = answer.as_ref().map_or_else(|turned| turned.reason == Reason::Denied, |_| true);
        let mut known = self.lock();
        if settled {
            known.insert(digest.to_owned(), Known::Settled(answer.clone()));
        } else if matches!(known.get(digest), Some(Known::Asked(_))) {
            known.remove(digest);
        }
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a no is about, whatever else the request said.
fn place(wish: &Wish) -> String {
    format!("{}:{}", wish.host, wish.port)
}

fn options(who: &Who) -> Options<'static> {
    let mut options = Options::new();
    if let Who::Call(pass) = who {
        if pass.unattended {
            options.insert("unattended", Variant::from(true));
        }
        if let Some(approver) = &pass.approver {
            options.insert("approver", Variant::from(approver.clone()));
        }
    }
    options
}

/// What an answer leads to.
fn answered(outcome: &Outcome) -> Result<(), Turned> {
    let reason = outcome.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
    match outcome.state {
        State::Approved => Ok(()),
        State::Denied => Err(Turned::new(Reason::Denied, format!("a person denied this connection{reason}"))),
        State::Expired => Err(Turned::new(Reason::Unanswered, format!("the approval expired{reason}"))),
        State::Pending => Err(Turned::new(
            Reason::Unanswered,
            format!("nobody watches this session, so it is parked: {} waits for an answer", outcome.id),
        )),
        State::Withdrawn | State::Redeemed => {
            Err(Turned::new(Reason::Unanswered, format!("the approval cannot be used{reason}")))
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(answer: zbus::Result<String>) -> Result<T, Turned> {
    let text = answer.map_err(|error| {
        let sentence = format!("nothing can be decided now: {}", bus_error_text(&error));
        Turned::new(Reason::Unavailable, sentence)
    })?;
    limits::parse(&text, REPLY).map_err(|error| unreadable(&error.to_string()))
}

fn unreadable(why: &str) -> Turned {
    Turned::new(Reason::Unavailable, format!("the decision cannot be read: {why}"))
}

fn abandoned() -> Turned {
    Turned::new(Reason::Unanswered, "nobody waited for the decision any more")
}

#[cfg(test)]
mod tests;

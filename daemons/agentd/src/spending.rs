//! What models use is counted where it is used, and when the day's tokens are gone none is asked any more.

use jiff::Timestamp;
use testudo::model::Completion;
use testudo::record::Entry;

use crate::conversation::Line;
use crate::runner::{Peers, now};
use crate::session::Session;
use crate::{budget, cut};

/// The most bytes of a model's name, which its provider gives.
const LONGEST_MODEL: usize = 128;

impl Peers {
    /// Why no model is asked any more today; the first time that is met, it is recorded and kept.
    pub async fn spent(&self, session: &Session) -> Option<String> {
        let at = Timestamp::now();
        let budget = self.budget.reached(at)?;
        if self.budget.is_news(at) {
            let entry = Entry::new("budget.reached")
                .session(session.name())
                .with("tokens", budget.tokens)
                .with("spent", budget.spent);
            let at_text = now();
            let kept = match self.record(&entry).await {
                Ok(()) => session
                    .keep(Line::BudgetReached { at: at_text.clone() }, &at_text)
                    .map_err(|error| error.to_string()),
                Err(why) => {
                    self.budget.forget_record(at);
                    Err(why)
                }
            };
            if let Err(why) = kept {
                tracing::error!("that the day's tokens are used up is not kept: {why}");
            }
        }
        Some(budget::used_up(&budget))
    }

    /// Counts what a completion used, in its session and for the day.
    pub fn count(&self, session: &Session, completion: &Completion) {
        self.budget.count(completion.usage, Timestamp::now());
        let at = now();
        let model = session.model().unwrap_or_else(|| cut::head(&completion.model, LONGEST_MODEL).to_owned());
        if let Err(error) = session.keep(Line::Used { at: at.clone(), model, usage: completion.usage }, &at) {
            tracing::error!("what a model used in session {} is not kept: {error}", session.name());
        }
    }
}

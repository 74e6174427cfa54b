//! What models use is counted where it is used, and when the day's tokens are gone none is asked any more.

use jiff::Timestamp;
use testudo::model::Completion;
use testudo::record::Entry;

use crate::conversation::Line;
use crate::cost::Meter;
use crate::runner::{Peers, now};
use crate::session::Session;
use crate::{budget, cut};

/// The most bytes of a model's name, which its provider gives.
const LONGEST_MODEL: usize = 128;
/// What the configured model is called that was asked and gave no answer with its name.
const CONFIGURED: &str = "(configured)";

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

    /// Counts what a request cost, in its session and for the day, whether it was answered or not.
    pub fn count(&self, session: &Session, meter: &Meter, answer: Option<&Completion>) {
        let Some(cost) = meter.settle(answer) else { return };
        self.budget.count(cost, Timestamp::now());
        let at = now();
        let answered_by = || answer.map_or(CONFIGURED, |answer| cut::head(&answer.model, LONGEST_MODEL));
        let model = session.model().unwrap_or_else(|| answered_by().to_owned());
        let line = Line::Used { at: at.clone(), model, usage: cost.told, estimated: cost.estimated };
        if let Err(error) = session.keep(line, &at) {
            tracing::error!("what a model used in session {} is not kept: {error}", session.name());
        }
    }
}

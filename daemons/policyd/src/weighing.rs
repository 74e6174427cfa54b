//! Weighing: the layers of the decision, one after the other, strictest wins.
//!
//! ```text
//!  built-in ─▶ token ─▶ rules ─▶ extension ─▶ lease ─▶ sentinel ─▶ (a person, if it is ask)
//! ```
//! Every layer either settles the matter or leaves it to the next; a layer that cannot answer asks or denies.

use testudo::action::Judged;
use testudo::extension::Opinion;
use testudo::fault::Fault;
use testudo::verdict::{Decision, Layer, Reason};
use testudo_policy::engine::Hearing;
use testudo_policy::token::Token;

use crate::desk::Desk;
use crate::sentinel::seat::Judging;

impl Desk {
    /// Weighs an action of which everything is known. Nothing is asked of people, kept or recorded.
    ///
    /// # Errors
    /// When the action is not one.
    pub(crate) async fn weigh(&self, judged: &Judged) -> Result<Decision, Fault> {
        self.weighed(judged, None, Judging::Asked { parked: false }).await
    }

    /// The same for an action that is about to happen, with the token that was given for it, if one was. A valid one
    /// is used up. `parked`: nobody is there to ask.
    ///
    /// # Errors
    /// When the action is not one.
    pub(crate) async fn weigh_with(
        &self,
        judged: &Judged,
        token: Option<&Token>,
        parked: bool,
    ) -> Result<Decision, Fault> {
        self.weighed(judged, token, Judging::Asked { parked }).await
    }

    /// The same without asking a model: the rules in plain language are only named.
    ///
    /// # Errors
    /// When the action is not one.
    pub(crate) async fn weigh_unasked(&self, judged: &Judged) -> Result<Decision, Fault> {
        self.weighed(judged, None, Judging::Named).await
    }

    async fn weighed(
        &self,
        judged: &Judged,
        token: Option<&Token>,
        judging: Judging,
    ) -> Result<Decision, Fault> {
        let digest = judged
            .action
            .digest()
            .map_err(|error| Fault::InvalidArgument(format!("cannot digest the action: {error}")))?;
        // Taken once: an exchange of the rules meanwhile is for the next action.
        let rules = self.book.in_force();
        let heard = Hearing::open(judged, digest.clone())
            .and_then(|hearing| {
                // After the built-in rules: what they deny costs no use of a token.
                hearing.token(token.is_some_and(|token| self.spend(token, judged, &digest, &rules)))
            })
            .and_then(|hearing| hearing.rules(&rules.set, judged));
        let hearing = match heard {
            Ok(hearing) => hearing,
            Err(decision) => return Ok(*decision),
        };
        let opinions =
            if self.controls().extension { self.extension.opinions(judged).await } else { Vec::new() };
        let hearing = match hearing.hear(Layer::Extension, opinions.into_iter().filter_map(reason).collect())
        {
            Ok(hearing) => hearing,
            Err(decision) => return Ok(*decision),
        };
        let lease = self.leased(judged, hearing.reasons(), hearing.approve_by());
        let hearing = hearing.lease(lease.as_deref());
        let spoken = self.judges(&rules.set, judged, &digest, hearing.leaning(), judging).await?;
        Ok(hearing.sentinel(spoken).conclude())
    }
}

/// What a component said, as a reason beside those of rules; none when it passes.
fn reason(opinion: Opinion) -> Option<Reason> {
    let verdict = opinion.verdict()?;
    Some(Reason { rule: format!("extension:{}", opinion.component), verdict, text: opinion.reason })
}

//! Undoing what was applied: the way back is a change set like any other, decided, approved and recorded as such.
//!
//! The apply runner makes it from its history, against what it left then; what was touched since is a conflict and is
//! not undone. Nothing runs for it, so there is a decision of the application alone.

use serde_json::{Value, json};
use testudo::identity::Principal;
use testudo::label::{Labels, Source};
use testudo::refusal::{Code, Refusal};
use testudo::tool::Output;
use testudo::verdict::Verdict;
use tokio::sync::watch;

use super::{Identity, Pipeline, going_on};
use crate::decision::Attendance;
use crate::proposal;
use crate::validation::Tool;

impl Pipeline {
    /// Stages 5 and 6 of an undoing, of which only people have the right.
    pub(super) async fn undo(
        &self,
        identity: &Identity,
        tool: &Tool,
        arguments: &Value,
        attendance: &Attendance,
        verdict: &mut Option<Verdict>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Output, Refusal> {
        if !matches!(identity.requester, Principal::Operator(_)) {
            let text = format!("{} may not undo what was applied", identity.requester);
            return Err(Refusal::new(Code::Unauthorized, text));
        }
        let id = arguments.get("id").and_then(Value::as_str).map(str::to_owned);
        let (merge, proposal) = self.instances.invert(id).await?;
        going_on(cancelled)?;
        let (proposal, shown) = proposal::show_aside(proposal, cancelled).await?;
        let digest = proposal.set.digest().map_err(|_| Refusal::broken())?;
        // What is decided names what is undone, also where the request only said: the latest.
        let named = json!({ "id": merge.application });
        let judged = self.proposed(identity, tool, named, digest, &shown);
        let permit = self.decide(judged, attendance, verdict, cancelled).await?;
        let undoes = Some(merge.application.as_str());
        let application = self.apply(identity, permit, proposal, &shown, undoes, cancelled).await?;
        Ok(Output {
            content: json!({ "undone": merge, "application": application }),
            labels: Labels::of(Source::System),
            changes: shown.changes,
            diff: Some(shown.diff),
            ..Output::default()
        })
    }
}

//! Stage 6: what was decided is recorded, run in the sandbox, and what it proposes is applied.

use serde_json::json;
use testudo::action::Phase;
use testudo::observation::Observation;
use testudo::refusal::{Code, Refusal};
use testudo::tool::Output;
use testudo_sandbox::changeset::Proposal;
use testudo_sandbox::protocol::{Origin, Proposed};
use tokio::sync::watch;

use super::reaching::Ran;
use super::{Identity, Pipeline, giving, going_on, note};
use crate::decision::{Attendance, Permit};
use crate::inflight::Inflight;
use crate::program::{self, Plan};
use crate::proposal::Shown;

impl Pipeline {
    /// Stage 6: records that the call is about to run, and runs what the permit names.
    pub(super) async fn run(
        &self,
        identity: &Identity,
        permit: Permit,
        attendance: &Attendance,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<(Output, Option<Proposal>), Refusal> {
        let action = permit.action();
        let mut labels = program::labels(&action.tool);
        let plan = program::plan(&identity.call, action, &self.config)?;
        self.chronicle.permitted(identity, &permit, "call.decided").await?;
        going_on(cancelled)?;
        let run = match plan {
            Plan::Here(function) => {
                let content = function(&action.arguments);
                return Ok((Output { content, labels, ..Output::default() }, None));
            }
            Plan::Contained(run) => run,
        };
        self.note_inflight(identity, &action.tool, Phase::Call, None)?;
        let Ran { outcome, reached } = self.contained(identity, &permit, *run, attendance, cancelled).await?;
        labels.absorb(&reached);
        let result = outcome.and_then(|mut outcome| {
            let result = program::result(&action.tool, &outcome)?;
            Ok((result, self.give(identity, action, outcome.file.take())?, outcome))
        });
        let ((mut content, truncated), file, outcome) = match result {
            Ok(result) => result,
            Err(refusal) => return Err(self.failed(identity, action, refusal, labels, cancelled).await),
        };
        if let Some(file) = &file {
            content = giving::told(file);
        }
        if let Proposed::Refused { reason } = &outcome.done.changes {
            note(&mut content, "changes", &json!(format!("none of its changes can be proposed: {reason}")));
        }
        // What was cut in the middle has not finished its changes either.
        let proposal = if truncated && program::is_program(&action.tool) {
            note(
                &mut content,
                "changes",
                &json!("it was killed at the output limit; its changes were dropped"),
            );
            None
        } else {
            outcome.proposal
        };
        let files = file.into_iter().collect();
        Ok((Output { content, labels, truncated, files, ..Output::default() }, proposal))
    }

    /// Stage 6 for a proposal: records the application, and has exactly what was decided applied, once.
    pub(super) async fn apply(
        &self,
        identity: &Identity,
        permit: Permit,
        proposal: Proposal,
        shown: &Shown,
        undoes: Option<&str>,
        cancelled: &watch::Receiver<bool>,
    ) -> Result<String, Refusal> {
        let action = permit.action();
        let decided = action.change_set.as_deref();
        if proposal.set.digest().ok().as_deref() != decided {
            return Err(Refusal::new(
                Code::ConfirmationDenied,
                "this is not the change set that was decided",
            ));
        }
        going_on(cancelled)?;
        // A question may have waited for longer than the session was left to go on.
        self.instances.require_thawed(&identity.session)?;
        self.chronicle.permitted(identity, &permit, "change.decided").await?;
        going_on(cancelled)?;
        // Labels only grow: paths that are told and then not written are labelled for nothing, never the other way.
        let paths = shown.changes.iter().map(|change| change.path.clone()).collect();
        let _ = self.decider.observe(&identity.session, &Observation::Applied { paths }).await?;
        let id = format!("ap-{}", uuid::Uuid::new_v4());
        self.note_inflight(identity, &action.tool, Phase::Apply, Some(&id))?;
        going_on(cancelled)?;
        self.instances.require_thawed(&identity.session)?;
        let origin = Origin {
            tool: action.tool.clone(),
            call: identity.call.clone(),
            session: identity.session.clone(),
            approval: permit.approval().map(str::to_owned),
            approver: permit.approver().map(str::to_owned),
            undoes: undoes.map(str::to_owned),
        };
        if let Err(unapplied) = self.instances.apply(id.clone(), proposal, origin).await {
            if !unapplied.certain {
                self.inflight.keep(&identity.call, &id);
            }
            return Err(unapplied.refusal);
        }
        self.chronicle.applied(identity, action, &id, undoes, &shown.changes).await;
        Ok(id)
    }

    fn note_inflight(
        &self,
        identity: &Identity,
        tool: &str,
        phase: Phase,
        application: Option<&str>,
    ) -> Result<(), Refusal> {
        let note = Inflight {
            call: identity.call.clone(),
            session: identity.session.clone(),
            tool: tool.to_owned(),
            phase,
            application: application.map(str::to_owned),
        };
        self.inflight.note(&note).map_err(|error| {
            Refusal::new(
                Code::PluginUnavailable,
                format!("cannot note the call in the state directory: {error}"),
            )
        })
    }
}

//! A contained call and its way out: opened before it runs, closed whatever becomes of it.

use std::time::Duration;

use serde_json::json;
use testudo::action::Action;
use testudo::label::{Labels, Source};
use testudo::observation::Observation;
use testudo::refusal::Refusal;
use testudo_sandbox::client::Outcome;
use testudo_sandbox::protocol::{Network, Run};
use tokio::sync::watch;

use super::{Identity, Pipeline, going_on};
use crate::decision::{Attendance, Permit};
use crate::{destinations, egress, program, running};

/// How long the end of a cancelled call waits for its labels to be known.
const LAST_WORD: Duration = Duration::from_millis(300);

/// A call that ran, well or not, and who beyond the appliance could have written what it gave.
pub(super) struct Ran {
    pub(super) outcome: Result<Outcome, Refusal>,
    pub(super) reached: Labels,
}

impl Pipeline {
    /// Runs what a permit names in its template.
    ///
    /// # Errors
    /// It did not run, or nobody knows where its result comes from.
    pub(super) async fn contained(
        &self,
        identity: &Identity,
        permit: &Permit,
        mut run: Run,
        attendance: &Attendance,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Result<Ran, Refusal> {
        let action = permit.action();
        let template = program::template(&action.tool);
        let told = identity.told.clone().filter(|_| program::is_heard(&action.tool));
        if !template.network() {
            let ran =
                self.instances.run_told(&identity.session, template, (run, told), permit.bearer(), cancelled);
            return Ok(Ran { outcome: ran.await, reached: Labels::default() });
        }
        let trip = self.egress.open(identity, action, attendance, cancelled).await?;
        let tunnels = destinations::tunnels(&action.arguments);
        run.network = Some(Network { ticket: trip.ticket().to_owned(), tunnels });
        let outcome = self
            .instances
            .run_told(&identity.session, template, (run, told), permit.bearer(), cancelled)
            .await;
        let carried = trip.close().await?;
        self.chronicle.carried(identity, &action.tool, &carried).await;
        let mut reached = egress::labels(&carried);
        if action.tool == "web.fetch" && outcome.is_ok() && reached.sources.is_empty() {
            // A page that no connection brought: it says nothing about who wrote it.
            reached.absorb(&Labels::of(Source::Stranger));
        }
        Ok(Ran { outcome, reached })
    }

    /// Tells `policyd` whose words may be in a failure, before anybody sees it: a reason may quote what was read.
    pub(super) async fn failed(
        &self,
        identity: &Identity,
        action: &Action,
        refusal: Refusal,
        labels: Labels,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Refusal {
        let declaration = self.tools.iter().find(|tool| tool.spec.name == action.tool);
        let declaration = declaration.map(|tool| tool.spec.declaration.clone()).unwrap_or_default();
        let observation = Observation::Result {
            call: identity.call.clone(),
            tool: action.tool.clone(),
            declaration: Box::new(declaration),
            arguments: action.arguments.clone(),
            content: json!({ "error": refusal.message }),
            labels,
        };
        let told = self.decider.observe(&identity.session, &observation);
        tokio::pin!(told);
        let ended = async {
            running::ended(cancelled).await;
            tokio::time::sleep(LAST_WORD).await;
        };
        let told = tokio::select! {
            told = &mut told => told.err(),
            () = ended => None,
        };
        // Whoever ended it hears just that, and nothing of what it had come to: but it may have been heard before.
        going_on(cancelled).err().or(told).unwrap_or(refusal)
    }
}

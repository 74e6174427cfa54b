//! What `toold` writes down: in the record before it takes effect, in the journal for people.

use std::time::Instant;

use libsystemd::logging::Priority;
use serde_json::json;
use testudo::action::Action;
use testudo::change::ChangeSummary;
use testudo::egress::Carried;
use testudo::flood::Flood;
use testudo::journal;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use testudo::refusal::{Code, Refusal};
use testudo::tool::Outcome;
use testudo::verdict::Verdict;

use crate::controls::Controls;
use crate::decision::Permit;
use crate::instances::Ended;
use crate::pipeline::Identity;

/// Most paths that a record names one by one; the change set's digest covers all of them.
const PATHS: usize = 100;

/// Longest message of a refusal in the record, in characters; the caller gets all of it.
const MESSAGE: usize = 300;

/// The way to the record and to the journal.
pub struct Chronicle {
    recorder: Recorder,
    controls: Controls,
    flood: Flood,
}

impl Chronicle {
    /// Writes through this recorder.
    pub fn new(recorder: Recorder, controls: Controls) -> Self {
        Self { recorder, controls, flood: Flood::default() }
    }

    /// A permit is about to be used. Durable when this returns; otherwise it must not be used.
    ///
    /// # Errors
    /// `PLUGIN_UNAVAILABLE` when it is not certain to be in the record.
    pub(crate) async fn permitted(
        &self,
        identity: &Identity,
        permit: &Permit,
        event: &str,
    ) -> Result<(), Refusal> {
        let action = permit.action();
        let entry = Entry::new(event)
            .session(&identity.session)
            .call(&identity.call, &action.tool)
            .decision(permit.verdict().word())
            .with("stages", json!(["construct", "known", "validate", "authorise", "decide"]))
            .with("digest", permit.digest())
            .with("effect", action.effect.word())
            .with("phase", action.phase.word())
            .with("requester", identity.requester.to_string())
            .with("approval", permit.approval())
            .with("change_set", action.change_set.as_deref());
        if self.controls.record {
            let kept = self.recorder.append(&entry).await;
            kept.map_err(|error| Refusal::new(Code::PluginUnavailable, error.to_string()))?;
        }
        journal::event(
            journal::CALL_DECIDED,
            Priority::Info,
            &format!("{} may {} for {}", action.tool, action.phase.word(), identity.requester),
            &[
                ("SESSION", &identity.session),
                ("CALL", &identity.call),
                ("TOOL", &action.tool),
                ("VERDICT", permit.verdict().word()),
                ("DIGEST", permit.digest()),
            ],
        );
        Ok(())
    }

    /// A change set is in the workspace. Its durable `change.decided` said that it would be.
    pub(crate) async fn applied(
        &self,
        identity: &Identity,
        action: &Action,
        application: &str,
        undoes: Option<&str>,
        changes: &[ChangeSummary],
    ) {
        let count = changes.len();
        let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).take(PATHS).collect();
        let entry = Entry::new("change.applied")
            .session(&identity.session)
            .call(&identity.call, &action.tool)
            .decision("applied")
            .with("application", application)
            .with("undoes", undoes)
            .with("change_set", action.change_set.as_deref())
            .with("paths", json!(paths))
            .with("count", count);
        self.keep(&entry).await;
        journal::event(
            journal::CHANGES_APPLIED,
            Priority::Notice,
            &format!("{count} changes of {} were applied to the workspace", action.tool),
            &[("SESSION", &identity.session), ("CALL", &identity.call), ("TOOL", &action.tool)],
        );
    }

    /// What the connections of a call carried. Each of them is in the record by itself, written by `egressd`.
    pub(crate) async fn carried(&self, identity: &Identity, tool: &str, carried: &Carried) {
        let entry = Entry::new("call.carried")
            .session(&identity.session)
            .call(&identity.call, tool)
            .decision("ok")
            .with("connections", carried.connections)
            .with("refused", carried.refused)
            .with("sent", carried.sent)
            .with("received", carried.received)
            .with("hosts", json!(carried.hosts));
        self.keep(&entry).await;
    }

    /// A call ended, well or not.
    pub(crate) async fn ended(&self, session: &str, outcome: &Outcome) {
        let Outcome { call, tool, verdict, duration_ms, result, error } = outcome;
        let about =
            |event| Entry::new(event).session(session).call(call, tool).with("duration_ms", *duration_ms);
        let fields = [("SESSION", session), ("CALL", call.as_str()), ("TOOL", tool.as_str())];
        if let Some(refusal) = error {
            let left_out = if refusal.code == Code::RateLimited {
                match self.flood.admit(Instant::now()) {
                    Some(count) => count,
                    None => return,
                }
            } else {
                0
            };
            let message: String = refusal.message.chars().take(MESSAGE).collect();
            let code = serde_json::to_value(refusal.code).unwrap_or_default();
            let code = code.as_str().unwrap_or_default();
            let entry = about("call.refused")
                .decision(verdict.map_or("deny", Verdict::word))
                .with("stage", refusal.stage)
                .with("code", code)
                .with("field", refusal.field.as_deref())
                .with("message", message)
                .with("left_out", left_out);
            self.keep(&entry).await;
            let text = format!("{tool} was refused: {}", refusal.message);
            let [session, call, tool] = fields;
            let fields = [session, call, tool, ("CODE", code)];
            journal::event(journal::CALL_REFUSED, Priority::Warning, &text, &fields);
        }
        if let Some(output) = result {
            let entry = about("call.finished")
                .decision("ok")
                .with("stage", 6)
                .with("changes", output.changes.len())
                .with("truncated", output.truncated);
            let entry = match output.files.as_slice() {
                [] => entry,
                files => entry.with("files", json!(files)),
            };
            self.keep(&entry).await;
            let text = format!("{tool} finished in {duration_ms} ms");
            journal::event(journal::CALL_FINISHED, Priority::Info, &text, &fields);
        }
    }

    /// A call was cut off by a crash of this daemon's predecessor.
    pub(crate) async fn interrupted(&self, call: &crate::inflight::Inflight, outcome: &str) {
        let entry = Entry::new("call.interrupted")
            .session(&call.session)
            .call(&call.call, &call.tool)
            .decision("interrupted")
            .with("phase", call.phase.word())
            .with("application", call.application.as_deref())
            .with("outcome", outcome);
        self.keep(&entry).await;
        tracing::warn!(call = call.call, tool = call.tool, "a call was cut off by a crash: {outcome}");
    }

    /// The stop switch was turned. The work goes on by itself when nobody waits for it.
    pub(crate) fn switched(
        &self,
        session: Option<&str>,
        decision: &'static str,
        by: &str,
        ended: usize,
    ) -> impl Future<Output = ()> + Send + use<> {
        let name = session.unwrap_or("all sessions");
        let text = format!("{name}: {decision} by {by}, and {ended} calls were ended");
        let fields = [("SESSION", name), ("DECISION", decision), ("BY", by)];
        journal::event(journal::SESSION_STOPPED, Priority::Notice, &text, &fields);
        let entry =
            Entry::new(&format!("session.{decision}")).decision(decision).with("by", by).with("ended", ended);
        let entry = match session {
            Some(session) => entry.session(session),
            None => entry.with("all", true),
        };
        let recorder = self.recorder.clone();
        async move {
            if let Err(error) = recorder.append(&entry).await {
                tracing::error!("{} is not in the record: {error}", entry.event);
            }
        }
    }

    /// A session's instances were frozen or thawed.
    pub(crate) async fn held(&self, session: &str, decision: &str, by: &str, instances: u32) {
        let entry = Entry::new(&format!("sandbox.{decision}"))
            .session(session)
            .decision(decision)
            .with("by", by)
            .with("instances", instances);
        self.keep(&entry).await;
    }

    /// An instance did not end as it should; what was tried to end it.
    pub(crate) async fn instance_ended(&self, ended: &Ended) {
        let steps: Vec<_> =
            ended.steps.iter().map(|(step, outcome)| json!([step.word(), outcome.word()])).collect();
        let entry = Entry::new("sandbox.ended")
            .session(&ended.session)
            .decision("ended")
            .with("template", ended.template.name())
            .with("unit", ended.unit.as_deref())
            .with("steps", steps);
        self.keep(&entry).await;
    }

    /// Records what has happened already, so that nothing can be held back any more.
    async fn keep(&self, entry: &Entry) {
        if let Err(error) = self.recorder.append(entry).await {
            tracing::error!("{} is not in the record: {error}", entry.event);
        }
    }
}

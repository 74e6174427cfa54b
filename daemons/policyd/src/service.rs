//! `org.testudo.Policy1` on the bus.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use testudo::action::Judged;
use testudo::diagnostic::Diagnostics;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon};
use testudo::limits::{self, BUS, REPLY};
use testudo::observation::Observation;
use testudo::options::GivenOptions;
use testudo::plan::Plan;
use testudo::subscribers::Subscribers;
use testudo_policy::rule;
use zbus::message::Header;
use zbus::wire::OwnedVariant;
use zbus::{Connection, interface};

use crate::amendment::Wanted;
use crate::controls::Controls;
use crate::desk::channel::CARRIERS;
use crate::desk::{Answer, Desk};
use crate::routing::Watch;
use crate::sentinel::seat::workspace_rules;

mod callers;

/// Who asks for decisions.
const ASKERS: [Daemon; 2] = [Daemon::Toold, Daemon::Egressd];

/// The object at `/org/testudo/Policy1`.
pub(crate) struct Policy {
    pub(crate) desk: Arc<Desk>,
    pub(crate) subscribers: Subscribers,
    pub(crate) connection: Connection,
    pub(crate) controls: Controls,
}

#[interface(name = "org.testudo.Policy1", introspection_docs = false)]
impl Policy {
    #[zbus(out_args("decision"))]
    async fn decide(
        &self,
        action: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let daemon = caller.require_daemon(&ASKERS)?;
        let mut options = GivenOptions::new(options);
        let rules = workspace_rules(&mut options)?;
        // One that cannot be read is none.
        let token = options.string("token")?.and_then(|text| limits::parse(&text, BUS).ok());
        let watch = Watch::read(&mut options, &self.desk.routing)?;
        options.finish()?;
        let judged: Judged = limits::parse(action, REPLY)?;
        self.require_matter(daemon, &judged.action.tool)?;
        let _held = self.desk.workspace_rules(&judged.action.session, rules);
        body(&self.desk.decide(&judged, token.as_ref(), &caller.connection, &watch).await?)
    }

    #[zbus(out_args("decision"))]
    async fn plan(
        &self,
        plan: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let daemon = caller.require_daemon(&[Daemon::Toold])?;
        let mut options = GivenOptions::new(options);
        let rules = workspace_rules(&mut options)?;
        let watch = Watch::read(&mut options, &self.desk.routing)?;
        options.finish()?;
        let plan: Plan = limits::parse(plan, REPLY)?;
        plan.steps.iter().try_for_each(|step| self.require_matter(daemon, &step.call.action.tool))?;
        let session = plan.steps.first().map(|step| step.call.action.session.clone());
        let _held = session.and_then(|session| self.desk.workspace_rules(&session, rules));
        body(&self.desk.plan(plan, &caller.connection, &watch).await?)
    }

    #[zbus(out_args("granted"))]
    async fn collect(&self, approval: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = Caller::of(&header, &self.connection).await?.require_daemon(&[Daemon::Toold])?;
        body(&self.desk.collect(approval).await?)
    }

    #[zbus(out_args("labels"))]
    async fn observe(
        &self,
        session: &str,
        observation: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let daemon = caller.require_daemon(&[Daemon::Toold, Daemon::Agentd])?;
        GivenOptions::new(options).finish()?;
        let observation: Observation = limits::parse(observation, REPLY)?;
        let theirs = match observation {
            Observation::Message { .. } | Observation::Received { .. } | Observation::Inherit { .. } => {
                Daemon::Agentd
            }
            Observation::Result { .. } | Observation::Applied { .. } => Daemon::Toold,
        };
        if daemon != theirs {
            return Err(Fault::Denied(format!("{} cannot know this", daemon.name())));
        }
        body(&self.desk.observe(session, observation)?)
    }

    #[zbus(name = "Await", out_args("outcome"))]
    async fn await_(&self, approval: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.asker(&header, approval).await?;
        body(&self.desk.outcome(approval).await?)
    }

    async fn redeem(
        &self,
        approval: &str,
        digest: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let by = self.asker(&header, approval).await?;
        self.desk.redeem(approval, digest, by.name()).await
    }

    async fn withdraw(&self, approval: &str, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let by = self.asker(&header, approval).await?;
        self.desk.cancel(approval, by.name()).await
    }

    #[zbus(out_args("approvals"))]
    async fn approvals(
        &self,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let _ = self.person(&header).await?;
        let mut options = GivenOptions::new(options);
        let (session, whole) = (options.string("session")?, options.string("whole")?);
        options.finish()?;
        if let Some(id) = whole {
            return body(&[self.desk.whole(&id)?]);
        }
        body(&self.desk.pending(session.as_deref())?)
    }

    #[zbus(out_args("resolution"))]
    async fn approve(
        &self,
        approval: &str,
        digest: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let mut options = GivenOptions::new(options);
        let by = self.approver(&header, approval, &mut options).await?;
        let connection = header.sender().map(ToString::to_string).unwrap_or_default();
        let read = Answer::read(by.clone(), connection, options);
        let answer = self.noting(approval, &by.to_string(), read).await?;
        body(&self.desk.approve(approval, digest, answer).await?)
    }

    #[zbus(out_args("resolution"))]
    async fn deny(
        &self,
        approval: &str,
        reason: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let mut options = GivenOptions::new(options);
        let by = self.approver(&header, approval, &mut options).await?;
        options.finish()?;
        let reason: String = reason.chars().take(1024).collect();
        body(&self.desk.deny(approval, &reason, &by.to_string()).await?)
    }

    #[zbus(out_args("leases"))]
    async fn leases(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.person(&header).await?;
        body(&self.desk.leases())
    }

    async fn revoke(
        &self,
        lease: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        // Of every session, by a channel, too: it is shown them all, and to end one only makes decisions stricter.
        let by = self.commander("Revoke", None, options, &header).await?;
        self.desk.end_lease(lease, &by.to_string()).await
    }

    #[zbus(out_args("uri"))]
    async fn enrol_otp(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        self.desk.enrol(&self.operator(&header).await?).await
    }

    #[zbus(out_args("explanation"))]
    async fn explain(&self, action: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        let judged: Judged = limits::parse(action, REPLY)?;
        body(&self.desk.explain(&judged).await?)
    }

    #[zbus(out_args("report"))]
    async fn check(
        &self,
        toml_text: &str,
        name: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        if toml_text.len() > BUS.message {
            return Err(Fault::TooLarge(format!("the policy is longer than {} bytes", BUS.message)));
        }
        let (ok, rules, findings) = match rule::parse(name, toml_text) {
            Ok((policy, warnings)) => (true, policy.rules.len(), warnings),
            Err(Diagnostics(found)) => (false, 0, found),
        };
        let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
        body(&json!({ "ok": ok, "rules": rules, "findings": findings }))
    }

    #[zbus(out_args("report"))]
    async fn replay(
        &self,
        name: &str,
        toml_text: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        body(&self.desk.replay(name, toml_text)?)
    }

    #[zbus(out_args("report"))]
    async fn amend(
        &self,
        name: &str,
        toml_text: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let by = self.amender(&header, name).await?;
        let mut options = GivenOptions::new(options);
        let revert = options.flag("revert")?;
        options.finish()?;
        let wanted = match (revert, toml_text) {
            (false, text) => Wanted::Text(text.to_owned()),
            (true, "") => Wanted::Last,
            (true, _) => return Err(Fault::InvalidArgument("`revert` needs no text".into())),
        };
        body(&self.desk.amend(name, &wanted, &by).await?)
    }

    #[zbus(out_args("files"))]
    async fn files(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        body(&self.desk.policy_files())
    }

    #[zbus(out_args("rules"))]
    async fn rules(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.person_of(session, &header).await?;
        body(&self.desk.plain_rules(session)?)
    }

    async fn disable(
        &self,
        session: &str,
        rule: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let by = self.commander("Disable", Some(session), options, &header).await?;
        self.desk.switch_rule(session, rule, false, &by.to_string()).await
    }

    async fn enable(
        &self,
        session: &str,
        rule: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let by = self.commander("Enable", Some(session), options, &header).await?;
        self.desk.switch_rule(session, rule, true, &by.to_string()).await
    }

    async fn vouch(
        &self,
        session: &str,
        text: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Fault> {
        let by = self.commander("Vouch", Some(session), options, &header).await?;
        self.desk.vouch(session, text, &by.to_string()).await
    }

    async fn subscribe(&self, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator_or(&CARRIERS)?;
        self.subscribers.add(&caller.connection, None)
    }

    #[zbus(signal)]
    async fn approval_requested(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        seq: u64,
        approval: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn approval_resolved(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        seq: u64,
        resolution: &str,
    ) -> zbus::Result<()>;
}

fn body<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

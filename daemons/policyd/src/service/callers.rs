//! Who calls: the checks of `Policy1` on its callers, each a second time after the bus.

use std::collections::HashMap;

use testudo::egress::CONNECT;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::options::GivenOptions;
use testudo::record::Entry as Record;
use zbus::message::Header;
use zbus::wire::OwnedVariant;

use super::{ASKERS, Policy};
use crate::desk::channel::{self, CARRIERS, Person};

/// Most characters of a session's name that a refusal is recorded with.
const SESSION: usize = 64;

impl Policy {
    /// Each of the two asks about its own: connections are egressd's, and everything else is toold's.
    pub(super) fn require_matter(&self, daemon: Daemon, tool: &str) -> Result<(), Fault> {
        if !self.controls.asker_matter || (daemon == Daemon::Egressd) == (tool == CONNECT) {
            return Ok(());
        }
        Err(Fault::Denied(format!("{} may not ask about {tool}", daemon.name())))
    }

    /// Who waits for an answer or uses it: whoever may ask about such a thing, and nobody else, with a record.
    pub(super) async fn asker(&self, header: &Header<'_>, approval: &str) -> Result<Daemon, Fault> {
        let daemon = Caller::of(header, &self.connection).await?.require_daemon(&ASKERS)?;
        let tool = self.desk.tool_of(approval)?;
        if let Err(fault) = self.require_matter(daemon, &tool) {
            self.desk.note_refused(approval, daemon.name(), &fault.text()).await;
            return Err(fault);
        }
        Ok(daemon)
    }

    /// The person who calls, or the channel through which one does, for methods that people call from afar, too.
    pub(super) async fn person(&self, header: &Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        caller.require_operator_or(&CARRIERS).map(str::to_owned)
    }

    /// Likewise, for what is about one session: a channel has to do with its own only.
    pub(super) async fn person_of(&self, session: &str, header: &Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        let person = caller.require_operator_or(&CARRIERS)?.to_owned();
        caller.require_session(session)?;
        Ok(person)
    }

    /// The person who calls, for methods that only people may call.
    pub(super) async fn operator(&self, header: &Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        caller.require_operator().map(str::to_owned)
    }

    /// Who wants to change the policy: a person, as the bus says and this a second time, with a record.
    pub(super) async fn amender(&self, header: &Header<'_>, name: &str) -> Result<Principal, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        match (&caller.principal, self.controls.amender_identity) {
            (Principal::Operator(_), _) | (_, false) => Ok(caller.principal),
            (other, true) => {
                let why = format!("{other} may not change the policy");
                self.desk.note_refused(&format!("policy.update {name}"), &other.to_string(), &why).await;
                Err(Fault::Denied(why))
            }
        }
    }

    /// Who answers. An agent can never: the bus refuses it first, and this a second time, with a record.
    pub(super) async fn approver(
        &self,
        header: &Header<'_>,
        approval: &str,
        options: &mut GivenOptions,
    ) -> Result<Person, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        let who = caller.principal.to_string();
        match &caller.principal {
            Principal::Operator(name) => Ok(Person::Operator(name.clone())),
            Principal::Daemon(daemon) if CARRIERS.contains(daemon) && self.controls.channel => {
                self.noting(approval, &who, channel::owner(options, &self.desk.matrix)).await
            }
            Principal::Daemon(daemon) if CARRIERS.contains(daemon) => {
                options.string("by").map(|by| Person::Unchecked(by.unwrap_or(who)))
            }
            _ if !self.controls.approver_identity => Ok(Person::Unchecked(who)),
            _ => {
                let refused = Err(Fault::Denied(format!("{who} may not answer approvals")));
                self.noting(approval, &who, refused).await
            }
        }
    }

    /// Records the refusal of an answer before it is told.
    pub(super) async fn noting<T>(
        &self,
        approval: &str,
        by: &str,
        read: Result<T, Fault>,
    ) -> Result<T, Fault> {
        if let Err(fault @ Fault::Denied(_)) = &read {
            self.desk.note_refused(approval, by, &fault.text()).await;
        }
        read
    }

    /// Who changes with `member` how sessions are guarded: an operator, or the owner for whom a channel speaks, in
    /// sessions of the channel alone. A refusal is recorded before it is told.
    pub(super) async fn commander(
        &self,
        member: &str,
        session: Option<&str>,
        options: HashMap<String, OwnedVariant>,
        header: &Header<'_>,
    ) -> Result<Person, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        let mut options = GivenOptions::new(options);
        let person = self.spoken_for(&caller, session, &mut options);
        if let Err(fault @ Fault::Denied(_)) = &person {
            let mut record = Record::new("command.refused")
                .decision("deny")
                .with("method", member)
                .with("by", caller.principal.to_string())
                .with("reason", fault.text());
            record.session = session.map(|session| session.chars().take(SESSION).collect());
            if let Err(error) = self.desk.recorder.append(&record).await {
                tracing::error!("a refused {member} is not in the record: {error}");
            }
        }
        let person = person?;
        options.finish()?;
        Ok(person)
    }

    fn spoken_for(
        &self,
        caller: &Caller,
        session: Option<&str>,
        options: &mut GivenOptions,
    ) -> Result<Person, Fault> {
        caller.require_operator_or(&CARRIERS)?;
        match &caller.principal {
            Principal::Operator(name) => Ok(Person::Operator(name.clone())),
            carrier if !self.controls.channel => {
                let by = options.string("by")?;
                Ok(Person::Unchecked(by.unwrap_or_else(|| carrier.to_string())))
            }
            _ => {
                session.map_or(Ok(()), |session| caller.require_session(session))?;
                channel::owner(options, &self.desk.matrix)
            }
        }
    }
}

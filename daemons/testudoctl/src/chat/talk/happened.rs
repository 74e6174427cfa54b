//! What can happen in a chat, and the streams of the daemons that it comes from.

use futures_util::StreamExt as _;
use testudo::approval::{Approval, Outcome};
use testudo::proxy::{
    Agent1Proxy, ApprovalRequestedStream, ApprovalResolvedStream, EventStream, Policy1Proxy,
};
use testudo::turn::{Event, Finished};
use zbus::proxy::OwnerChangedStream;

use crate::chat::console::Heard;
use crate::failure::{Doing as _, Failure};
use crate::link;

/// Something that the chat must look at.
pub(super) enum Happened {
    /// The person did something.
    Heard(Heard),
    /// Something happened in a session.
    Event { session: String, event: Box<Event> },
    /// A turn is over, by the answer of `Wait`.
    Ended(String, Result<Finished, Failure>),
    /// A person is asked.
    Requested(Box<Approval>),
    /// A question is settled.
    Resolved(Outcome),
    /// Ctrl-C without an editor.
    Interrupted,
    /// A daemon's stream has a gap.
    Gap(&'static str),
    /// A daemon is gone.
    Gone(&'static str),
    /// A daemon is back and has forgotten who followed it.
    Back(&'static str),
}

/// All signals of the daemons.
pub(super) struct Streams {
    events: EventStream,
    requested: ApprovalRequestedStream,
    resolved: ApprovalResolvedStream,
    agents: OwnerChangedStream<'static>,
    policies: OwnerChangedStream<'static>,
    /// The number of the last event; 0 before the first.
    last: u64,
    /// A number was missing before the event that was just given out.
    gap: bool,
}

impl Streams {
    pub(super) async fn open(
        agent: &Agent1Proxy<'static>,
        policy: &Policy1Proxy<'static>,
    ) -> Result<Self, Failure> {
        let doing = "listen to the daemons";
        Ok(Self {
            events: agent.receive_event().await.doing(doing)?,
            requested: policy.receive_approval_requested().await.doing(doing)?,
            resolved: policy.receive_approval_resolved().await.doing(doing)?,
            agents: agent.inner().receive_owner_changed().await.doing(doing)?,
            policies: policy.inner().receive_owner_changed().await.doing(doing)?,
            last: 0,
            gap: false,
        })
    }

    /// The next thing that a daemon says. What cannot be read counts as lost.
    pub(super) async fn next(&mut self) -> Happened {
        if std::mem::take(&mut self.gap) {
            return Happened::Gap("agentd");
        }
        tokio::select! {
            Some(signal) = self.events.next() => {
                let Ok(args) = signal.args() else { return Happened::Gap("agentd") };
                match link::read::<Event>("agentd", &args.event) {
                    Ok(event) => {
                        // An agentd that was restarted counts from 1 again.
                        self.gap = self.last > 0 && args.seq > self.last + 1;
                        self.last = args.seq;
                        Happened::Event { session: args.session.clone(), event: Box::new(event) }
                    }
                    Err(_) => Happened::Gap("agentd"),
                }
            }
            Some(signal) = self.requested.next() => {
                let Ok(args) = signal.args() else { return Happened::Gap("policyd") };
                link::read::<Approval>("policyd", &args.approval)
                    .map_or(Happened::Gap("policyd"), |approval| Happened::Requested(Box::new(approval)))
            }
            Some(signal) = self.resolved.next() => {
                let Ok(args) = signal.args() else { return Happened::Gap("policyd") };
                link::read::<Outcome>("policyd", &args.resolution)
                    .map_or(Happened::Gap("policyd"), Happened::Resolved)
            }
            Some(owner) = self.agents.next() => match owner {
                Some(_) => Happened::Back("agentd"),
                None => Happened::Gone("agentd"),
            },
            Some(owner) = self.policies.next() => match owner {
                Some(_) => Happened::Back("policyd"),
                None => Happened::Gone("policyd"),
            },
        }
    }
}

/// The turn that an event belongs to.
pub(super) fn turn_of(event: &Event) -> &str {
    match event {
        Event::TurnStarted { turn, .. }
        | Event::Text { turn, .. }
        | Event::CallStarted { turn, .. }
        | Event::CallOutput { turn, .. }
        | Event::CallFinished { turn, .. } => turn,
        Event::TurnFinished { turn } => &turn.turn,
    }
}

//! A gate that admits what the test lists, to where the test says, and remembers everything.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use testudo::config::egress::Egressd;
use testudo::egress::{Endpoint, Pass};
use testudo::identity::Principal;
use testudo_egressd::gate::{Admitted, Gate, Reason, Transfer, Traveller, Turned, Who, Wish};
use tokio::sync::watch;

/// The ticket of the one call that runs.
pub(crate) const TICKET: &str = "ticket-of-the-call";

/// The gate.
pub(crate) struct Fake {
    pub(crate) call: Arc<Traveller>,
    pub(crate) models: Arc<Traveller>,
    /// Where names lead.
    addresses: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
    pub(crate) seen: watch::Sender<Seen>,
}

/// What the gate was asked and told, in its order.
#[derive(Default, Clone)]
pub(crate) struct Seen {
    pub(crate) asked: Vec<Wish>,
    pub(crate) refused: Vec<Reason>,
    pub(crate) closed: Vec<Transfer>,
    pub(crate) withdrawn: usize,
}

/// A question that nobody answers; noted when it is withdrawn.
struct Question<'a>(&'a watch::Sender<Seen>);

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|seen| seen.withdrawn += 1);
    }
}

impl Fake {
    pub(crate) fn new(config: &Egressd, tunnels: Vec<Endpoint>) -> Self {
        let pass = Pass {
            call: "call-1".to_owned(),
            session: "session".to_owned(),
            requester: Principal::Operator("root".to_owned()),
            tool: "test.run".to_owned(),
            listed: Vec::new(),
            tunnels,
            unattended: false,
            approver: None,
        };
        Self {
            call: Arc::new(Traveller::new(Who::Call(pass), config)),
            models: Arc::new(Traveller::new(Who::Models, config)),
            addresses: Mutex::default(),
            seen: watch::Sender::default(),
        }
    }

    /// Lets a host be reached, at this address. Without addresses the question is never answered.
    pub(crate) fn admit(&self, host: &str, addresses: &[SocketAddr]) {
        self.addresses.lock().unwrap().insert(host.to_owned(), addresses.to_vec());
    }

    /// Waits until so many exchanges and tunnels were recorded as closed.
    pub(crate) async fn closed(&self, count: usize) -> Vec<Transfer> {
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.closed.len() >= count);
        crate::world::soon(seen).await.unwrap().closed.clone()
    }
}

impl Gate for Fake {
    fn ticket(&self, ticket: &str) -> Option<Arc<Traveller>> {
        (ticket == TICKET).then(|| Arc::clone(&self.call))
    }

    fn models(&self) -> Arc<Traveller> {
        Arc::clone(&self.models)
    }

    async fn admit(&self, _from: &Arc<Traveller>, wish: &Wish) -> Result<Admitted, Turned> {
        self.seen.send_modify(|seen| seen.asked.push(wish.clone()));
        let known = self.addresses.lock().unwrap().get(&wish.host.to_string()).cloned();
        match known {
            Some(addresses) if addresses.is_empty() => {
                let _question = Question(&self.seen);
                std::future::pending().await
            }
            Some(addresses) => Ok(Admitted { addresses, id: "1".to_owned() }),
            None => Err(Turned::new(Reason::Denied, "not on the list")),
        }
    }

    async fn refused(&self, _from: &Arc<Traveller>, _wish: Option<&Wish>, turned: &Turned) {
        self.seen.send_modify(|seen| seen.refused.push(turned.reason));
    }

    async fn closed(&self, _from: &Arc<Traveller>, _wish: &Wish, _admitted: &Admitted, transfer: &Transfer) {
        self.seen.send_modify(|seen| seen.closed.push(transfer.clone()));
    }
}

//! A tunnel: the name in its greeting is held against the host that was decided, and only then is it connected.
//!
//! What is said inside of its TLS is not seen: a server of several hosts can be asked there for another one than the
//! greeting names. Whoever needs method and path decided speaks `https` with the proxy instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use testudo::egress::{Host, Scheme};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep_until, timeout};

use crate::controls::Control;
use crate::gate::{Admitted, Gate, Reason, Transfer, Turned, Wish};
use crate::greeting::{self, Greeting};
use crate::proxy::{Proxy, Seat};
use crate::splice::splice;
use crate::upstream::connect;

/// Tells a client of TLS that its name is not known here: the alert `unrecognized_name`, fatal.
const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// One tunnel.
pub(crate) struct Tunnel<G> {
    proxy: Arc<Proxy<G>>,
    seat: Arc<Seat>,
    wish: Wish,
    admitted: Admitted,
    transfer: Transfer,
}

impl<G: Gate> Tunnel<G> {
    /// A tunnel that was admitted.
    pub(crate) fn new(proxy: Arc<Proxy<G>>, seat: Arc<Seat>, wish: Wish, admitted: Admitted) -> Self {
        let transfer = Transfer { sent: 0, received: 0, address: None, status: None, cut: None };
        Self { proxy, seat, wish, admitted, transfer }
    }

    /// Carries it until both sides or a limit end it, and records the end.
    pub(crate) async fn run(mut self, upgrade: OnUpgrade) {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        let seat = Arc::clone(&self.seat);
        let carried = tokio::select! {
            // First, for the end of the connection follows from them.
            biased;
            () = seat.traveller.closed() => Err(Turned::new(Reason::Ticket, "the call is over")),
            carried = self.carry(upgrade, &sent, &received) => carried,
            () = sleep_until(seat.deadline) => Err(Turned::new(Reason::Time, "the tunnel has lived long enough")),
        };
        self.transfer.cut = carried.err();
        self.transfer.sent = sent.load(Ordering::Relaxed);
        self.transfer.received = received.load(Ordering::Relaxed);
        self.proxy.gate.closed(&self.seat.traveller, &self.wish, &self.admitted, &self.transfer).await;
    }

    async fn carry(
        &mut self,
        upgrade: OnUpgrade,
        sent: &AtomicU64,
        received: &AtomicU64,
    ) -> Result<(), Turned> {
        let limits = self.proxy.limits;
        let late = |_| Turned::new(Reason::Time, "the tunnel's greeting does not come");
        let gone = |_| Turned::new(Reason::Gone, "the client hung up");
        let client = timeout(limits.head, upgrade).await.map_err(late)?.map_err(gone)?;
        let mut client = TokioIo::new(client);
        let mut first = BytesMut::new();
        if self.wish.scheme == Scheme::Tls && self.proxy.controls.has(Control::ServerName) {
            let greeted = timeout(limits.head, self.greeted(&mut client, &mut first)).await;
            if let Err(turned) = greeted.map_err(late).and_then(|greeted| greeted) {
                // A client that is gone needs no alert.
                let _sent = client.write_all(&ALERT).await;
                let _sent = client.shutdown().await;
                return Err(turned);
            }
        }
        let late = |_| Turned::new(Reason::Time, format!("cannot connect to {} in time", self.wish.host));
        let (server, address) =
            timeout(limits.connect, connect(&self.admitted.addresses)).await.map_err(late)??;
        self.transfer.address = Some(address);
        splice(client, server, first.freeze(), &limits, sent, received).await
    }

    /// Reads the greeting into `first`, and holds its name against the host.
    async fn greeted<S>(&self, client: &mut S, first: &mut BytesMut) -> Result<(), Turned>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let wrong =
            |why: &str| Turned::new(Reason::ServerName, format!("the tunnel's greeting is not taken: {why}"));
        loop {
            match greeting::read(first) {
                Greeting::More => {}
                Greeting::Refused(why) => return Err(wrong(why)),
                Greeting::Name(name) => {
                    return match (&self.wish.host, name) {
                        (Host::Name(host), Some(name)) if *host == name => Ok(()),
                        (Host::Name(host), Some(name)) => {
                            Err(wrong(&format!("it names {name:?}, and {host} was decided")))
                        }
                        (Host::Name(_), None) => Err(wrong("it names no host")),
                        (Host::Address(_), None) => Ok(()),
                        (Host::Address(_), Some(name)) => {
                            Err(wrong(&format!("it names {name:?}, and an address was decided")))
                        }
                    };
                }
            }
            if !matches!(client.read_buf(first).await, Ok(length) if length > 0) {
                return Err(wrong("it breaks off"));
            }
        }
    }
}

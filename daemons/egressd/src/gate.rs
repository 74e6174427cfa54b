//! What the data path asks before it lets anything through, and what it tells afterwards.
//!
//! The proxy knows bytes; a [`Gate`] knows tickets, names, addresses, decisions and the record. `admit` answers only
//! when the decision is made **and recorded**: bytes flow after it. Every [`Admitted`] is followed by one `closed`,
//! every refusal that the data path makes by itself by one `refused`.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use testudo::config::egress::Egressd;
use testudo::egress::{Host, Pass, Scheme};
use tokio::sync::watch;

use crate::bounds::Share;

/// On whose behalf something goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A running call, by its ticket.
    Call(Pass),
    /// `modeld`, by its socket.
    Models,
}

/// Someone who reaches out, with the share of the appliance that it may use.
#[derive(Debug)]
pub struct Traveller {
    /// Who.
    pub who: Who,
    pub(crate) share: Share,
    closed: watch::Sender<bool>,
}

impl Traveller {
    /// A traveller with the share that the configuration gives to each.
    pub fn new(who: Who, config: &Egressd) -> Self {
        Self { who, share: Share::new(config), closed: watch::Sender::new(false) }
    }

    /// Ends all of its connections at once, and every one that comes later.
    pub fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        let mut closed = self.closed.subscribe();
        // The sender is a field of `self`, so the channel cannot end while this waits.
        let _closed = closed.wait_for(|closed| *closed).await;
    }
}

/// What a request brings beside its head. Nobody is shown more of it than its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Load {
    /// No body.
    #[default]
    None,
    /// A body of so many bytes.
    Bytes(u64),
    /// A body whose end nobody has seen yet.
    Endless,
}

impl Load {
    /// The load of a body whose length is this, if it is known.
    pub const fn of(length: Option<u64>) -> Self {
        match length {
            Some(0) => Self::None,
            Some(length) => Self::Bytes(length),
            None => Self::Endless,
        }
    }
}

/// One thing that a traveller wants to reach, in the one accepted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// How it is spoken.
    pub scheme: Scheme,
    /// Where.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The method in capitals; empty for `tls` and `tcp`.
    pub method: String,
    /// The path without its query, beginning with `/`; "/" for `tls` and `tcp`.
    pub path: String,
    /// What follows the `?`, if there is one.
    pub query: Option<String>,
    /// Names of the secrets that the request asks to carry; each is bound to this destination already.
    pub secrets: Vec<String>,
    /// Its body.
    pub load: Load,
}

impl Wish {
    /// A connection whose content is not seen.
    pub fn opaque(scheme: Scheme, host: Host, port: u16) -> Self {
        let (method, path) = (String::new(), "/".to_owned());
        Self { scheme, host, port, method, path, query: None, secrets: Vec::new(), load: Load::None }
    }

    /// Whether it only looks: all that it says to the other side is in its head, which is shown to whoever decides.
    pub fn is_look(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") && self.load == Load::None
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.word(), self.host, self.port)?;
        if self.method.is_empty() { Ok(()) } else { write!(f, "{} ({})", self.path, self.method) }
    }
}

/// A wish that was granted and recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The addresses that were checked, in the order in which to try them; no other is connected to.
    pub addresses: Vec<SocketAddr>,
    /// Names the record of the opening, so that the closing can be tied to it.
    pub id: String,
}

/// Why a request or a connection was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not the one canonical form.
    Form,
    /// No ticket of a running call.
    Ticket,
    /// Decided against: by a rule or by a person.
    Denied,
    /// Nobody answered the question in time.
    Unanswered,
    /// The address is of this machine or its networks, or of nobody.
    Address,
    /// The name has no address.
    Name,
    /// The greeting names another host, or none.
    ServerName,
    /// A secret where it must not go.
    Secret,
    /// Too many bytes.
    Size,
    /// Too many at once or in a minute.
    Rate,
    /// The client or the server took too long.
    Time,
    /// The client hung up.
    Gone,
    /// The address does not answer, or not with a certificate for the name.
    Unreachable,
    /// The server answers something that is not taken.
    Answer,
    /// Deciding or recording is not possible now.
    Unavailable,
}

impl Reason {
    /// The code in the answer and in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Ticket => "ticket",
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Address => "address",
            Self::Name => "name",
            Self::ServerName => "server-name",
            Self::Secret => "secret",
            Self::Size => "size",
            Self::Rate => "rate",
            Self::Time => "time",
            Self::Gone => "gone",
            Self::Unreachable => "unreachable",
            Self::Answer => "answer",
            Self::Unavailable => "unavailable",
        }
    }

    /// The status of the HTTP answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Form | Self::Gone => 400,
            Self::Denied | Self::Unanswered | Self::Address | Self::ServerName | Self::Secret => 403,
            Self::Ticket => 407,
            Self::Size => 413,
            Self::Rate => 429,
            Self::Name | Self::Unreachable | Self::Answer => 502,
            Self::Unavailable => 503,
            Self::Time => 504,
        }
    }
}

/// A refusal: the reason, and a sentence for whoever asked. The sentence never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Turned {
    /// The reason.
    pub reason: Reason,
    /// What a person reads.
    pub sentence: String,
}

impl Turned {
    /// A refusal.
    pub fn new(reason: Reason, sentence: impl Into<String>) -> Self {
        Self { reason, sentence: sentence.into() }
    }
}

/// What went through, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes to the other side.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
    /// Where it was connected to; none when it was not reached.
    pub address: Option<SocketAddr>,
    /// The status of the answer, where there is one.
    pub status: Option<u16>,
    /// Why it was cut off or never began; none when both sides ended it.
    pub cut: Option<Turned>,
}

/// Tickets, decisions and the record, as the data path needs them.
pub trait Gate: Send + Sync + 'static {
    /// The running call that a ticket belongs to.
    fn ticket(&self, ticket: &str) -> Option<Arc<Traveller>>;

    /// The traveller behind the socket of `modeld`.
    fn models(&self) -> Arc<Traveller>;

    /// Decides, resolves, checks the addresses and records the opening, in this order of what a client may learn.
    /// A refusal is recorded too. Dropping the future withdraws the question.
    fn admit(
        &self,
        from: &Arc<Traveller>,
        wish: &Wish,
    ) -> impl Future<Output = Result<Admitted, Turned>> + Send;

    /// Records a refusal that the data path made before it asked; `wish` as far as it was understood.
    fn refused(
        &self,
        from: &Arc<Traveller>,
        wish: Option<&Wish>,
        turned: &Turned,
    ) -> impl Future<Output = ()> + Send;

    /// Records how an admitted wish ended. Called once for each.
    fn closed(
        &self,
        from: &Arc<Traveller>,
        wish: &Wish,
        admitted: &Admitted,
        transfer: &Transfer,
    ) -> impl Future<Output = ()> + Send;
}

//! What happens to one request: form, rate, secrets, decision, and then the exchange or the tunnel.
//!
//! Nothing is sent and no name is looked up before the gate admitted the request. Start at [`Proxy::answer`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response};
use testudo::config::egress::Egressd;
use testudo::egress::{Host, Scheme};
use tokio::sync::{Mutex, OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use crate::answer::{self, Body, refusal};
use crate::bounds::Limits;
use crate::controls::{Control, Controls};
use crate::exchange::{Exchange, Outgoing};
use crate::fields;
use crate::gate::{Gate, Load, Reason, Traveller, Turned, Who, Wish};
use crate::request::{self, Asked};
use crate::screen::Verdict;
use crate::secrets::{self, Secrets};
use crate::tunnel::Tunnel;
use crate::upload::Upload;
use crate::upstream::{Connector, ConnectorError, Line};

/// The proxy: everything that is the same for all connections.
pub struct Proxy<G> {
    pub(crate) gate: Arc<G>,
    pub(crate) limits: Limits,
    pub(crate) controls: Controls,
    pub(crate) secrets: Secrets,
    pub(crate) connector: Connector,
}

/// One connection of a client.
pub(crate) struct Seat {
    /// Whose it is.
    pub(crate) traveller: Arc<Traveller>,
    /// When it ends at the latest.
    pub(crate) deadline: Instant,
    /// What it brought back so far.
    pub(crate) received: AtomicU64,
    /// A connection to a server that waits for the client's next request.
    pub(crate) line: Mutex<Option<Line>>,
    /// Its places among those of its traveller and of its socket, until it and its tunnel end.
    #[expect(dead_code, reason = "held until the connection ends, never read")]
    pub(crate) room: Vec<OwnedSemaphorePermit>,
}

impl<G: Gate> Proxy<G> {
    /// A proxy in front of a gate.
    ///
    /// # Errors
    /// A configured authority cannot be read.
    pub fn new(
        gate: Arc<G>,
        config: &Egressd,
        controls: Controls,
        secrets: Secrets,
    ) -> Result<Self, ConnectorError> {
        let limits = if controls.has(Control::Bounds) { Limits::new(config) } else { Limits::none() };
        Ok(Self { gate, limits, controls, secrets, connector: Connector::new(&config.authorities)? })
    }

    /// Answers one request; a refusal is an answer, too.
    pub(crate) async fn answer(
        self: Arc<Self>,
        seat: Arc<Seat>,
        verdict: Verdict,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let tunnel = *request.method() == Method::CONNECT;
        match self.take(&seat, &verdict, request).await {
            Ok(response) => response,
            Err(turned) => {
                let mut response = refusal(&turned);
                if tunnel {
                    // What follows the head of a CONNECT passed the screen unread, as a tunnel's, so it is never parsed.
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }

    async fn take(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        verdict: &Verdict,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Turned> {
        self.start(&seat.traveller).await?;
        let form = self.controls.has(Control::Form);
        let read = match verdict.get() {
            Some(why) => Err(Turned::new(Reason::Form, format!("cannot take the request: {why}"))),
            None => read(&request, form),
        };
        match read {
            Ok(Asked::Forward(wish)) => self.forward(seat, wish, request).await,
            Ok(Asked::Tunnel(host, port)) => self.tunnel(seat, host, port, request).await,
            Err(turned) => Err(self.refused(&seat.traveller, None, turned).await),
        }
    }

    /// Counts a start against the traveller's share.
    pub(crate) async fn start(&self, traveller: &Arc<Traveller>) -> Result<(), Turned> {
        if !self.controls.has(Control::Bounds) || traveller.share.start() {
            return Ok(());
        }
        Err(self.crowded(traveller, "too many requests in a minute").await)
    }

    /// A refusal for want of room; only the first of a row is recorded, or the record would be the flood.
    pub(crate) async fn crowded(&self, traveller: &Arc<Traveller>, why: &str) -> Turned {
        let turned = Turned::new(Reason::Rate, why);
        if traveller.share.tell() { self.refused(traveller, None, turned).await } else { turned }
    }

    async fn refused(&self, from: &Arc<Traveller>, wish: Option<&Wish>, turned: Turned) -> Turned {
        self.gate.refused(from, wish, &turned).await;
        turned
    }

    async fn forward(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        mut wish: Wish,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Turned> {
        let (mut parts, body) = request.into_parts();
        let from = &seat.traveller;
        let upload = match self.prepare(&mut wish, &mut parts) {
            Ok(()) => Upload::begin(body, self.limits, self.controls.has(Control::Binding)).await,
            Err(turned) => Err(turned),
        };
        let upload = match upload {
            Ok(upload) => upload,
            Err(turned) => return Err(self.refused(from, Some(&wish), turned).await),
        };
        wish.load = Load::of(upload.length());
        let admitted = self.gate.admit(from, &wish).await?;
        let outgoing = Outgoing { method: parts.method, headers: parts.headers, upload };
        let exchange = Exchange::new(Arc::clone(self), Arc::clone(seat), wish, admitted);
        // Of its own, so that its end is recorded also when the client is gone.
        let (sender, answer) = oneshot::channel();
        tokio::spawn(exchange.run(outgoing, sender));
        answer.await.map_err(|_| Turned::new(Reason::Unavailable, "the exchange was broken off"))
    }

    /// Everything about a request that can be judged from its head, and the secrets that it names.
    fn prepare(&self, wish: &mut Wish, parts: &mut Parts) -> Result<(), Turned> {
        let bound = self.controls.has(Control::Binding);
        let target = [wish.path.as_str(), wish.query.as_deref().unwrap_or_default()];
        if bound && target.iter().any(|part| secrets::holds(part.as_bytes())) {
            return Err(secrets::misplaced("a path or a query"));
        }
        let names = secrets::names(&parts.headers)?;
        self.secrets.check(&names, wish, bound)?;
        if bound {
            self.secrets.shaped(&names, &parts.headers)?;
        }
        wish.secrets = names;
        let watched = self.controls.has(Control::Redaction)
            && (!wish.secrets.is_empty() || !self.secrets.watched(wish).is_empty());
        fields::of_request(&mut parts.headers, self.controls.has(Control::Form), watched)
    }

    async fn tunnel(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        host: Host,
        port: u16,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Turned> {
        let from = &seat.traveller;
        let (scheme, declared) = declared(from, &host, port);
        let wish = Wish::opaque(scheme, host, port);
        let named = !matches!(wish.host, Host::Address(_));
        let turned = if request.headers().values().any(|value| secrets::holds(value.as_bytes())) {
            Some(secrets::misplaced("a tunnel"))
        } else if self.controls.has(Control::Binding) && self.secrets.bound_to(&wish.host) {
            let why = format!(
                "a secret is bound to {}, so it is reached by requests and not by a tunnel",
                wish.host
            );
            Some(Turned::new(Reason::Secret, why))
        } else if !named && !declared && self.controls.has(Control::ServerName) {
            let why =
                "an address can only be a tunnel's end when the call declared it: there is no name to check";
            Some(Turned::new(Reason::ServerName, why))
        } else {
            None
        };
        if let Some(turned) = turned {
            return Err(self.refused(from, Some(&wish), turned).await);
        }
        let admitted = self.gate.admit(from, &wish).await?;
        let upgrade = hyper::upgrade::on(&mut request);
        let tunnel = Tunnel::new(Arc::clone(self), Arc::clone(seat), wish, admitted);
        tokio::spawn(tunnel.run(upgrade));
        Ok(Response::new(answer::whole(bytes::Bytes::new()).boxed()))
    }
}

fn read(request: &Request<Incoming>, strict: bool) -> Result<Asked, Turned> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let uri = request.uri();
    let target = match uri.authority() {
        Some(authority) if *request.method() == Method::CONNECT => authority.to_string(),
        _ => uri.to_string(),
    };
    request::read(request.method(), &target, host, strict)
}

/// How a tunnel is spoken, and whether the call said beforehand that it would be there.
fn declared(from: &Traveller, host: &Host, port: u16) -> (Scheme, bool) {
    let Who::Call(pass) = &from.who else { return (Scheme::Tls, false) };
    let is =
        |scheme| move |endpoint: &testudo::egress::Endpoint| endpoint.covers(scheme, host, port, "", "/");
    if pass.tunnels.iter().any(is(Scheme::Tcp)) {
        return (Scheme::Tcp, true);
    }
    (Scheme::Tls, pass.tunnels.iter().chain(&pass.listed).any(is(Scheme::Tls)))
}

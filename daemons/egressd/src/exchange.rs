//! One admitted request and its answer: sent, received, searched for secrets, and recorded at its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use crate::answer::{Body, refusal};
use crate::controls::Control;
use crate::fields;
use crate::gate::{Admitted, Gate, Reason, Transfer, Turned, Who, Wish};
use crate::needles::{Blotter, Needles};
use crate::pipe::{Cut, Pipe, Writer};
use crate::proxy::{Proxy, Seat};
use crate::upload::{Sending, Upload};
use crate::upstream::Line;

/// How long a connection that carried a request may take to be ready for the next before a new one is opened.
const READY: Duration = Duration::from_millis(50);

/// What is left of a request when it was admitted.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) upload: Upload,
}

/// One exchange.
pub(crate) struct Exchange<G> {
    proxy: Arc<Proxy<G>>,
    seat: Arc<Seat>,
    wish: Wish,
    admitted: Admitted,
    needles: Vec<Arc<Needles>>,
    transfer: Transfer,
    /// Where the rest of the answer goes once its head was given.
    writer: Option<Writer>,
    sending: Arc<Sending>,
}

type Answer = oneshot::Sender<Response<Body>>;

impl<G: Gate> Exchange<G> {
    /// An exchange that has not begun.
    pub(crate) fn new(proxy: Arc<Proxy<G>>, seat: Arc<Seat>, wish: Wish, admitted: Admitted) -> Self {
        let mut needles = Vec::new();
        if proxy.controls.has(Control::Redaction) {
            needles = proxy.secrets.watched(&wish);
            let named = proxy.secrets.named(&wish.secrets);
            needles.extend(named.into_iter().filter(|needle| {
                !proxy.secrets.watched(&wish).iter().any(|known| Arc::ptr_eq(known, needle))
            }));
        }
        let transfer = Transfer { sent: 0, received: 0, address: None, status: None, cut: None };
        Self { proxy, seat, wish, admitted, needles, transfer, writer: None, sending: Arc::default() }
    }

    /// Carries it out, gives the head of the answer or a refusal to `answer`, and records the end.
    pub(crate) async fn run(mut self, outgoing: Outgoing, answer: Answer) {
        let (seat, mut answer) = (Arc::clone(&self.seat), Some(answer));
        let carried = tokio::select! {
            // First, for the end of the connection follows from them.
            biased;
            () = seat.traveller.closed() => Err(Turned::new(Reason::Ticket, "the call is over")),
            carried = self.carry(outgoing, &mut answer) => carried,
            () = sleep_until(seat.deadline) => Err(Turned::new(Reason::Time, "the connection has lived long enough")),
        };
        self.transfer.sent += self.sending.sent.load(Ordering::Relaxed);
        if let Err(turned) = carried {
            let turned = self.sending.cut.get().cloned().unwrap_or(turned);
            if let Some(writer) = &self.writer {
                // A client that is gone, or does not read, needs no end.
                let _sent = writer.try_send(Err(Cut));
            }
            // Recorded before the client knows, as every refusal.
            self.transfer.cut = Some(turned);
        }
        self.proxy.gate.closed(&self.seat.traveller, &self.wish, &self.admitted, &self.transfer).await;
        if let (Some(answer), Some(turned)) = (answer, &self.transfer.cut) {
            let _gone = answer.send(refusal(turned));
        }
    }

    async fn carry(&mut self, outgoing: Outgoing, answer: &mut Option<Answer>) -> Result<(), Turned> {
        let response = {
            let gone = async {
                match answer.as_mut() {
                    Some(answer) => answer.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                response = self.ask(outgoing) => response?,
                () = gone => return Err(departed()),
            }
        };
        let (line, response) = response;
        self.transfer.status = Some(response.status().as_u16());
        let (mut head, body) = response.into_parts();
        self.examine(head.status, &mut head.headers)?;
        let left = self.proxy.limits.response.saturating_sub(self.seat.received.load(Ordering::Relaxed));
        let length = body.size_hint().exact();
        if length.is_some_and(|length| length > left) {
            return Err(self.too_long());
        }
        let (writer, pipe) = Pipe::new(length.filter(|_| self.needles.is_empty()));
        self.writer = Some(writer.clone());
        let mut response = Response::new(pipe.boxed());
        (*response.status_mut(), *response.headers_mut()) = (head.status, head.headers);
        let asked = answer.take().ok_or_else(departed)?;
        asked.send(response).map_err(|_| departed())?;
        self.pump(body, &writer).await?;
        *self.seat.line.lock().await = Some(line.rest());
        self.writer = None;
        Ok(())
    }

    /// Sends the request and waits for the head of its answer.
    async fn ask(&mut self, outgoing: Outgoing) -> Result<(Line, Response<Incoming>), Turned> {
        let mut request = self.request(outgoing)?;
        let mut waiting = self.seat.line.lock().await.take();
        if let Some(line) = &mut waiting {
            let ready = line.serves(&self.wish, &self.admitted.addresses)
                && matches!(timeout(READY, line.sender.ready()).await, Ok(Ok(())));
            waiting = waiting.filter(|_| ready);
        }
        if let Some(mut line) = waiting {
            match self.send(&mut line, request).await? {
                Sent::Answer(response) => return Ok((line, response)),
                // It ended while it waited; not a byte of this request was sent.
                Sent::Back(back) => request = back,
            }
        }
        let mut line = self.line().await?;
        match self.send(&mut line, request).await? {
            Sent::Answer(response) => Ok((line, response)),
            Sent::Back(_) => Err(Turned::new(Reason::Unreachable, "the server hung up before it was asked")),
        }
    }

    fn request(&mut self, outgoing: Outgoing) -> Result<Request<Body>, Turned> {
        let Outgoing { method, mut headers, upload } = outgoing;
        self.proxy.secrets.fill(&mut headers)?;
        headers.remove(CONTENT_LENGTH);
        if self.proxy.controls.has(Control::Form) {
            headers.insert(HOST, self.host()?);
        }
        let query = self.wish.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}{query}", self.wish.path);
        self.transfer.sent += (method.as_str().len() + target.len()) as u64 + fields::weight(&headers);
        let (body, sending) = upload.send();
        self.sending = sending;
        let wrong = |_| Turned::new(Reason::Form, "cannot take the request: its path is none");
        let mut request = Request::builder().method(method).uri(target).body(body).map_err(wrong)?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn host(&self) -> Result<HeaderValue, Turned> {
        let Wish { scheme, host, port, .. } = &self.wish;
        let host = if scheme.port() == Some(*port) { host.to_string() } else { format!("{host}:{port}") };
        host.try_into().map_err(|_| Turned::new(Reason::Form, "its host is none"))
    }

    async fn line(&mut self) -> Result<Line, Turned> {
        let addresses: &[SocketAddr] = &self.admitted.addresses;
        let opening = timeout(self.proxy.limits.connect, self.proxy.connector.line(&self.wish, addresses));
        let late = |_| Turned::new(Reason::Time, format!("cannot connect to {} in time", self.wish.host));
        opening.await.map_err(late)?
    }

    async fn send(&mut self, line: &mut Line, request: Request<Body>) -> Result<Sent, Turned> {
        self.transfer.address = Some(line.address);
        match timeout(self.quiet(), line.sender.try_send_request(request)).await {
            Ok(Ok(response)) => Ok(Sent::Answer(response)),
            Ok(Err(mut error)) => match error.take_message() {
                Some(request) => Ok(Sent::Back(request)),
                None => {
                    Err(Turned::new(Reason::Answer, format!("the server does not answer: {}", error.error())))
                }
            },
            Err(_) => Err(Turned::new(Reason::Time, "the server does not answer in time")),
        }
    }

    /// Strips the head of an answer, refuses what is not taken, and blots out secrets.
    fn examine(&self, status: StatusCode, headers: &mut HeaderMap) -> Result<(), Turned> {
        let wrong =
            |why: &str| Err(Turned::new(Reason::Answer, format!("the server's answer is not taken: {why}")));
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return wrong("it changes the protocol");
        }
        let only = |name, word: &str| {
            let mut values = headers.get_all(name).iter();
            values.all(|value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
        };
        if !only(TRANSFER_ENCODING, "chunked") {
            return wrong("its transfer encoding is not plain chunked");
        }
        if !self.needles.is_empty() && !only(CONTENT_ENCODING, "identity") {
            return wrong("it is compressed, so that no secret could be found in it");
        }
        fields::of_answer(headers);
        if self.needles.is_empty() {
            return Ok(());
        }
        headers.remove(CONTENT_LENGTH);
        let hides = |name: &[u8]| self.needles.iter().any(|needles| needles.hides_in(name));
        let names: Vec<_> = headers.keys().filter(|name| hides(name.as_str().as_bytes())).cloned().collect();
        for name in names {
            headers.remove(name);
        }
        for value in headers.values_mut() {
            for needles in &self.needles {
                let (blotted, found) = needles.replace(value.as_bytes());
                if found {
                    *value = HeaderValue::from_bytes(&blotted)
                        .unwrap_or_else(|_| HeaderValue::from_static("[secret]"));
                }
            }
        }
        Ok(())
    }

    /// Hands the body on, piece by piece.
    async fn pump(&mut self, mut body: Incoming, writer: &Writer) -> Result<(), Turned> {
        let mut blotters: Vec<Blotter> = self.needles.iter().cloned().map(Blotter::new).collect();
        loop {
            let frame = timeout(self.quiet(), body.frame()).await;
            let Some(frame) = frame.map_err(|_| Turned::new(Reason::Time, "the answer stopped coming"))?
            else {
                break;
            };
            let broken = |error| Turned::new(Reason::Answer, format!("the answer breaks off: {error}"));
            // Trailers end here.
            let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
            let length = piece.len() as u64;
            self.transfer.received += length;
            let all = self.seat.received.fetch_add(length, Ordering::Relaxed).saturating_add(length);
            if all > self.proxy.limits.response {
                return Err(self.too_long());
            }
            let piece = blotters.iter_mut().fold(piece, |piece, blotter| self.noted(blotter.feed(&piece)));
            self.hand(writer, piece).await?;
        }
        // What the first held may be the end of what the second looks for.
        let mut last = Bytes::new();
        for blotter in &mut blotters {
            let (before, after) = (self.noted(blotter.feed(&last)), self.noted(blotter.end()));
            last = [before, after].concat().into();
        }
        self.hand(writer, last).await
    }

    fn noted(&self, (piece, found): (Vec<u8>, bool)) -> Bytes {
        if found {
            tracing::warn!("{} sent a secret back, which was blotted out", self.wish.host);
        }
        piece.into()
    }

    async fn hand(&self, writer: &Writer, piece: Bytes) -> Result<(), Turned> {
        if piece.is_empty() {
            return Ok(());
        }
        match timeout(self.proxy.limits.idle, writer.send(Ok(piece))).await {
            Ok(sent) => sent.map_err(|_| departed()),
            Err(_) => Err(Turned::new(Reason::Time, "the client does not read the answer")),
        }
    }

    /// How long a server may be silent. A model thinks before it speaks, and `modeld` has a limit of its own for that.
    fn quiet(&self) -> Duration {
        match self.seat.traveller.who {
            Who::Call(_) => self.proxy.limits.idle,
            Who::Models => self.proxy.limits.lifetime,
        }
    }

    fn too_long(&self) -> Turned {
        let limit = self.proxy.limits.response;
        Turned::new(Reason::Size, format!("the connection brings back more than {limit} bytes"))
    }
}

/// What became of a request that was sent.
enum Sent {
    Answer(Response<Incoming>),
    /// The connection ended before a byte of it was sent.
    Back(Request<Body>),
}

fn departed() -> Turned {
    Turned::new(Reason::Gone, "the client hung up")
}

//! Takes connections on both sockets, sees who comes, and speaks HTTP with them.
//!
//! Whoever connects is known twice: by the user of the process, which the kernel says, and on the socket of the calls
//! by a ticket. Root is no exception: nothing of the appliance that runs as root has a reason to come here. The
//! service needs the host's user namespace, for in another one the kernel would say the wrong user.
//!
//! To start it: `serve(activation::doors()?, Arc::new(Proxy::new(gate, &config, controls, secrets)?))`.

use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::unistd::Uid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::answer;
use crate::bounds::{TOTAL, UNGREETED};
use crate::controls::Control;
use crate::gate::{Gate, Reason, Traveller, Turned};
use crate::head::{MAX_HEAD, MAX_HEADERS};
use crate::hello;
use crate::prefixed::Prefixed;
use crate::proxy::{Proxy, Seat};
use crate::screen::Screen;

/// How long to wait when the kernel has no descriptor for a connection.
const BREATH: Duration = Duration::from_millis(100);

/// Who comes through a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Calls, each with its ticket.
    Calls,
    /// `modeld`.
    Models,
}

/// A listening socket.
#[derive(Debug)]
pub struct Door {
    /// The socket; it does not block.
    pub listener: UnixListener,
    /// Who comes through it.
    pub side: Side,
    /// The only user whose processes are let in.
    pub user: Uid,
}

/// Serves the sockets for ever.
///
/// # Errors
/// A socket cannot be used.
pub async fn serve<G: Gate>(doors: Vec<Door>, proxy: Arc<Proxy<G>>) -> io::Result<()> {
    let mut serving = JoinSet::new();
    for door in doors {
        let listener = tokio::net::UnixListener::from_std(door.listener)?;
        serving.spawn(take(listener, door.side, door.user, Arc::clone(&proxy)));
    }
    while serving.join_next().await.is_some() {}
    Ok(())
}

async fn take<G: Gate>(listener: tokio::net::UnixListener, side: Side, user: Uid, proxy: Arc<Proxy<G>>) {
    // Of its own for each socket, so that the calls cannot keep modeld out.
    let (all, doorstep) = (Arc::new(Semaphore::new(TOTAL)), Arc::new(Semaphore::new(UNGREETED)));
    loop {
        let Ok(step) = Arc::clone(&doorstep).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => match stream.peer_cred() {
                Ok(peer) if peer.uid() == user.as_raw() => {
                    tokio::spawn(attend(stream, side, Arc::clone(&proxy), step, Arc::clone(&all)));
                }
                Ok(peer) => tracing::warn!("refused a connection of the user {}", peer.uid()),
                Err(error) => tracing::warn!("cannot see who connects: {error}"),
            },
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}");
                sleep(BREATH).await;
            }
        }
    }
}

/// One connection from its first to its last byte: on the doorstep until it is known whose it is, and then inside.
async fn attend<G: Gate>(
    mut stream: UnixStream,
    side: Side,
    proxy: Arc<Proxy<G>>,
    step: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
) {
    let deadline = Instant::now() + proxy.limits.lifetime;
    let greeted = match timeout(proxy.limits.greeting, hello::read(&mut stream)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(Turned::new(Reason::Time, "the first frame does not come")),
    };
    let admitted = match greeted {
        Ok((hello, rest)) => let_in(side, hello.ticket, &proxy).await.map(|(who, own)| (who, own, rest)),
        Err(turned) => Err(turned),
    };
    let (traveller, own, rest) = match admitted {
        Ok(admitted) => admitted,
        Err(turned) => {
            tracing::info!("turned a connection away: {turned}");
            // Whoever hung up, or does not read, is not waited for.
            let bytes = answer::bare(&turned);
            let _sent = timeout(proxy.limits.greeting, stream.write_all(bytes.as_bytes())).await;
            return;
        }
    };
    // When all is full it waits on the doorstep, and so do those after it.
    let Ok(room) = all.acquire_owned().await else { return };
    drop(step);
    let room = own.into_iter().chain([room]).collect();
    let seat = Seat { traveller, deadline, received: 0.into(), line: Mutex::new(None), room };
    converse(stream, rest, proxy, Arc::new(seat)).await;
}

/// The traveller behind a connection, with a place among its own.
async fn let_in<G: Gate>(
    side: Side,
    ticket: Option<String>,
    proxy: &Proxy<G>,
) -> Result<(Arc<Traveller>, Option<OwnedSemaphorePermit>), Turned> {
    let traveller = match (side, ticket) {
        (Side::Calls, Some(ticket)) => proxy.gate.ticket(&ticket),
        (Side::Models, None) => Some(proxy.gate.models()),
        (Side::Calls, None) | (Side::Models, Some(_)) => None,
    };
    let unknown = || Turned::new(Reason::Ticket, "this is not the ticket of a running call");
    let traveller = traveller.filter(|traveller| !traveller.is_closed()).ok_or_else(unknown)?;
    if !proxy.controls.has(Control::Bounds) {
        return Ok((traveller, None));
    }
    match traveller.share.connection() {
        Some(place) => Ok((traveller, Some(place))),
        None => Err(proxy.crowded(&traveller, "too many connections at once").await),
    }
}

async fn converse<G: Gate>(stream: UnixStream, rest: bytes::Bytes, proxy: Arc<Proxy<G>>, seat: Arc<Seat>) {
    let strict = proxy.controls.has(Control::Form);
    let (screen, verdict) = Screen::new(Prefixed::new(rest, stream), strict);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    http.header_read_timeout(proxy.controls.has(Control::Bounds).then_some(proxy.limits.head));
    let answering = Arc::clone(&seat);
    let service = service_fn(move |request| {
        let answer = Arc::clone(&proxy).answer(Arc::clone(&answering), Arc::clone(&verdict), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let conversation = http.serve_connection(TokioIo::new(screen), service).with_upgrades();
    tokio::select! {
        ended = conversation => if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        },
        () = seat.traveller.closed() => {}
        () = sleep_until(seat.deadline) => {}
    }
}

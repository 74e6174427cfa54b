//! The socket: one connection, from `policyd`, for the life of the process.
//!
//! ```text
//!  activation ─▶ load ─▶ READY=1 ─▶ accept ─▶ hello ─▶ evaluations ─▶ hang-up: exit 0
//!                  └─ bad: tell who connected, exit 78
//! ```
//! The next connection starts the next process, so whoever reconnects has a fresh one.

use std::sync::Arc;
use std::time::Duration;

use testudo::config::Config;
use testudo::daemon::{DaemonError, Lifecycle};
use testudo::extension::{MAX_FRAME, Reply, Request};
use testudo::frame::{self, FrameError};
use testudo::limits::{self, Limits};
use thiserror::Error;
use tokio::io::BufReader;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use crate::activation;
use crate::component::Components;

/// Requests that may be under way; further ones wait in the socket.
const PENDING: usize = 32;

/// The limits of a request.
const REQUEST: Limits = Limits { message: MAX_FRAME, string: MAX_FRAME, depth: 8 };

/// How long the news of a refusal may take; who does not listen learns it from the hang-up.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a connection ended before its time.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// The framing is broken, or the peer gone.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame is no request.
    #[error("cannot take the request: {0}")]
    Request(#[from] limits::LimitError),
}

/// Serves one connection with the components of the configuration.
///
/// # Errors
/// A component cannot be loaded; there is no socket; the connection was misused.
pub async fn serve(config: Config, lifecycle: Lifecycle) -> Result<(), DaemonError> {
    let listener = activation::listener().map_err(DaemonError::failed)?;
    let listener = UnixListener::from_std(listener).map_err(DaemonError::failed)?;
    let paths = config.extension.components;
    let loaded = tokio::task::spawn_blocking(move || Components::load(&paths)).await;
    let components = match loaded.map_err(DaemonError::failed)? {
        Ok(components) => Arc::new(components),
        Err(error) => {
            refuse(&listener, &error.to_string()).await;
            return Err(DaemonError::Config(error.to_string()));
        }
    };
    let status = format!("Judging with {} components.", components.count());
    // Both the way to the workers and the workers themselves answer, or the watchdog does.
    let workers = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
    let alive = || async {
        let Ok(_permit) = workers.acquire().await else { return false };
        tokio::task::spawn_blocking(|| ()).await.is_ok()
    };
    let connection = async {
        let (stream, _) = listener.accept().await.map_err(FrameError::from)?;
        // From here on nobody else is heard, and who knocks is served by the next process.
        drop(listener);
        converse(stream, components, Arc::clone(&workers)).await
    };
    tokio::select! {
        () = lifecycle.serve_until_stopped(&status, alive) => Ok(()),
        ended = connection => ended.map_err(DaemonError::failed),
    }
}

/// Tells who waits already, if anybody does, why there will be no service.
async fn refuse(listener: &UnixListener, reason: &str) {
    let tell = async {
        let (mut stream, _) = listener.accept().await.ok()?;
        let text = serde_json::to_vec(&Reply::Refused { reason: reason.to_owned() }).ok()?;
        frame::write(&mut stream, text, MAX_FRAME).await.ok()
    };
    // Without a caller the wait for one ends here too.
    let _ = tokio::time::timeout(FAREWELL, tell).await;
}

/// Answers one peer until it hangs up.
async fn converse(
    stream: UnixStream,
    components: Arc<Components>,
    workers: Arc<Semaphore>,
) -> Result<(), ConnectionError> {
    let (reading, writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let (replies, queue) = mpsc::channel(PENDING);
    let writer = tokio::spawn(send(writing, queue));
    let pending = Arc::new(Semaphore::new(PENDING));
    let _ = replies.send(Reply::Hello { components: components.list() }).await;
    while let Some(text) = frame::read(&mut reading, MAX_FRAME).await? {
        let text = String::from_utf8_lossy(&text);
        let Request::Evaluate { id, facts } = limits::parse(&text, REQUEST)?;
        // The semaphores are never closed; if they were, nothing would be answered, which is a denial.
        let Ok(place) = Arc::clone(&pending).acquire_owned().await else { break };
        let (place, facts) = (Arc::new(place), Arc::new(facts));
        for index in 0..components.count() {
            let (components, facts, place) =
                (Arc::clone(&components), Arc::clone(&facts), Arc::clone(&place));
            let (workers, replies) = (Arc::clone(&workers), replies.clone());
            tokio::spawn(async move {
                let _place = place;
                let Ok(_permit) = workers.acquire().await else { return };
                let judged = tokio::task::spawn_blocking(move || components.evaluate(index, &facts)).await;
                if let Ok(Some(opinion)) = judged {
                    let _ = replies.send(Reply::Opinion { id, opinion }).await;
                }
            });
        }
    }
    // Nobody waits for what is still under way.
    writer.abort();
    Ok(())
}

async fn send(mut stream: OwnedWriteHalf, mut queue: mpsc::Receiver<Reply>) {
    while let Some(reply) = queue.recv().await {
        let Ok(text) = serde_json::to_vec(&reply) else { continue };
        if frame::write(&mut stream, text, MAX_FRAME).await.is_err() {
            return;
        }
    }
}

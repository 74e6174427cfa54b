//! Bytes in both directions, with a limit for each and one for silence.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::{Instant, sleep_until};

use crate::bounds::Limits;
use crate::gate::{Reason, Turned};

const PIECE: usize = 32 * 1024;

/// Joins two streams until both have ended, or one breaks. `first` was read from the client already. What a tunnel sends
/// is bounded as the body of a request, what it brings back as the answers of a connection.
pub(crate) async fn splice<C, S>(
    client: C,
    server: S,
    first: Bytes,
    limits: &Limits,
    sent: &AtomicU64,
    received: &AtomicU64,
) -> Result<(), Turned>
where
    C: AsyncRead + AsyncWrite + Unpin,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let last = Mutex::new(Instant::now());
    let up = async {
        count(sent, first.len(), limits.request)?;
        to_server.write_all(&first).await.map_err(|error| broken(&error))?;
        copy(&mut from_client, &mut to_server, sent, limits.request, &last).await
    };
    let down = copy(&mut from_server, &mut to_client, received, limits.response, &last);
    tokio::select! {
        both = async { tokio::try_join!(up, down) } => both.map(drop),
        () = silence(&last, limits.idle) => Err(Turned::new(Reason::Time, "both sides of the tunnel are silent")),
    }
}

async fn copy(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    counter: &AtomicU64,
    limit: u64,
    last: &Mutex<Instant>,
) -> Result<(), Turned> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await.map_err(|error| broken(&error))?;
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if length == 0 {
            // This side has ended; the other may still speak.
            return to.shutdown().await.map_err(|error| broken(&error));
        }
        count(counter, length, limit)?;
        to.write_all(piece.get(..length).unwrap_or_default()).await.map_err(|error| broken(&error))?;
    }
}

fn count(counter: &AtomicU64, length: usize, limit: u64) -> Result<(), Turned> {
    let all = counter.fetch_add(length as u64, Ordering::Relaxed).saturating_add(length as u64);
    if all > limit {
        return Err(Turned::new(Reason::Size, format!("the tunnel carries more than {limit} bytes one way")));
    }
    Ok(())
}

/// Ends when nothing has come from either side for so long.
async fn silence(last: &Mutex<Instant>, idle: Duration) {
    loop {
        let until = *last.lock().unwrap_or_else(PoisonError::into_inner) + idle;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

fn broken(error: &std::io::Error) -> Turned {
    Turned::new(Reason::Answer, format!("the tunnel breaks off: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    fn limits() -> Limits {
        Limits { request: 8, response: 16, idle: Duration::from_mins(1), ..Limits::none() }
    }

    async fn run(
        client: impl AsyncRead + AsyncWrite + Unpin,
        server: impl AsyncRead + AsyncWrite + Unpin,
    ) -> (Result<(), Turned>, u64, u64) {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        let outcome = splice(client, server, Bytes::from_static(b"ab"), &limits(), &sent, &received).await;
        (outcome, sent.into_inner(), received.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_has_ended_still_hears_the_other() {
        let ((mut near, client), (server, mut far)) = (duplex(64), duplex(64));
        let both = async {
            near.write_all(b"cd").await.unwrap();
            near.shutdown().await.unwrap();
            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            far.write_all(b"answer").await.unwrap();
            far.shutdown().await.unwrap();
            let mut answer = Vec::new();
            near.read_to_end(&mut answer).await.unwrap();
            (all, answer)
        };
        let (outcome, (all, answer)) = tokio::join!(run(client, server), both);
        assert_eq!((all.as_slice(), answer.as_slice()), (&b"abcd"[..], &b"answer"[..]));
        assert_eq!(outcome, (Ok(()), 4, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_and_size_end_it() {
        let ((near, client), (server, far)) = (duplex(64), duplex(64));
        let began = Instant::now();
        let (outcome, ..) = run(client, server).await;
        assert_eq!(outcome.unwrap_err().reason, Reason::Time);
        assert_eq!(began.elapsed().as_secs(), 60);
        drop((near, far));

        let ((mut near, client), (server, _far)) = (duplex(64), duplex(64));
        near.write_all(b"1234567").await.unwrap();
        assert_eq!(run(client, server).await.0.unwrap_err().reason, Reason::Size);
        let ((_near, client), (server, mut far)) = (duplex(64), duplex(64));
        far.write_all(&[0; 17]).await.unwrap();
        assert_eq!(run(client, server).await.0.unwrap_err().reason, Reason::Size);
    }
}

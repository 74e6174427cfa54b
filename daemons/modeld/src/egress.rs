//! The way out: HTTP as to a proxy, over the Unix socket of `egressd`, one connection for each request.
//!
//! Nothing here knows names, addresses, TLS or keys: `egressd` has all of them. Dropping a [`Response`], or the future
//! that waits for one, closes the connection, so that nothing goes on for an answer that nobody takes.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use testudo::egress::MAX_HELLO;
use testudo::frame::{self, FrameError};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// The header by which `egressd` says that an answer is its own refusal, and why.
pub(crate) const REFUSED: &str = "testudo-refused";

/// Most bytes of a response's head.
const HEAD_LIMIT: usize = 64 * 1024;

/// The socket of `egressd`.
#[derive(Debug, Clone)]
pub struct Egress {
    socket: PathBuf,
}

/// Why no response began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    /// `egressd` is not there. Nothing was sent.
    #[error("testudo-egressd does not answer at {}: {source}", socket.display())]
    Away {
        /// Where it should be.
        socket: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The connection ended where an answer should have begun.
    #[error("the connection broke before an answer")]
    Broke(#[from] hyper::Error),
}

/// A response that has begun.
pub(crate) struct Response {
    response: hyper::Response<Incoming>,
    _link: Link,
}

/// The work of one connection; dropping it closes the connection.
struct Link(JoinHandle<()>);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Egress {
    /// Connects to nothing yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// Sends a request with an absolute URI; `connect` bounds the way to `egressd`, not the way beyond.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        connect: Duration,
    ) -> Result<Response, EgressError> {
        let greeted = tokio::time::timeout(connect, self.greet()).await;
        let stream = greeted
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| EgressError::Away { socket: self.socket.clone(), source })?;
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD_LIMIT).handshake(TokioIo::new(stream)).await?;
        let link = Link(tokio::spawn(async move {
            // How it ends is seen where the response is read.
            let _end = connection.await;
        }));
        let response = sender.send_request(request).await?;
        Ok(Response { response, _link: link })
    }

    /// A connection on which a request may follow.
    async fn greet(&self) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        // Which daemon this is, the socket says.
        frame::write(&mut stream, b"{}".to_vec(), MAX_HELLO).await.map_err(|error| match error {
            FrameError::Stream(error) => error,
            other => io::Error::other(other),
        })?;
        Ok(stream)
    }
}

impl Response {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Why `egressd` itself refused; none when the answer is the server's.
    pub(crate) fn refused(&self) -> Option<String> {
        let value = self.headers().get(REFUSED)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// The next bytes of the body; none at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        while let Some(frame) = self.response.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

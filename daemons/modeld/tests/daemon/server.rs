//! `egressd` with a model server behind it, which does what a test tells it, byte by byte, one connection after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};

/// Fails a test that would otherwise wait for ever; nothing that works takes nearly as long.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("waited for what does not come")
}

/// What to do next on a connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait until the test says so.
    Wait(Arc<Notify>),
    /// Send nothing more and wait for the client to hang up.
    Hold,
}

/// What a client did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It sent this request: the head in lower case, and the body.
    Request(String, Value),
    /// It hung up on a connection that was held.
    HungUp,
}

/// Where the model server would be. Nobody is there: all there is is the socket of `egressd`.
pub(crate) const BASE_URL: &str = "https://models.example/v1";

/// The server; it ends with the test.
pub(crate) struct Server {
    pub(crate) socket: PathBuf,
    _directory: tempfile::TempDir,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Server {
    /// Plays one of `scripts` on each connection, the last one for all that follow.
    pub(crate) fn playing(scripts: Vec<Vec<Act>>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("models.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((stream, _)) = listener.accept().await {
                let script = scripts.get(turn).or(scripts.last()).cloned().unwrap_or_default();
                turn += 1;
                tokio::spawn(play(stream, script, sender.clone()));
            }
        });
        Self { socket, _directory: directory, seen }
    }

    pub(crate) async fn next(&mut self) -> Seen {
        soon(self.seen.recv()).await.unwrap()
    }

    /// The requests so far; those of finished completions are all among them.
    pub(crate) fn requests(&mut self) -> usize {
        std::iter::from_fn(|| self.seen.try_recv().ok())
            .filter(|seen| matches!(seen, Seen::Request(..)))
            .count()
    }
}

async fn play(mut stream: UnixStream, script: Vec<Act>, seen: mpsc::UnboundedSender<Seen>) -> Option<()> {
    let mut hello = [0; 3];
    stream.read_exact(&mut hello).await.ok()?;
    assert_eq!(&hello, b"{}\0", "a daemon is known by its socket and says nothing else first");
    let mut bytes = Vec::new();
    let (head, start) = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Some(end) = text.find("\r\n\r\n") {
            break (text[..end].to_lowercase(), end + 4);
        }
    };
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
    while bytes.len() < start + length {
        stream.read_buf(&mut bytes).await.ok()?;
    }
    seen.send(Seen::Request(head, serde_json::from_slice(&bytes[start..]).ok()?)).ok()?;
    for act in script {
        match act {
            Act::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Act::Wait(gate) => gate.notified().await,
            Act::Hold => {
                let _closed = stream.read(&mut [0; 64]).await;
                seen.send(Seen::HungUp).ok()?;
            }
        }
    }
    stream.shutdown().await.ok()
}

/// The head of a response whose body lasts until the connection ends.
pub(crate) fn head(status: &str, kind: &str, more: &str) -> Act {
    Act::Send(
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n{more}\r\n").into_bytes(),
    )
}

/// The head of a stream.
pub(crate) fn stream() -> Act {
    head("200 OK", "text/event-stream", "")
}

/// One event.
pub(crate) fn event(data: &Value) -> Act {
    Act::Send(format!("data: {data}\n\n").into_bytes())
}

/// The event of a piece of text.
pub(crate) fn text(text: &str) -> Act {
    event(&json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
}

/// The events that end an answer.
pub(crate) fn end(reason: &str) -> Act {
    let last = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3}});
    Act::Send(format!("data: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n").into_bytes())
}

/// A whole answer that says `said`.
pub(crate) fn saying(said: &str) -> Vec<Act> {
    vec![stream(), text(said), end("stop")]
}

/// A refusal with a body of JSON.
pub(crate) fn refusing(status: &str, more: &str, body: &Value) -> Vec<Act> {
    vec![head(status, "application/json", more), Act::Send(body.to_string().into_bytes())]
}

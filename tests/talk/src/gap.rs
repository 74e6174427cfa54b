//! A wire between the daemon and its homeserver, in which an answer can get lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

/// The wire.
pub struct Gap {
    /// Where the daemon finds the homeserver.
    pub url: String,
    is_armed: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    /// Tells that the homeserver has an event and that its answer is lost.
    pub lost: Receiver<()>,
}

impl Gap {
    /// A wire to the homeserver at this URL.
    pub fn before(url: &str) -> Self {
        let server = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let is_armed = Arc::new(AtomicBool::new(false));
        let refused = Arc::new(AtomicUsize::new(0));
        let (sender, lost) = mpsc::channel();
        let (armed, counted) = (is_armed.clone(), refused.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A homeserver that is away is one that hangs up.
                if let Ok(server) = TcpStream::connect(&server) {
                    join((&client, &server), &armed, &counted, &sender);
                }
            }
        });
        Self { url, is_armed, refused, lost }
    }

    /// How often the homeserver said that it was too much.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// The answer to the next event that the daemon sends gets lost.
    pub fn lose_next(&self) {
        self.is_armed.store(true, Ordering::SeqCst);
    }
}

fn join(
    (client, server): (&TcpStream, &TcpStream),
    armed: &Arc<AtomicBool>,
    refused: &Arc<AtomicUsize>,
    lost: &Sender<()>,
) {
    let loses = Arc::new(AtomicBool::new(false));
    let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor");
    let (from, to, armed, losing) = (clone(client), clone(server), armed.clone(), loses.clone());
    std::thread::spawn(move || {
        pump(from, to, |bytes| {
            let head = String::from_utf8_lossy(bytes);
            let sends = head.starts_with("PUT /_matrix/client/") && head.contains("/send/");
            if sends && armed.swap(false, Ordering::SeqCst) {
                losing.store(true, Ordering::SeqCst);
            }
            true
        });
    });
    let (from, to, refused, lost) = (clone(server), clone(client), refused.clone(), lost.clone());
    std::thread::spawn(move || {
        pump(from, to, |bytes| {
            if bytes.starts_with(b"HTTP/1.1 429") {
                refused.fetch_add(1, Ordering::SeqCst);
            }
            let is_lost = loses.load(Ordering::SeqCst);
            if is_lost {
                lost.send(()).ok();
            }
            !is_lost
        });
    });
}

/// Carries bytes until one side ends; what `passes` refuses is dropped.
fn pump(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let bytes = &bytes[..length];
        if passes(bytes) && to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

//! Web servers that answer as the test says and remember what they were sent: HTTPS, HTTP, and a plain echo.
//!
//! They speak HTTP by themselves, byte by byte, so that a test can also answer what no server should.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::authority::Authority;

/// What a server does with a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Answers with a length and keeps the connection.
    Page {
        /// The status, such as `"200 OK"`.
        status: String,
        /// Headers beside the length.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// Answers with the request as JSON: method, target, headers, body.
    Echo,
    /// Sends these bytes as they are, and hangs up.
    Raw(Vec<u8>),
    /// Sends these bytes and then nothing, until the client hangs up.
    Stall(Vec<u8>),
}

impl Answer {
    /// A page of plain text.
    pub fn text(body: &str) -> Self {
        Self::of("200 OK", "text/plain", body)
    }

    /// A page of HTML.
    pub fn html(body: &str) -> Self {
        Self::of("200 OK", "text/html; charset=utf-8", body)
    }

    /// A page with a status and a type.
    pub fn of(status: &str, kind: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Self::Page { status: status.to_owned(), headers, body: body.as_bytes().to_vec() }
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Self {
        let headers = vec![("location".to_owned(), to.to_owned())];
        Self::Page { status: "302 Found".to_owned(), headers, body: Vec::new() }
    }
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Whether it came over TLS.
    pub tls: bool,
    /// The method.
    pub method: String,
    /// The target as it was written.
    pub target: String,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The host that was asked for, without its port.
    pub fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        host.rsplit_once(':').map_or(host, |(host, _)| host)
    }
}

/// The servers.
pub struct Web {
    /// The port of HTTPS.
    pub https: u16,
    /// The port of HTTP.
    pub http: u16,
    /// The port that says back whatever it is told.
    pub echo: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<(String, String), Answer>,
    received: Vec<Received>,
    connections: usize,
}

impl Web {
    /// Starts them.
    ///
    /// # Panics
    /// When loopback has no room for them.
    pub fn start(authority: &Authority) -> Self {
        let state: Arc<Mutex<State>> = Arc::default();
        let tls = authority.server();
        let shared = Arc::clone(&state);
        let https = listen(&state, move |stream| {
            let session = rustls::ServerConnection::new(Arc::clone(&tls)).ok()?;
            serve(rustls::StreamOwned::new(session, stream), true, &shared)
        });
        let shared = Arc::clone(&state);
        let http = listen(&state, move |stream| serve(stream, false, &shared));
        let echo = listen(&state, |mut stream| {
            let mut back = stream.try_clone().ok()?;
            std::io::copy(&mut stream, &mut back).ok().map(drop)
        });
        Self { https, http, echo, state }
    }

    /// Scripts a page by the host that a client asks for and the path without its query.
    /// What is not scripted is answered by 404, and `/echo` of every host by [`Answer::Echo`].
    ///
    /// # Panics
    /// When a server stopped in the middle of this.
    pub fn answer(&self, host: &str, path: &str, answer: Answer) {
        self.state.lock().unwrap().answers.insert((host.to_owned(), path.to_owned()), answer);
    }

    /// The requests so far, in their order.
    ///
    /// # Panics
    /// As [`Web::answer`].
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// How many connections were taken, whatever was said on them.
    ///
    /// # Panics
    /// As [`Web::answer`].
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

/// Serves each connection by a thread of its own.
fn listen(
    state: &Arc<Mutex<State>>,
    serve: impl Fn(TcpStream) -> Option<()> + Clone + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            state.lock().unwrap().connections += 1;
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Answers requests until one side hangs up.
fn serve(stream: impl Read + Write, tls: bool, state: &Mutex<State>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let request = read(&mut stream, tls)?;
        let path = request.target.split('?').next().unwrap_or_default().to_owned();
        let scripted = {
            let mut state = state.lock().unwrap();
            state.received.push(request.clone());
            state.answers.get(&(request.host().to_owned(), path.clone())).cloned()
        };
        let absent =
            || if path == "/echo" { Answer::Echo } else { Answer::of("404 Not Found", "text/plain", "") };
        let (head, body, keep) = match scripted.unwrap_or_else(absent) {
            Answer::Page { status, headers, body } => (page(&status, &headers, body.len()), body, true),
            Answer::Echo => {
                let body = json!({
                    "method": request.method, "target": request.target, "headers": request.headers,
                    "body": String::from_utf8_lossy(&request.body),
                });
                let body = body.to_string().into_bytes();
                let kind = ("content-type".to_owned(), "application/json".to_owned());
                (page("200 OK", &[kind], body.len()), body, true)
            }
            Answer::Raw(bytes) => (String::new(), bytes, false),
            Answer::Stall(bytes) => {
                stream.get_mut().write_all(&bytes).ok()?;
                stream.get_mut().flush().ok()?;
                let _until_they_hang_up = stream.read(&mut [0]);
                return None;
            }
        };
        let body = if request.method == "HEAD" { Vec::new() } else { body };
        stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).ok()?;
        stream.get_mut().flush().ok()?;
        if !keep {
            return None;
        }
    }
}

fn page(status: &str, headers: &[(String, String)], length: usize) -> String {
    let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers = headers.iter().map(line).collect::<Vec<_>>().concat();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n")
}

/// One request with its body; none when the client hung up or says what is no HTTP.
fn read(stream: &mut impl std::io::BufRead, tls: bool) -> Option<Received> {
    let mut line = || {
        let mut line = String::new();
        (stream.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received { tls, method, target, headers, body: Vec::new() };
    if received.header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            stream.take(size).read_to_end(&mut received.body).ok()?;
            stream.read_line(&mut String::new()).ok()?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = received.header("content-length") {
        let length = length.parse().ok()?;
        stream.take(length).read_to_end(&mut received.body).ok()?;
    }
    Some(received)
}

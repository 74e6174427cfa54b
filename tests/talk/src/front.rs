//! What stands before a homeserver: TLS with the certificate that a test wants, or none; and an eye on what passes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tempfile::TempDir;
use testudo_appliance::Plan;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How the first byte of TLS looks, as against one of HTTP.
const HANDSHAKE: u8 = 0x16;
/// Where the front listens, and what its certificate is for.
const HERE: &str = "127.0.0.1";

/// Which certificate is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// A right one of the authority.
    Right,
    /// One of the authority that was right in another century.
    Expired,
    /// One of the authority for another host.
    OfAnotherHost,
    /// One for this host of an authority that nobody named.
    OfAnotherAuthority,
}

/// A request that passed, with the status of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// When it came.
    pub at: Instant,
    /// Its method and its path, without a query.
    pub what: String,
    /// The status of its answer; 0 until that comes.
    pub status: u16,
    /// How long the answer says to wait.
    pub retry_after: Option<Duration>,
}

/// The front.
pub struct Front {
    port: u16,
    authorities: Option<Authorities>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    tls: Mutex<Option<Arc<ServerConfig>>>,
    passed: Mutex<Vec<Passed>>,
    /// Connections on which somebody spoke in the clear where TLS was expected.
    clear: Mutex<usize>,
    open: Mutex<JoinSet<()>>,
}

struct Authorities {
    folder: TempDir,
    named: CertifiedIssuer<'static, KeyPair>,
    other: CertifiedIssuer<'static, KeyPair>,
}

impl Front {
    /// One without TLS before the homeserver at this URL.
    pub async fn plain(url: &str) -> Self {
        Self::start(url, None).await
    }

    /// One with TLS and the right certificate.
    pub async fn secure(url: &str) -> Self {
        let front = Self::start(url, Some(Authorities::new())).await;
        front.show(Certificate::Right);
        front
    }

    async fn start(url: &str, authorities: Option<Authorities>) -> Self {
        let homeserver = url.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared: Arc<Shared> = Arc::default();
        let listening = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let serving = serve(client, homeserver.clone(), Arc::clone(&listening));
                listening.open.lock().expect("nobody stops while he holds this").spawn(serving);
            }
        });
        Self { port, authorities, shared }
    }

    /// Where the daemon finds it.
    pub fn url(&self) -> String {
        let scheme = if self.authorities.is_some() { "https" } else { "http" };
        format!("{scheme}://{HERE}:{}", self.port)
    }

    /// The file of the authority.
    pub fn authority(&self) -> PathBuf {
        self.folder().join("authority.pem")
    }

    /// Has the appliance go through it.
    pub fn enter(&self, plan: &mut Plan) {
        plan.set("matrixd", "homeserver", self.url());
        if self.authorities.is_some() {
            plan.visible.push(self.folder().to_owned());
        }
    }

    /// From now on it shows this certificate; who is connected must come again.
    pub fn show(&self, certificate: Certificate) {
        let authorities = self.authorities.as_ref().expect("it has TLS");
        *self.shared.tls.lock().expect("as above") = Some(authorities.server(certificate));
        self.shared.open.lock().expect("as above").abort_all();
    }

    /// What passed so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.shared.passed.lock().expect("as above").clone()
    }

    /// What passed so far with this in its method and path.
    pub fn passed_with(&self, part: &str) -> Vec<Passed> {
        self.passed().into_iter().filter(|passed| passed.what.contains(part)).collect()
    }

    /// How often somebody spoke in the clear where TLS was expected.
    pub fn spoken_in_the_clear(&self) -> usize {
        *self.shared.clear.lock().expect("as above")
    }

    fn folder(&self) -> &Path {
        self.authorities.as_ref().expect("it has TLS").folder.path()
    }
}

impl Authorities {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let (named, other) = (issuer("ours"), issuer("another's"));
        std::fs::write(folder.path().join("authority.pem"), named.pem()).expect("a file can be written");
        Self { folder, named, other }
    }

    fn server(&self, certificate: Certificate) -> Arc<ServerConfig> {
        let name = if certificate == Certificate::OfAnotherHost { "other.test" } else { HERE };
        let issuer = if certificate == Certificate::OfAnotherAuthority { &self.other } else { &self.named };
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name or an address");
        if certificate == Certificate::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(1998, 1, 1), date_time_ymd(1999, 1, 1));
        }
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, issuer).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![signed.der().clone()], key).expect("a key of this provider"))
    }
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

async fn serve(client: TcpStream, homeserver: String, shared: Arc<Shared>) {
    let tls = shared.tls.lock().expect("as above").clone();
    let Some(tls) = tls else { return carry(client, &homeserver, &shared).await };
    let mut first = [0];
    if client.peek(&mut first).await.is_ok_and(|length| length == 1) && first[0] != HANDSHAKE {
        *shared.clear.lock().expect("as above") += 1;
        return;
    }
    // Who does not like the certificate hangs up.
    if let Ok(stream) = TlsAcceptor::from(tls).accept(client).await {
        carry(stream, &homeserver, &shared).await;
    }
}

/// Carries requests there and answers back, one after the other as HTTP/1.1 has them.
async fn carry(client: impl AsyncRead + AsyncWrite, homeserver: &str, shared: &Shared) {
    // A homeserver that is away is one that hangs up.
    let Ok(server) = TcpStream::connect(homeserver).await else { return };
    let (from_client, to_client) = tokio::io::split(client);
    let (from_server, to_server) = server.into_split();
    let current = Mutex::new(None);
    let there = pump(from_client, to_server, |bytes| {
        let mut passed = shared.passed.lock().expect("as above");
        if let Some(request) = request(bytes) {
            *current.lock().expect("as above") = Some(passed.len());
            passed.push(request);
        }
    });
    let back = pump(from_server, to_client, |bytes| {
        let mut passed = shared.passed.lock().expect("as above");
        let at = current.lock().expect("as above").and_then(|at: usize| passed.get_mut(at));
        if let Some(request) = at {
            answer(request, bytes);
        }
    });
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut see: impl FnMut(&[u8])) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let bytes = &bytes[..length];
        see(bytes);
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// The request that begins with these bytes.
fn request(bytes: &[u8]) -> Option<Passed> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.lines().next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let path = target.split('?').next()?;
    version.starts_with("HTTP/").then(|| Passed {
        at: Instant::now(),
        what: format!("{method} {path}"),
        status: 0,
        retry_after: None,
    })
}

/// Notes what these bytes say of the answer.
fn answer(request: &mut Passed, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(status) = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()) {
        request.status = status.parse().unwrap_or_default();
    }
    // What stands behind it is of the transfer.
    let read = |body: &str| serde_json::Deserializer::from_str(body).into_iter::<Value>().next()?.ok();
    let body = text.find('{').and_then(|at| read(text.get(at..)?));
    if let Some(wait) = body.and_then(|body| body["retry_after_ms"].as_u64()) {
        request.retry_after = Some(Duration::from_millis(wait));
    }
}

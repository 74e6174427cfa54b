//! Connections to the other side: to the addresses that were checked and no other, over TLS where that was asked for.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use testudo::egress::{Host, Scheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::answer::Body;
use crate::gate::{Reason, Turned, Wish};

/// Most headers of an answer, and most bytes of its head.
const MAX_HEADERS: usize = 128;
const MAX_HEAD: usize = 64 * 1024;
/// How long a connection waits for its next request; servers commonly close theirs after 5 s or more.
const FRESH: Duration = Duration::from_secs(4);

/// Why nothing can be reached over TLS.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A file of `authorities` is not there or is no certificate.
    #[error("cannot read the certificate authority {path}: {cause}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: String,
    },
    /// The cryptography refuses its own defaults.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Opens connections.
pub(crate) struct Connector {
    tls: TlsConnector,
}

/// A connection to a server, ready for a request.
pub(crate) struct Line {
    /// Sends the next request.
    pub(crate) sender: SendRequest<Body>,
    /// Where it leads.
    pub(crate) address: SocketAddr,
    to: (Scheme, Host, u16),
    since: Instant,
}

impl Connector {
    /// Trusts the system's authorities and these.
    pub(crate) fn new(authorities: &[PathBuf]) -> Result<Self, ConnectorError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!("cannot read an authority of the system: {error}");
        }
        let (taken, _) = roots.add_parsable_certificates(native.certs);
        for path in authorities {
            for certificate in certificates(path)? {
                let wrong = |error: rustls::Error| ConnectorError::Authority {
                    path: path.clone(),
                    cause: error.to_string(),
                };
                roots.add(certificate).map_err(wrong)?;
            }
        }
        if taken == 0 {
            tracing::warn!(
                "the system has no certificate authorities: its https is reachable for none but those configured"
            );
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection for HTTP.
    pub(crate) async fn line(&self, wish: &Wish, addresses: &[SocketAddr]) -> Result<Line, Turned> {
        let (stream, address) = connect(addresses).await?;
        let failed = |error: std::io::Error| {
            Turned::new(Reason::Unreachable, format!("cannot speak TLS with {}: {error}", wish.host))
        };
        let sender = if wish.scheme == Scheme::Https {
            let stream = self.tls.connect(name(&wish.host)?, stream).await.map_err(failed)?;
            handshake(stream).await
        } else {
            handshake(stream).await
        };
        let sender = sender.map_err(|error| {
            Turned::new(Reason::Unreachable, format!("cannot speak HTTP with {}: {error}", wish.host))
        })?;
        let to = (wish.scheme, wish.host.clone(), wish.port);
        Ok(Line { sender, address, to, since: Instant::now() })
    }
}

impl Line {
    /// Whether the next request to there may use it: it must lead to an address that was checked for this very request.
    pub(crate) fn serves(&self, wish: &Wish, addresses: &[SocketAddr]) -> bool {
        let to = (wish.scheme, &wish.host, wish.port) == (self.to.0, &self.to.1, self.to.2);
        to && addresses.contains(&self.address) && self.since.elapsed() < FRESH && !self.sender.is_closed()
    }

    /// It carried a request, and waits for the next.
    pub(crate) fn rest(mut self) -> Self {
        self.since = Instant::now();
        self
    }
}

/// The first of the addresses that answers.
pub(crate) async fn connect(addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Turned> {
    let mut last = "there is no address".to_owned();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Small pieces of an answer are worth sending at once.
                let _fewer_waits = stream.set_nodelay(true);
                return Ok((stream, *address));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(Turned::new(Reason::Unreachable, format!("cannot connect: {last}")))
}

async fn handshake<S>(stream: S) -> hyper::Result<SendRequest<Body>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Whoever waits for the answer learns the cause.
        if let Err(error) = connection.await {
            tracing::debug!("a connection ended: {error}");
        }
    });
    Ok(sender)
}

fn name(host: &Host) -> Result<ServerName<'static>, Turned> {
    match host {
        Host::Address(IpAddr::V4(address)) => Ok(ServerName::IpAddress((*address).into())),
        Host::Address(IpAddr::V6(address)) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| {
            Turned::new(Reason::Form, format!("{name} is no name that a certificate can be for"))
        }),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectorError> {
    let wrong = |cause: String| ConnectorError::Authority { path: path.to_path_buf(), cause };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("there is no certificate in it".to_owned())) } else { Ok(found) }
}

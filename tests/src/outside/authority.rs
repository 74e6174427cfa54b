//! A certificate authority of the test's own, and certificates for whatever name a client asks for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The authority, and one that nobody trusts.
pub struct Authority {
    folder: tempfile::TempDir,
    certificates: Arc<Certificates>,
}

/// Certificates by name, made when first asked for.
struct Certificates {
    trusted: Issuer,
    untrusted: Issuer,
    forged: Mutex<Vec<String>>,
    made: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Authority {
    /// A fresh authority, whose certificate lies in a file that everybody can read.
    ///
    /// # Panics
    /// When no file can be written.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::Builder::new().prefix("outside-").tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("a folder of ours");
        let certificates = Arc::new(Certificates {
            trusted: issuer(),
            untrusted: issuer(),
            forged: Mutex::default(),
            made: Mutex::default(),
        });
        std::fs::write(folder.path().join("ca.pem"), certificates.trusted.pem()).expect("a file");
        Self { folder, certificates }
    }

    /// The folder of the certificate.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of the certificate, as PEM.
    pub fn pem(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// From now on the servers show for this name a certificate of another authority.
    ///
    /// # Panics
    /// When a server stopped in the middle of this.
    pub fn forge(&self, name: &str) {
        self.certificates.made.lock().unwrap().remove(name);
        self.certificates.forged.lock().unwrap().push(name.to_owned());
    }

    /// A server's side of TLS that shows a certificate for whatever name is asked for.
    ///
    /// # Panics
    /// When the cryptography has no safe versions of TLS.
    pub fn server(&self) -> Arc<rustls::ServerConfig> {
        let resolver: Arc<Certificates> = Arc::clone(&self.certificates);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Arc::new(versions.expect("versions").with_no_client_auth().with_cert_resolver(resolver))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn issuer() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate")
}

impl Certificates {
    fn make(&self, name: &str) -> Arc<CertifiedKey> {
        let forged = self.forged.lock().unwrap().iter().any(|forged| forged == name);
        let issuer = if forged { &self.untrusted } else { &self.trusted };
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name of the DNS or an address");
        let certificate = params.signed_by(&key, issuer).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let chain = vec![certificate.der().clone(), issuer.der().clone()];
        Arc::new(CertifiedKey::from_der(chain, key, &provider).expect("a key of this provider"))
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Without a name the client came to an address; the servers listen on one only.
        let name = hello.server_name().unwrap_or("127.0.0.1").to_owned();
        let mut made = self.made.lock().unwrap();
        Some(Arc::clone(made.entry(name.clone()).or_insert_with(|| self.make(&name))))
    }
}

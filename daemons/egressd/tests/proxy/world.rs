//! A proxy on a socket, with servers behind it.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;
use testudo::config::egress::Egressd;
use testudo::egress::Endpoint;
use testudo_egressd::controls::Controls;
use testudo_egressd::listener::{Door, Side, serve};
use testudo_egressd::proxy::Proxy;
use testudo_egressd::secrets::Secrets;

use crate::authority::Authority;
use crate::client::Client;
use crate::fake::{Fake, TICKET};
use crate::web::Web;

/// The value of the secret `key`, which is bound to `https://api.test:PORT/v1/`.
pub(crate) const VALUE: &str = "sk-\"very/secret+value";

/// Fails a test that would otherwise wait for ever; nothing that works takes nearly as long.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("waited for what does not come")
}

/// The proxy, its gate and the servers.
pub(crate) struct World {
    pub(crate) gate: Arc<Fake>,
    pub(crate) web: Web,
    pub(crate) authority: Authority,
    folder: tempfile::TempDir,
}

/// What differs from world to world.
pub(crate) struct Setting {
    /// Keys of `[egressd]`.
    pub(crate) config: String,
    pub(crate) controls: Controls,
    pub(crate) user: Uid,
    /// Tunnels of the call; `PORT` stands for the echo's port, `TLS` for that of https.
    pub(crate) tunnels: Vec<&'static str>,
}

impl Default for Setting {
    fn default() -> Self {
        Self { config: String::new(), controls: Controls::all(), user: Uid::current(), tunnels: Vec::new() }
    }
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(&Setting::default())
    }

    pub(crate) fn with(setting: &Setting) -> Self {
        let authority = Authority::new();
        let web = Web::start(&authority);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("testudo.egressd.key"), VALUE).unwrap();
        let text = format!(
            "[egressd]\nauthorities = [{:?}]\n{}\n[egressd.secrets.key]\nendpoint = \"https://api.test:{}/v1/\"\n",
            authority.pem(),
            setting.config,
            web.https
        );
        let config = testudo::config::parse("testudo.toml", &text).unwrap().egressd;
        let tunnel = |text: &&str| {
            let text = text.replace("PORT", &web.echo.to_string()).replace("TLS", &web.https.to_string());
            Endpoint::parse(&text).unwrap()
        };
        let gate = Arc::new(Fake::new(&config, setting.tunnels.iter().map(tunnel).collect()));
        let world = Self { gate, web, authority, folder };
        world.serve(&config, setting);
        world
    }

    fn serve(&self, config: &Egressd, setting: &Setting) {
        let secrets = Secrets::load(&config.secrets, Some(self.folder.path())).unwrap();
        let proxy = Proxy::new(Arc::clone(&self.gate), config, setting.controls, secrets).unwrap();
        let door = |name: &str, side| {
            let listener = UnixListener::bind(self.folder.path().join(name)).unwrap();
            listener.set_nonblocking(true).unwrap();
            Door { listener, side, user: setting.user }
        };
        let doors = vec![door("calls", Side::Calls), door("models", Side::Models)];
        tokio::spawn(serve(doors, Arc::new(proxy)));
        for host in ["api.test", "shop.test", "inner.test", "127.0.0.1"] {
            self.gate.admit(host, &[self.https()]);
        }
        self.gate.admit("plain.test", &[self.http()]);
        self.gate.admit("echo.test", &[(Ipv4Addr::LOCALHOST, self.web.echo).into()]);
        // Like a person who does not answer.
        self.gate.admit("asked.test", &[]);
    }

    pub(crate) fn https(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.web.https).into()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.web.http).into()
    }

    /// A connection to one of the sockets on which nothing was said.
    pub(crate) async fn raw(&self, socket: &str) -> Client {
        Client::connect(&self.folder.path().join(socket)).await
    }

    /// A connection of the call.
    pub(crate) async fn client(&self) -> Client {
        let mut client = self.raw("calls").await;
        client.say(&format!("{{\"ticket\":\"{TICKET}\"}}\0")).await;
        client
    }

    /// `https://HOST:PORT/PATH`.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.web.https)
    }
}

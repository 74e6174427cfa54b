//! Names to addresses: asked of name servers alone, bounded in time, and forgotten with the request.
//!
//! The configured name server or those of `/etc/resolv.conf` are asked for the whole name as it is: no search domain is
//! added, and `/etc/hosts` is not looked at, because what stands there was not written for programs of an agent. Every
//! look-up makes its own resolver, so no answer outlives the request that it was for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::Resolver as Hickory;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::read_system_conf;
use thiserror::Error;

/// Most addresses of one name; a name with more is no destination but a list.
const MOST: usize = 64;

/// Why a name has no addresses.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The name servers are not known.
    #[error("cannot read the name servers of this machine: {0}")]
    System(#[source] NetError),
    /// It is no name, or it has no addresses, or nobody answers.
    #[error("cannot find {name}: {source}")]
    Answer {
        /// The name.
        name: String,
        /// What the name servers said.
        source: NetError,
    },
    /// Nobody answered in time.
    #[error("cannot find {0}: no name server answered in time")]
    Late(String),
    /// Far too many addresses.
    #[error("cannot take the addresses of {0}: there are more than {MOST}")]
    Many(String),
}

/// Where names are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Resolver {
    server: Option<SocketAddr>,
    patience: Duration,
}

impl Resolver {
    /// Asks `server`, or those of the machine; one look-up takes no longer than `patience`.
    pub const fn new(server: Option<SocketAddr>, patience: Duration) -> Self {
        Self { server, patience }
    }

    /// All addresses of a name that [`testudo::egress::Host`] took, each once, in the order of the answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let answer = |source| ResolveError::Answer { name: name.to_owned(), source };
        let mut whole = Name::from_ascii(name).map_err(|error| answer(error.into()))?;
        whole.set_fqdn(true);
        let mut builder = Hickory::builder_with_config(self.servers()?, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = 0;
        options.timeout = self.patience / 3;
        options.attempts = 2;
        let resolver = builder.build().map_err(answer)?;
        let found = tokio::time::timeout(self.patience, resolver.lookup_ip(whole))
            .await
            .map_err(|_| ResolveError::Late(name.to_owned()))?
            .map_err(answer)?;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in found.iter() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.len() > MOST { Err(ResolveError::Many(name.to_owned())) } else { Ok(addresses) }
    }

    /// The name servers, without any search domain.
    fn servers(&self) -> Result<ResolverConfig, ResolveError> {
        let Some(server) = self.server else {
            let (system, _) = read_system_conf().map_err(ResolveError::System)?;
            let (_, _, servers) = system.into_parts();
            return Ok(ResolverConfig::from_name_servers(servers));
        };
        let mut one = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut one.connections {
            connection.port = server.port();
        }
        Ok(ResolverConfig::from_name_servers(vec![one]))
    }
}

//! Tunnels: which ones a call may declare, and how it finds them.
//!
//! A tunnel leads one exact name and port to a local port, for one call: the name means the loopback address there and
//! then, and nowhere else. What would shadow a name of this machine or of a cluster around it is refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::protocol::Tunnel;

/// Most tunnels of one call.
pub const MOST: usize = 8;
/// Where the forwarder of a call listens for its HTTP.
pub const PROXY: u16 = 3128;
/// The least local port.
const LEAST: u16 = 1024;

/// Names below which machines and services of a network of its own live.
const INTERNAL: [&str; 12] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "svc",
    "cluster",
    "arpa",
];

/// Why tunnels are not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// There are too many.
    #[error("cannot open more than {MOST} tunnels for one call")]
    Many,
    /// The host is not one that a tunnel may lead to.
    #[error("cannot open a tunnel to {host:?}: {why}")]
    Host {
        /// As declared.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A port is out of its range, or taken.
    #[error("cannot open a tunnel to {host}: {why}")]
    Port {
        /// As declared.
        host: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Whether a call may have these tunnels together.
///
/// # Errors
/// The first one that it may not have.
pub fn check(tunnels: &[Tunnel]) -> Result<(), TunnelError> {
    if tunnels.len() > MOST {
        return Err(TunnelError::Many);
    }
    let mut taken = BTreeSet::from([PROXY]);
    for tunnel in tunnels {
        if let Some(why) = unfit(&tunnel.host) {
            return Err(TunnelError::Host { host: tunnel.host.chars().take(300).collect(), why });
        }
        let why = match tunnel {
            Tunnel { port: 0, .. } => Some("its port is not between 1 and 65535"),
            Tunnel { local, .. } if *local < LEAST => Some("its local port is below 1024"),
            Tunnel { local, .. } if !taken.insert(*local) => Some("its local port is taken"),
            _ => None,
        };
        if let Some(why) = why {
            return Err(TunnelError::Port { host: tunnel.host.clone(), why });
        }
    }
    Ok(())
}

/// Why a tunnel cannot lead to this host.
fn unfit(host: &str) -> Option<&'static str> {
    let label = |label: &str| {
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Some("it is an address, and only a name can be shadowed");
    }
    if host.len() > 253 || !host.split('.').all(label) {
        return Some("it is no name of lower-case letters, digits and hyphens between single dots");
    }
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return Some("it could be taken for an address");
    }
    if !host.contains('.') || host.split('.').any(|part| part == "localhost") {
        return Some("it is a name of this machine or of its own network, such as localhost");
    }
    let cluster = host.ends_with(".cluster.local") || host.contains(".svc.");
    (cluster || INTERNAL.contains(&last)).then_some("it is a name of a network of its own")
}

/// The call's `/etc/hosts`.
pub(crate) fn hosts(tunnels: &[Tunnel]) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    let names: BTreeSet<_> = tunnels.iter().map(|tunnel| tunnel.host.as_str()).collect();
    for name in names {
        let _always_fits = writeln!(text, "127.0.0.1 {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(host: &str, port: u16, local: u16) -> Tunnel {
        Tunnel { host: host.to_owned(), port, local }
    }

    #[test]
    fn exact_names_of_the_world_are_accepted() {
        for host in ["db.example.com", "a-b.example", "xn--ls8h.la", "_x.example.org"] {
            assert_eq!(check(&[tunnel(host, 5432, 5432)]), Ok(()), "{host}");
        }
        check(&[tunnel("a.example", 1, 1024), tunnel("a.example", 2, 1025), tunnel("b.example", 1, 65535)])
            .unwrap();
    }

    #[test]
    fn addresses_and_names_of_the_inside_are_refused() {
        for host in [
            "",
            "*.example.com",
            "127.0.0.1",
            "::1",
            "[::1]",
            "10.0.0.1",
            "1.2.3",
            "0x7f000001",
            "2130706433",
            "localhost",
            "a.localhost",
            "localhost.example.com",
            "db",
            "kubernetes.default.svc",
            "db.default.svc.cluster.local",
            "metadata.google.internal",
            "printer.local",
            "router.lan",
            "1.0.0.127.in-addr.arpa",
            "Db.example.com",
            "db.example.com.",
            "db..example.com",
            "db example.com",
            "db.example.com\n127.0.0.1 evil.example",
            "dä.example",
        ] {
            assert!(matches!(check(&[tunnel(host, 1, 2000)]), Err(TunnelError::Host { .. })), "{host:?}");
        }
    }

    #[test]
    fn ports_are_their_own() {
        for wrong in [
            vec![tunnel("a.example", 0, 2000)],
            vec![tunnel("a.example", 1, 1023)],
            vec![tunnel("a.example", 1, PROXY)],
            vec![tunnel("a.example", 1, 2000), tunnel("b.example", 1, 2000)],
        ] {
            assert!(matches!(check(&wrong), Err(TunnelError::Port { .. })), "{wrong:?}");
        }
        let many: Vec<_> = (0..9).map(|n| tunnel("a.example", 1, 2000 + n)).collect();
        assert_eq!(check(&many), Err(TunnelError::Many));
    }

    #[test]
    fn names_are_shadowed_once_each() {
        let hosts = hosts(&[
            tunnel("b.example", 1, 2000),
            tunnel("a.example", 1, 2001),
            tunnel("b.example", 2, 2002),
        ]);
        assert_eq!(hosts, "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 a.example\n127.0.0.1 b.example\n");
    }
}

//! The addresses of this machine and the networks that it is on, as the kernel has them now.
//!
//! A public address can be this machine's own, and a public network the one that it is plugged into: what listens there
//! was often meant for neighbours alone. Read anew for each check, because addresses come and go. Reading files of
//! `/proc/self/net` needs no socket; start at [`Neighbourhood::read`].

use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Class;

/// A shorter prefix is no network but a part of the world, such as a tunnel that takes everything in two halves.
const SHORTEST_V4: u32 = 8;
const SHORTEST_V6: u32 = 16;

/// What is near.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Neighbourhood {
    own: Vec<IpAddr>,
    /// A network's address and the length of its prefix.
    networks: Vec<(IpAddr, u32)>,
}

impl Neighbourhood {
    /// What the kernel says.
    ///
    /// # Errors
    /// When a table cannot be read; one that is not there is that of a protocol that this machine does not speak.
    pub fn read() -> Result<Self, Error> {
        let table = |name: &str| match std::fs::read_to_string(format!("/proc/self/net/{name}")) {
            Err(error) if error.kind() == ErrorKind::NotFound && name == "if_inet6" => Ok(String::new()),
            text => text,
        };
        Ok(Self::parse(&table("fib_trie")?, &table("route")?, &table("if_inet6")?))
    }

    /// Of the texts of `fib_trie`, `route` and `if_inet6`. A line that says nothing is passed over.
    fn parse(trie: &str, routes: &str, v6: &str) -> Self {
        let mut found = Self::default();
        let mut leaf = None;
        for line in trie.lines().map(str::trim) {
            if let Some(address) = line.strip_prefix("|-- ") {
                leaf = address.parse::<Ipv4Addr>().ok();
            } else if line.ends_with("host LOCAL")
                && line.starts_with("/32")
                && let Some(address) = leaf
            {
                found.own.push(IpAddr::V4(address));
            }
        }
        found.networks.extend(routes.lines().skip(1).filter_map(on_link));
        for (address, length) in v6.lines().filter_map(interface) {
            found.own.push(IpAddr::V6(address));
            if (SHORTEST_V6..128).contains(&length) {
                found.networks.push((IpAddr::V6(address), length));
            }
        }
        found
    }

    /// The class of an address that is near: this machine, or a network that it is on.
    pub fn class(&self, address: IpAddr) -> Option<Class> {
        if self.own.contains(&address) {
            return Some(Class::Loopback);
        }
        let near = self.networks.iter().any(|(network, length)| is_in(address, *network, *length));
        near.then_some(Class::OnLink)
    }
}

/// A network of `route` that is reached without a gateway.
fn on_link(line: &str) -> Option<(IpAddr, u32)> {
    // The kernel prints the bytes of the address as a number of this machine.
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    let mut words = line.split_whitespace();
    let (network, gateway) = (number(words.nth(1)?)?, number(words.next()?)?);
    let mask = u32::from_be_bytes(number(words.nth(4)?)?);
    let length = mask.leading_ones();
    (gateway == [0; 4] && length >= SHORTEST_V4).then_some((IpAddr::from(network), length))
}

/// An address of `if_inet6` and the length of its prefix.
fn interface(line: &str) -> Option<(Ipv6Addr, u32)> {
    let mut words = line.split_whitespace();
    let address = u128::from_str_radix(words.next()?, 16).ok()?;
    Some((Ipv6Addr::from(address), u32::from_str_radix(words.nth(1)?, 16).ok()?))
}

fn is_in(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (u32::from(address) ^ u32::from(network)).leading_zeros() >= length
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (u128::from(address) ^ u128::from(network)).leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n\
                        \x20    +-- 5.6.7.0/24 2 0 2\n           |-- 5.6.7.0\n              /24 link UNICAST\n\
                        \x20          |-- 5.6.7.8\n              /32 host LOCAL\n           |-- 5.6.7.255\n\
                        \x20             /32 link BROADCAST\n";
    const V6: &str = "2a001450000000000000000000000001 02 40 00 80     eth0\n\
                      2a02000000000000000000000000000f 03 80 00 80     eth1\n";

    /// A machine at `5.6.7.8/24` and `2a00:1450::1/64`, with a tunnel that takes half of the world.
    pub(crate) fn of_a_server() -> Neighbourhood {
        let hex = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let route = |network, gateway, mask| {
            let [network, gateway, mask] = [network, gateway, mask].map(hex);
            format!("eth0\t{network}\t{gateway}\t0001\t0\t0\t0\t{mask}\t0\t0\t0\n")
        };
        let routes = [
            "Iface\tDestination\tGateway\tFlags\n".to_owned(),
            route([0, 0, 0, 0], [5, 6, 7, 1], [0, 0, 0, 0]),
            route([0, 0, 0, 0], [0, 0, 0, 0], [128, 0, 0, 0]),
            route([5, 6, 7, 0], [0, 0, 0, 0], [255, 255, 255, 0]),
            route([9, 9, 9, 0], [5, 6, 7, 1], [255, 255, 255, 0]),
        ];
        Neighbourhood::parse(TRIE, &routes.concat(), V6)
    }

    #[test]
    fn what_is_near_is_known() {
        let near = of_a_server();
        for (address, expected) in [
            ("5.6.7.8", Some(Class::Loopback)),
            ("5.6.7.9", Some(Class::OnLink)),
            ("5.6.8.1", None),
            ("9.9.9.9", None),
            ("1.1.1.1", None),
            ("2a00:1450::1", Some(Class::Loopback)),
            ("2a00:1450::2", Some(Class::OnLink)),
            ("2a00:1450:0:1::1", None),
            ("2a02::f", Some(Class::Loopback)),
            ("2a02::10", None),
        ] {
            assert_eq!(near.class(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_tables_of_this_machine_can_be_read() {
        let near = Neighbourhood::read().unwrap();
        assert!(near.own.contains(&IpAddr::from([127, 0, 0, 1])), "{near:?}");
    }
}

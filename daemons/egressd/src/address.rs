//! What kind of address this is: pure, and without an opinion about who may go there.
//!
//! Only plain addresses of the public network have no [`Class`]; everything else has one and is refused unless the
//! operator named it. An IPv4 address inside an IPv6 one is looked at: a private address stays private in any dress,
//! and the dress itself is a class too, because nothing public is reached that way.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// Why an address is not simply one of the public network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The link, and nothing behind it.
    LinkLocal,
    /// A public network that this machine is on.
    OnLink,
    /// Shared by the customers of a carrier.
    Shared,
    /// A private network of IPv6.
    UniqueLocal,
    /// A private network of IPv6 as it was once.
    SiteLocal,
    /// Where clouds keep a machine's own credentials.
    Metadata,
    /// Many machines at once.
    Multicast,
    /// Every machine of the network.
    Broadcast,
    /// No machine, or this one.
    Unspecified,
    /// For examples in texts.
    Documentation,
    /// For measuring devices.
    Benchmarking,
    /// For the protocols themselves, or for nobody yet.
    Reserved,
    /// An IPv4 address written as an IPv6 one.
    Mapped,
    /// An IPv4 address behind a translator.
    Translated,
    /// An IPv4 address at the end of a tunnel.
    Tunnelled,
}

impl Class {
    /// What it is, after "is".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Loopback => "this machine",
            Self::Private => "in a private network",
            Self::LinkLocal => "on the local link",
            Self::OnLink => "in a network that this machine is on",
            Self::Shared => "in a carrier's shared network",
            Self::UniqueLocal => "in a private IPv6 network",
            Self::SiteLocal => "in a private IPv6 network of the old kind",
            Self::Metadata => "where clouds keep a machine's credentials",
            Self::Multicast => "a group of machines",
            Self::Broadcast => "all machines of a network",
            Self::Unspecified => "no machine",
            Self::Documentation => "for documentation",
            Self::Benchmarking => "for measuring devices",
            Self::Reserved => "reserved",
            Self::Mapped => "an IPv4 address in the dress of IPv6",
            Self::Translated => "an IPv4 address behind a translator",
            Self::Tunnelled => "an IPv4 address at the end of a tunnel",
        }
    }

    /// The word in the record.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::OnLink => "on-link",
            Self::Shared => "shared",
            Self::UniqueLocal => "unique-local",
            Self::SiteLocal => "site-local",
            Self::Metadata => "metadata",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Unspecified => "unspecified",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Reserved => "reserved",
            Self::Mapped => "mapped",
            Self::Translated => "translated",
            Self::Tunnelled => "tunnelled",
        }
    }

    /// Whether an operator who names a host means this too. Whoever writes the records of a name could lead it to a
    /// cloud's credentials, to what configures itself on the link or to everybody: such an address must be named
    /// itself. This machine is a matter of who named it.
    pub const fn goes_with_a_name(self) -> bool {
        matches!(self, Self::Private | Self::OnLink | Self::Shared | Self::UniqueLocal | Self::SiteLocal)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.in_words())
    }
}

/// The class of an address; none for one of the public network.
pub fn class(address: IpAddr) -> Option<Class> {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

/// Where the big clouds and their copies keep a machine's credentials, apart from those that every other class covers.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 252),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// Networks of IPv4 that are not public; the first that fits counts.
const V4: [([u8; 4], u32, Class); 16] = [
    ([0, 0, 0, 0], 8, Class::Unspecified),
    ([10, 0, 0, 0], 8, Class::Private),
    ([100, 64, 0, 0], 10, Class::Shared),
    ([127, 0, 0, 0], 8, Class::Loopback),
    ([169, 254, 0, 0], 16, Class::LinkLocal),
    ([172, 16, 0, 0], 12, Class::Private),
    ([192, 0, 0, 0], 24, Class::Reserved),
    ([192, 0, 2, 0], 24, Class::Documentation),
    ([192, 88, 99, 0], 24, Class::Tunnelled),
    ([192, 168, 0, 0], 16, Class::Private),
    ([198, 18, 0, 0], 15, Class::Benchmarking),
    ([198, 51, 100, 0], 24, Class::Documentation),
    ([203, 0, 113, 0], 24, Class::Documentation),
    ([224, 0, 0, 0], 4, Class::Multicast),
    ([255, 255, 255, 255], 32, Class::Broadcast),
    ([240, 0, 0, 0], 4, Class::Reserved),
];

/// Networks of IPv6 that are not public; the first that fits counts. What embeds an IPv4 address is not here.
const V6: [([u16; 4], u32, Class); 14] = [
    ([0x0100, 0, 0, 0], 64, Class::Reserved),
    ([0x2001, 0x2, 0, 0], 48, Class::Benchmarking),
    ([0x2001, 0xdb8, 0, 0], 32, Class::Documentation),
    ([0x2001, 0, 0, 0], 23, Class::Reserved),
    ([0x3fff, 0, 0, 0], 20, Class::Documentation),
    ([0x3ffe, 0, 0, 0], 16, Class::Reserved),
    ([0xfc00, 0, 0, 0], 7, Class::UniqueLocal),
    ([0xfe80, 0, 0, 0], 10, Class::LinkLocal),
    ([0xfec0, 0, 0, 0], 10, Class::SiteLocal),
    ([0xff00, 0, 0, 0], 8, Class::Multicast),
    // All that is not 2000::/3 belongs to nobody yet.
    ([0, 0, 0, 0], 3, Class::Reserved),
    ([0x4000, 0, 0, 0], 2, Class::Reserved),
    ([0x8000, 0, 0, 0], 2, Class::Reserved),
    ([0xc000, 0, 0, 0], 2, Class::Reserved),
];

fn v4(address: Ipv4Addr) -> Option<Class> {
    if METADATA_V4.contains(&address) {
        return Some(Class::Metadata);
    }
    let bits = u32::from(address);
    let fits = |network: &[u8; 4], length: u32| {
        (bits ^ u32::from_be_bytes(*network)).checked_shr(32 - length).unwrap_or(0) == 0
    };
    V4.iter().find(|(network, length, _)| fits(network, *length)).map(|(.., class)| *class)
}

fn v6(address: Ipv6Addr) -> Option<Class> {
    if METADATA_V6.contains(&address) {
        return Some(Class::Metadata);
    }
    if address.is_unspecified() {
        return Some(Class::Unspecified);
    }
    if address.is_loopback() {
        return Some(Class::Loopback);
    }
    if let Some((dress, inside)) = embedded(address) {
        // What is inside says more than the dress.
        return Some(inside.into_iter().find_map(v4).unwrap_or(dress));
    }
    let bits = u64::try_from(u128::from(address) >> 64).unwrap_or(u64::MAX);
    let fits = |network: &[u16; 4], length: u32| {
        let network = network.iter().fold(0u64, |all, part| all << 16 | u64::from(*part));
        (bits ^ network) >> (64 - length) == 0
    };
    V6.iter().find(|(network, length, _)| fits(network, *length)).map(|(.., class)| *class)
}

/// The IPv4 addresses inside of an IPv6 one, and how they are in there.
fn embedded(address: Ipv6Addr) -> Option<(Class, Vec<Ipv4Addr>)> {
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let (class, found) = match address.segments() {
        // ::ffff:a.b.c.d, ::a.b.c.d and ::ffff:0:a.b.c.d.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            (Class::Mapped, vec![pair(high, low)])
        }
        // A network's own prefix of 64:ff9b:1::/48 has the address in one of several places; the last is usual.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => {
            (Class::Translated, vec![pair(high, low)])
        }
        // Teredo: the client with all bits turned, and the server.
        [0x2001, 0, server, of, _, _, high, low] => {
            (Class::Tunnelled, vec![pair(!high, !low), pair(server, of)])
        }
        // 6to4, and ISATAP: an address of the link behind any prefix.
        [0x2002, high, low, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            (Class::Tunnelled, vec![pair(high, low)])
        }
        _ => return None,
    };
    Some((class, found))
}

use super::*;
use proptest::prelude::*;

fn of(text: &str) -> Option<Class> {
    class(text.parse().unwrap_or_else(|_| panic!("{text}")))
}

#[test]
fn every_kind_of_address_has_its_class() {
    use Class::*;
    for (text, expected) in [
        ("1.1.1.1", None),
        ("8.8.8.8", None),
        ("9.255.255.255", None),
        ("11.0.0.0", None),
        ("100.63.255.255", None),
        ("100.128.0.0", None),
        ("172.15.255.255", None),
        ("172.32.0.0", None),
        ("192.0.1.0", None),
        ("192.167.255.255", None),
        ("198.17.255.255", None),
        ("198.20.0.0", None),
        ("223.255.255.255", None),
        ("2606:4700::1111", None),
        ("2a00:1450::1", None),
        ("2001:200::1", None),
        ("0.0.0.0", Some(Unspecified)),
        ("0.1.2.3", Some(Unspecified)),
        ("10.0.0.1", Some(Private)),
        ("100.64.0.1", Some(Shared)),
        ("100.127.255.255", Some(Shared)),
        ("127.0.0.1", Some(Loopback)),
        ("127.255.255.254", Some(Loopback)),
        ("169.254.1.1", Some(LinkLocal)),
        ("172.16.0.1", Some(Private)),
        ("172.31.255.255", Some(Private)),
        ("192.0.0.8", Some(Reserved)),
        ("192.0.2.1", Some(Documentation)),
        ("192.88.99.1", Some(Tunnelled)),
        ("192.168.1.1", Some(Private)),
        ("198.18.0.1", Some(Benchmarking)),
        ("198.19.255.255", Some(Benchmarking)),
        ("198.51.100.7", Some(Documentation)),
        ("203.0.113.7", Some(Documentation)),
        ("224.0.0.1", Some(Multicast)),
        ("239.255.255.255", Some(Multicast)),
        ("240.0.0.1", Some(Reserved)),
        ("255.255.255.254", Some(Reserved)),
        ("255.255.255.255", Some(Broadcast)),
        ("169.254.169.254", Some(Metadata)),
        ("169.254.170.2", Some(Metadata)),
        ("169.254.169.252", Some(Metadata)),
        ("169.254.42.42", Some(Metadata)),
        ("fd00:42::42", Some(Metadata)),
        ("fe80::a9fe:a9fe", Some(Metadata)),
        ("168.63.129.16", Some(Metadata)),
        ("100.100.100.200", Some(Metadata)),
        ("192.0.0.192", Some(Metadata)),
        ("fd00:ec2::254", Some(Metadata)),
        ("fd20:ce::254", Some(Metadata)),
        ("::", Some(Unspecified)),
        ("::1", Some(Loopback)),
        ("::2", Some(Unspecified)),
        ("::ffff:127.0.0.1", Some(Loopback)),
        ("::ffff:169.254.169.254", Some(Metadata)),
        ("::ffff:1.1.1.1", Some(Mapped)),
        ("::10.0.0.1", Some(Private)),
        ("::1.1.1.1", Some(Mapped)),
        ("::ffff:0:10.0.0.1", Some(Private)),
        ("64:ff9b::10.0.0.1", Some(Private)),
        ("64:ff9b::1.1.1.1", Some(Translated)),
        ("64:ff9b:1::192.168.0.1", Some(Private)),
        ("64:ff9b:1:2::1.1.1.1", Some(Translated)),
        ("2002:7f00:1::", Some(Loopback)),
        ("2002:101:101::1", Some(Tunnelled)),
        ("2001:0:a00:1::fefe:fefe", Some(Private)),
        ("2001:0:101:101::f5ff:fffe", Some(Private)),
        ("2001:0:101:101::fefe:fefe", Some(Tunnelled)),
        ("2a00::5efe:10.0.0.1", Some(Private)),
        ("2a00::200:5efe:1.1.1.1", Some(Tunnelled)),
        ("100::1", Some(Reserved)),
        ("2001:2::1", Some(Benchmarking)),
        ("2001:10::1", Some(Reserved)),
        ("2001:db8::1", Some(Documentation)),
        ("3fff::1", Some(Documentation)),
        ("3ffe::1", Some(Reserved)),
        ("4000::1", Some(Reserved)),
        ("5f00::1", Some(Reserved)),
        ("8000::1", Some(Reserved)),
        ("e000::1", Some(Reserved)),
        ("fc00::1", Some(UniqueLocal)),
        ("fdff::1", Some(UniqueLocal)),
        ("fe80::1", Some(LinkLocal)),
        ("febf::1", Some(LinkLocal)),
        ("fec0::1", Some(SiteLocal)),
        ("ff02::1", Some(Multicast)),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
}

#[test]
fn a_name_stands_for_the_near_and_never_for_credentials_or_everybody() {
    for (class, expected) in [
        (Class::Loopback, false),
        (Class::LinkLocal, false),
        (Class::OnLink, true),
        (Class::Private, true),
        (Class::UniqueLocal, true),
        (Class::Metadata, false),
        (Class::Broadcast, false),
        (Class::Multicast, false),
        (Class::Unspecified, false),
        (Class::Mapped, false),
        (Class::Translated, false),
        (Class::Tunnelled, false),
    ] {
        assert_eq!(class.goes_with_a_name(), expected, "{class:?}");
    }
}

proptest! {
    /// An address of IPv4 in any dress is refused, and for the same reason as without it.
    #[test]
    fn what_is_embedded_is_judged_like_itself(bits: u32) {
        let plain = Ipv4Addr::from(bits);
        let [a, b, c, d] = bits.to_be_bytes();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let dressed = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x0101, 0x0101, 0, 0, !high, !low),
            Ipv6Addr::new(0x2a00, 1, 2, 3, 0, 0x5efe, high, low),
        ];
        for address in dressed {
            let found = class(IpAddr::V6(address));
            prop_assert!(found.is_some(), "{address}");
            if let Some(inside) = class(IpAddr::V4(plain)) {
                prop_assert_eq!(found, Some(inside), "{}", address);
            }
        }
    }

    /// Nothing of IPv6 is public but what is in 2000::/3.
    #[test]
    fn only_global_unicast_is_public(bits: u128) {
        let address = Ipv6Addr::from(bits);
        if class(IpAddr::V6(address)).is_none() {
            prop_assert_eq!(bits >> 125, 1, "{}", address);
        }
    }

    /// The standard library's own opinions are never more careful.
    #[test]
    fn what_the_standard_library_calls_special_is_refused(bits: u32) {
        let address = Ipv4Addr::from(bits);
        let special = address.is_private() || address.is_loopback() || address.is_link_local()
            || address.is_broadcast() || address.is_multicast() || address.is_documentation()
            || address.is_unspecified();
        prop_assert!(!special || class(IpAddr::V4(address)).is_some(), "{address}");
    }
}

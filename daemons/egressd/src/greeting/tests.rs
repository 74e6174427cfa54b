use super::*;
use std::sync::Arc;

use proptest::prelude::*;
use rustls::pki_types::ServerName;

/// The greeting of a real client.
fn real(host: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn named(name: &str) -> Greeting {
    Greeting::Name(Some(name.to_owned()))
}

/// One record around a handshake message.
fn record(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    [&[22, 3, 1], &length[..], message].concat()
}

/// A greeting with these extensions, each a type and a content.
fn hello(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, content) in extensions {
        list.extend(kind.to_be_bytes());
        list.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        list.extend(content);
    }
    let mut body = [&[3, 3][..], &[7; 32], &[0], &[0, 2, 0x13, 1], &[1, 0]].concat();
    body.extend(u16::try_from(list.len()).unwrap().to_be_bytes());
    body.extend(list);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(&[&[1], &length[1..], &body].concat())
}

/// The content of a list of names.
fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, name) in names {
        list.push(*kind);
        list.extend(u16::try_from(name.len()).unwrap().to_be_bytes());
        list.extend(*name);
    }
    [&u16::try_from(list.len()).unwrap().to_be_bytes()[..], &list].concat()
}

#[test]
fn reads_the_name_of_a_real_client_byte_by_byte() {
    let bytes = real("Shop.Test");
    for end in 0..bytes.len() {
        assert_eq!(read(&bytes[..end]), Greeting::More, "{end}");
    }
    assert_eq!(read(&bytes), named("shop.test"));
    assert_eq!(read(&[&bytes[..], &[20, 3, 3, 0, 1, 1]].concat()), named("shop.test"), "more records");
    assert_eq!(read(&real("192.0.2.1")), Greeting::Name(None));
}

#[test]
fn reads_a_greeting_in_many_records() {
    let bytes = real("shop.test");
    let message = &bytes[5..];
    for size in [1, 2, 3, 5, 100] {
        let records: Vec<u8> = message.chunks(size).flat_map(record).collect();
        assert_eq!(read(&records), named("shop.test"), "{size}");
    }
}

#[test]
fn an_encrypted_greeting_counts_by_its_outer_name() {
    let encrypted = (0xfe0d, vec![0; 64]);
    assert_eq!(read(&hello(&[encrypted.clone(), (0, names(&[(0, b"outer.test")]))])), named("outer.test"));
    assert_eq!(read(&hello(&[encrypted])), Greeting::Name(None));
}

#[test]
fn refuses_what_two_servers_read_in_two_ways() {
    let one = || (0, names(&[(0, b"a.test")]));
    let refused = |bytes: &[u8]| assert!(matches!(read(bytes), Greeting::Refused(_)), "{bytes:?}");
    refused(&hello(&[one(), one()]));
    refused(&hello(&[(0, names(&[(0, b"a.test"), (0, b"b.test")]))]));
    refused(&hello(&[(0, names(&[(1, b"a.test")]))]));
    refused(&hello(&[(0, names(&[(0, b"")]))]));
    refused(&hello(&[(0, names(&[(0, b"b\xc3\xbccher.test")]))]));
    refused(&hello(&[(0, [names(&[(0, b"a.test")]), vec![0]].concat())]));
    refused(&hello(&[(0, Vec::new())]));
    refused(b"GET / HTTP/1.1\r\n\r\n");
    refused(b"SSH-2.0-OpenSSH_9.6\r\n");
    refused(&[0x80, 0x2e, 1, 3, 1]);
    refused(&[22, 3, 1, 0, 0]);
    refused(&[22, 3, 1, 0x40, 1]);
    refused(&record(&[2, 0, 0, 0]));
    // A second message in the same record.
    let bytes = hello(&[one()]);
    refused(&record(&[&bytes[5..], &[1, 0, 0, 0]].concat()));
    // A body that goes on after its extensions.
    let mut long = bytes[5..].to_vec();
    long.push(0);
    long[3] += 1;
    refused(&record(&long));
    refused(&record(&[1, 0xff, 0xff, 0xff]));
}

#[test]
fn does_not_wait_for_ever() {
    let endless: Vec<u8> =
        record(&[1, 0, 0x3f, 0xff]).into_iter().chain((0..7000).flat_map(|_| record(&[0]))).collect();
    assert!(matches!(read(&endless), Greeting::Refused(_)));
}

proptest! {
    #[test]
    fn never_stops(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _whatever = read(&bytes);
        let _whatever = read(&record(&[&[1, 0, 0, u8::try_from(bytes.len() % 256).unwrap()][..], &bytes].concat()));
    }

    #[test]
    fn a_changed_greeting_names_a_name_or_is_refused(at in 0_usize..400, to in any::<u8>()) {
        let mut bytes = hello(&[(10, vec![0, 2, 0, 29]), (0, names(&[(0, b"a.test")])), (16, vec![0, 3, 2, b'h', b'2'])]);
        let at = at % bytes.len();
        bytes[at] = to;
        if let Greeting::Name(Some(name)) = read(&bytes) {
            prop_assert!(name.is_ascii() && !name.is_empty() && name.len() <= bytes.len());
        }
    }
}

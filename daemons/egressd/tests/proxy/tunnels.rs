//! Tunnels: what the greeting names is where it goes.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use testudo::egress::Scheme;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::web::Answer;
use crate::world::{Setting, World, soon};

/// Speaks TLS as a client that asks for `name`, and gets `/page` of `shop.test`.
pub(crate) async fn page(world: &World, client: Client, name: &str) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(world.authority.pem()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = soon(connector.connect(name, client.stream)).await?;
    stream.write_all(b"GET /page HTTP/1.1\r\nhost: shop.test\r\n\r\n").await?;
    let mut text = Vec::new();
    // The server hangs up without a farewell.
    let _ended = soon(stream.read_to_end(&mut text)).await;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

pub(crate) fn with_page(setting: &Setting) -> World {
    let world = World::with(setting);
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage".to_vec();
    world.web.answer("shop.test", "/page", Answer::Raw(page));
    world
}

#[tokio::test]
async fn a_tunnel_leads_to_the_host_that_its_greeting_names() {
    let world = with_page(&Setting::default());
    let mut client = world.client().await;
    assert_eq!(client.tunnel(&format!("shop.test:{}", world.web.https)).await.status, 200);
    assert!(page(&world, client, "shop.test").await.unwrap().ends_with("page"));
    let transfer = world.gate.closed(1).await.remove(0);
    assert_eq!((transfer.address, &transfer.cut), (Some(world.https()), &None));
    assert!(transfer.sent > 200 && transfer.received > 200, "{transfer:?}");
    assert_eq!(world.gate.seen.borrow().asked[0].scheme, Scheme::Tls);
}

#[tokio::test]
async fn any_other_greeting_ends_it_before_it_is_connected() {
    let world = with_page(&Setting::default());
    let to = format!("shop.test:{}", world.web.https);
    for name in ["api.test", "shop.test.evil.test", "127.0.0.1"] {
        let mut client = world.client().await;
        assert_eq!(client.tunnel(&to).await.status, 200);
        assert!(page(&world, client, name).await.is_err(), "{name}");
    }
    for first in ["GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", "SSH-2.0-x\r\n", "\u{16}\u{3}\u{1}\0\0"] {
        let mut client = world.client().await;
        client.tunnel(&to).await;
        client.say(first).await;
        assert_eq!(client.rest().await, [21, 3, 3, 0, 2, 2, 112], "{first:?}");
    }
    for transfer in world.gate.closed(6).await {
        assert_eq!(transfer.cut.unwrap().reason.word(), "server-name");
        assert_eq!((transfer.address, transfer.sent), (None, 0));
    }
    assert_eq!(world.web.connections(), 0);
}

#[tokio::test]
async fn after_a_refused_tunnel_nothing_is_read_any_more() {
    let world = with_page(&Setting::default());
    let mut client = world.client().await;
    let next = format!(
        "TRACE {} HTTP/1.1\r\nHost: shop.test:{}\r\n\r\n",
        world.url("shop.test", "/x"),
        world.web.https
    );
    client.say(&format!("CONNECT unknown.test:443 HTTP/1.1\r\nHost: unknown.test:443\r\n\r\n{next}")).await;
    let answer = soon(client.answer(false)).await.unwrap();
    assert_eq!((answer.refused(), answer.header("connection")), (Some("denied"), Some("close")));
    client.say(&next).await;
    assert!(client.rest().await.is_empty());
    assert_eq!(world.gate.seen.borrow().asked.len(), 1, "the tunnel alone was asked about");
    assert_eq!(world.web.connections(), 0);
}

#[tokio::test]
async fn an_address_has_no_name_to_check() {
    let world = with_page(&Setting::default());
    let to = format!("127.0.0.1:{}", world.web.https);
    let answer = world.client().await.tunnel(&to).await;
    assert_eq!((answer.status, answer.refused()), (403, Some("server-name")));
    assert!(world.gate.seen.borrow().asked.is_empty());

    let world = with_page(&Setting { tunnels: vec!["tls://127.0.0.1:TLS"], ..Setting::default() });
    let mut client = world.client().await;
    assert_eq!(client.tunnel(&format!("127.0.0.1:{}", world.web.https)).await.status, 200);
    assert!(page(&world, client, "127.0.0.1").await.unwrap().ends_with("page"));
    let mut client = world.client().await;
    client.tunnel(&format!("127.0.0.1:{}", world.web.https)).await;
    assert!(page(&world, client, "shop.test").await.is_err(), "a name where an address was decided");
}

#[tokio::test]
async fn a_declared_tunnel_carries_anything() {
    let world = World::with(&Setting { tunnels: vec!["tcp://echo.test:PORT"], ..Setting::default() });
    let mut client = world.client().await;
    assert_eq!(client.tunnel(&format!("echo.test:{}", world.web.echo)).await.status, 200);
    client.say("any bytes\n").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.rest().await, b"any bytes\n");
    let seen = world.gate.closed(1).await.remove(0);
    assert_eq!((seen.sent, seen.received, seen.cut), (10, 10, None));
    assert_eq!(world.gate.seen.borrow().asked[0].scheme, Scheme::Tcp);
}

#[tokio::test]
async fn the_end_of_the_call_ends_it() {
    let world = World::with(&Setting { tunnels: vec!["tcp://echo.test:PORT"], ..Setting::default() });
    let mut client = world.client().await;
    client.tunnel(&format!("echo.test:{}", world.web.echo)).await;
    client.say("ping").await;
    soon(client.stream.readable()).await.unwrap();
    world.gate.call.close();
    assert_eq!(client.rest().await, b"ping");
    assert_eq!(world.gate.closed(1).await[0].cut.as_ref().unwrap().reason.word(), "ticket");
}

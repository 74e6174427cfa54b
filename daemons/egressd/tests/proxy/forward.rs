//! Requests that are passed on.

use testudo::egress::Scheme;
use testudo_egressd::gate::Reason;

use crate::web::Answer;
use crate::world::{World, soon};

#[tokio::test]
async fn a_request_is_asked_for_sent_and_recorded() {
    let world = World::start();
    world.web.answer("shop.test", "/cart", Answer::text("three things"));
    let mut client = world.client().await;
    let headers =
        "accept: text/plain\r\nproxy-authorization: Basic x\r\nconnection: keep-alive\r\nte: trailers\r\n";
    let answer = client.get(&world.url("Shop.test", "/cart?id=7"), headers).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.refused()), (200, "three things", None));

    let transfer = world.gate.closed(1).await.remove(0);
    assert_eq!((transfer.address, transfer.status), (Some(world.https()), Some(200)));
    assert_eq!((transfer.received, transfer.cut), (12, None));
    let wish = world.gate.seen.borrow().asked[0].clone();
    assert_eq!(
        (wish.scheme, wish.host.to_string().as_str(), wish.port),
        (Scheme::Https, "shop.test", world.web.https)
    );
    assert_eq!(
        (wish.method.as_str(), wish.path.as_str(), wish.query.as_deref()),
        ("GET", "/cart", Some("id=7"))
    );

    let received = world.web.received().remove(0);
    assert!(received.tls);
    assert_eq!((received.method.as_str(), received.target.as_str()), ("GET", "/cart?id=7"));
    assert_eq!(received.header("host"), Some(format!("shop.test:{}", world.web.https).as_str()));
    let names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["host", "accept"], "nothing of the way to the proxy goes on");
}

#[tokio::test]
async fn each_request_of_a_connection_is_asked_for_anew() {
    let world = World::start();
    let mut client = world.client().await;
    for path in ["/echo", "/echo?2", "/other"] {
        client.get(&world.url("shop.test", path), "").await;
    }
    let denied = client.get(&world.url("denied.test", "/"), "").await;
    assert_eq!((denied.status, denied.refused()), (403, Some("denied")));
    let last = client.get(&format!("http://plain.test:{}/echo", world.web.http), "").await;
    assert_eq!(last.status, 200);
    assert_eq!(world.gate.seen.borrow().asked.len(), 5);
    assert_eq!(world.web.received().len(), 4);
    assert!(world.web.connections() < 4, "a connection to a server is used again");
}

#[tokio::test]
async fn bodies_go_both_ways() {
    let world = World::start();
    let mut client = world.client().await;
    let body = "0123456789abcdef".repeat(40_000);
    let answer = client.ask("POST", &world.url("shop.test", "/echo"), "", &body).await;
    assert!(answer.body.contains(&body[..1000]) && answer.body.len() > body.len());
    assert_eq!(world.web.received()[0].header("content-length"), Some("640000"));

    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: shop.test:{}\r\n",
        world.url("shop.test", "/echo"),
        world.web.https
    );
    client.say(&format!("{head}transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")).await;
    let go_on = client.answer(true).await.unwrap();
    assert_eq!(go_on.status, 100);
    client.say("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await;
    assert!(client.answer(false).await.unwrap().body.contains("hello world"));
    assert_eq!(world.web.received()[1].body, b"hello world");

    let head = client.ask("HEAD", &world.url("shop.test", "/echo"), "", "").await;
    assert!(head.header("content-length").is_some());
    assert_eq!(
        client.get(&world.url("shop.test", "/none"), "").await.status,
        404,
        "the connection still works"
    );
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow() {
    let world = World::start();
    world.web.answer("shop.test", "/", Answer::redirect("http://169.254.169.254/latest"));
    let answer = world.client().await.get(&world.url("shop.test", "/"), "").await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://169.254.169.254/latest")));
    assert_eq!(world.gate.seen.borrow().asked.len(), 1);
}

#[tokio::test]
async fn a_server_without_the_right_certificate_is_not_spoken_to() {
    let world = World::start();
    world.authority.forge("shop.test");
    let answer = world.client().await.get(&world.url("shop.test", "/echo"), "x-word: mine\r\n").await;
    assert_eq!((answer.status, answer.refused()), (502, Some("unreachable")));
    assert!(answer.body.contains("TLS"), "{answer:?}");
    assert!(world.web.received().is_empty());
    assert!(world.gate.closed(1).await[0].cut.is_some());
}

#[tokio::test]
async fn a_server_cannot_speak_as_the_proxy_or_change_the_protocol() {
    let world = World::start();
    let raw = |text: &str| Answer::Raw(text.as_bytes().to_vec());
    world.web.answer("shop.test", "/lie", raw("HTTP/1.1 403 No\r\nTestudo-Refused: denied\r\nProxy-Authenticate: Basic\r\nX-Hop: 1\r\nConnection: X-Hop, close\r\nContent-Length: 0\r\n\r\n"));
    world.web.answer(
        "shop.test",
        "/switch",
        raw("HTTP/1.1 101 Switching\r\nUpgrade: ws\r\nConnection: upgrade\r\n\r\n"),
    );
    world.web.answer(
        "shop.test",
        "/early",
        raw("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    );
    world.web.answer(
        "shop.test",
        "/two",
        raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk"),
    );
    world.web.answer(
        "shop.test",
        "/gzip",
        raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    );
    world.web.answer("shop.test", "/short", raw("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok"));
    let get = async |path: &str| world.client().await.get(&world.url("shop.test", path), "").await;
    let lie = get("/lie").await;
    assert_eq!(
        (lie.status, lie.refused(), lie.header("proxy-authenticate"), lie.header("x-hop")),
        (403, None, None, None)
    );
    assert_eq!(get("/switch").await.refused(), Some("answer"));
    assert_eq!(get("/early").await.body, "ok");
    assert_eq!(get("/two").await.refused(), Some("answer"));
    assert_eq!(get("/gzip").await.refused(), Some("answer"));
    let short = get("/short").await;
    assert!(short.cut, "{short:?}");
}

#[tokio::test]
async fn the_end_of_a_call_ends_its_connections_at_once() {
    let world = World::start();
    world.web.answer(
        "shop.test",
        "/stall",
        Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin".to_vec()),
    );
    let mut reading = world.client().await;
    reading
        .say(&format!(
            "GET {0} HTTP/1.1\r\nHost: shop.test:{1}\r\n\r\n",
            world.url("shop.test", "/stall"),
            world.web.https
        ))
        .await;
    let mut asking = world.client().await;
    asking.say("GET https://asked.test/ HTTP/1.1\r\nHost: asked.test\r\n\r\n").await;
    let mut seen = world.gate.seen.subscribe();
    soon(seen.wait_for(|seen| seen.asked.len() == 2)).await.unwrap();
    world.gate.call.close();
    assert!(asking.rest().await.is_empty());
    let _partly = reading.rest().await;
    let cut = world.gate.closed(1).await[0].cut.clone().unwrap();
    assert_eq!(cut.reason.word(), "ticket");
    let late = world.client().await.answer(false).await.unwrap();
    assert_eq!((late.status, late.refused()), (407, Some("ticket")));
}

#[tokio::test]
async fn who_hangs_up_withdraws_the_question() {
    let world = World::start();
    for request in ["GET https://asked.test/", "POST https://asked.test/", "CONNECT asked.test:443"] {
        let mut client = world.client().await;
        let length = if request.starts_with("POST") { "Content-Length: 2\r\n\r\nok" } else { "\r\n" };
        let host = if request.starts_with("CONNECT") { "asked.test:443" } else { "asked.test" };
        client.say(&format!("{request} HTTP/1.1\r\nHost: {host}\r\n{length}")).await;
        let mut seen = world.gate.seen.subscribe();
        let asked = seen.borrow().withdrawn + 1;
        soon(seen.wait_for(|seen| seen.asked.len() == asked)).await.unwrap();
        drop(client);
        soon(seen.wait_for(|seen| seen.withdrawn == asked)).await.unwrap();
    }
    // Also when the server has it already: the end is recorded.
    world.web.answer("shop.test", "/mute", Answer::Stall(Vec::new()));
    let mut client = world.client().await;
    let url = world.url("shop.test", "/mute");
    client.say(&format!("GET {url} HTTP/1.1\r\nHost: shop.test:{}\r\n\r\n", world.web.https)).await;
    let mut seen = world.gate.seen.subscribe();
    soon(seen.wait_for(|seen| seen.asked.len() == 4)).await.unwrap();
    drop(client);
    assert_eq!(world.gate.closed(1).await[0].cut.as_ref().unwrap().reason, Reason::Gone);
}

#[tokio::test]
async fn nothing_is_connected_to_but_an_address_that_was_checked_for_this_request() {
    let world = World::start();
    let elsewhere = (std::net::Ipv4Addr::new(127, 0, 0, 2), world.web.https).into();
    let url = world.url("shop.test", "/echo");
    let mut client = world.client().await;
    assert_eq!(client.get(&url, "").await.status, 200);
    // The name leads elsewhere now: the connection that waits is not used for it.
    world.gate.admit("shop.test", &[elsewhere]);
    assert_eq!(client.get(&url, "").await.refused(), Some("unreachable"));
    assert_eq!(world.web.received().len(), 1);
    // The next address is tried when one does not answer.
    world.gate.admit("shop.test", &[elsewhere, world.https()]);
    assert_eq!(client.get(&url, "").await.status, 200);
    assert_eq!(world.gate.closed(3).await[2].address, Some(world.https()));
}

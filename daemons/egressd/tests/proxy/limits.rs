//! Who comes, how many, how much and for how long.

use nix::unistd::Uid;
use testudo_egressd::gate::Reason;

use crate::web::Answer;
use crate::world::{Setting, World, soon};

fn with(config: &str) -> World {
    World::with(&Setting { config: config.to_owned(), ..Setting::default() })
}

#[tokio::test]
async fn only_the_user_of_the_socket_comes_in() {
    let world =
        World::with(&Setting { user: Uid::from_raw(Uid::current().as_raw() + 1), ..Setting::default() });
    let mut client = world.client().await;
    assert!(client.rest().await.is_empty());
    assert!(world.gate.seen.borrow().asked.is_empty());
}

#[tokio::test]
async fn a_connection_begins_with_a_ticket() {
    let world = World::start();
    for frame in [
        "{\"ticket\":\"guessed\"}\0",
        "{}\0",
        "GET / HTTP/1.1\r\n\r\n\0",
        "\0",
        "{\"ticket\":\"a\",\"x\":1}\0",
    ] {
        let mut client = world.raw("calls").await;
        client.say(frame).await;
        let answer = soon(client.answer(false)).await.unwrap();
        assert_eq!((answer.status, answer.refused()), (407, Some("ticket")), "{frame:?}");
        assert!(client.rest().await.is_empty());
    }
    let mut long = world.raw("calls").await;
    long.say(&" ".repeat(600)).await;
    assert_eq!(soon(long.answer(false)).await.unwrap().status, 407);

    let mut models = world.raw("models").await;
    models.say("{}\0").await;
    assert_eq!(models.get(&world.url("shop.test", "/echo"), "").await.status, 200);
    let mut lost = world.raw("models").await;
    lost.say(&format!("{{\"ticket\":\"{}\"}}\0", crate::fake::TICKET)).await;
    assert_eq!(
        soon(lost.answer(false)).await.unwrap().status,
        407,
        "a call's ticket at the socket of modeld"
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_beginning_ends_with_its_time() {
    let world = World::start();
    let began = tokio::time::Instant::now();
    let mut silent = world.raw("calls").await;
    silent.say("{\"tick").await;
    assert_eq!(silent.answer(false).await.unwrap().refused(), Some("time"));
    assert_eq!(began.elapsed().as_secs(), 2);

    // A head of which one more header comes every second.
    let mut loris = world.client().await;
    loris.say("GET https://shop.test/ HTTP/1.1\r\n").await;
    let began = tokio::time::Instant::now();
    let dripping = async {
        loop {
            loris.say("X-Drip: 1\r\n").await;
            let more = tokio::time::timeout(std::time::Duration::from_secs(1), loris.stream.readable()).await;
            if more.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), dripping).await.expect("it is cut off");
    assert!(began.elapsed().as_secs() <= 11, "{:?}", began.elapsed());
    assert!(world.gate.seen.borrow().asked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_says_nothing_ends_with_its_time() {
    let world = World::start();
    let mut client = world.client().await;
    assert_eq!(client.tunnel("shop.test:443").await.status, 200);
    let began = tokio::time::Instant::now();
    client.say("\u{16}\u{3}").await;
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(world.gate.closed(1).await[0].cut.as_ref().unwrap().reason, Reason::Time);
    assert_eq!(world.web.connections(), 0);
}

#[tokio::test]
async fn silence_in_the_middle_ends_with_its_time() {
    let world = with("idle_timeout = \"200ms\"");
    world.web.answer("shop.test", "/mute", Answer::Stall(Vec::new()));
    world.web.answer(
        "shop.test",
        "/stall",
        Answer::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin".to_vec()),
    );
    let mute = world.client().await.get(&world.url("shop.test", "/mute"), "").await;
    assert_eq!((mute.status, mute.refused()), (504, Some("time")));
    let stall = world.client().await.get(&world.url("shop.test", "/stall"), "").await;
    assert_eq!((stall.status, stall.cut), (200, true));
    let mut slow = world.client().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: shop.test:{}\r\n",
        world.url("shop.test", "/echo"),
        world.web.https
    );
    slow.say(&format!("{head}Content-Length: 10\r\n\r\nhalf")).await;
    assert_eq!(soon(slow.answer(false)).await.unwrap().refused(), Some("time"));
    assert_eq!(world.gate.seen.borrow().asked.len(), 2, "a body that does not come is not asked about");
}

#[tokio::test]
async fn a_connection_does_not_live_for_ever() {
    let world = with("lifetime = \"300ms\"");
    let mut client = world.client().await;
    client.say("GET https://asked.test/ HTTP/1.1\r\nHost: asked.test\r\n\r\n").await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn bodies_are_bounded_both_ways() {
    let world = with("request_limit = \"1KiB\"\nresponse_limit = \"4KiB\"");
    let url = world.url("shop.test", "/echo");
    let long = world.client().await.ask("POST", &url, "", &"x".repeat(1025)).await;
    assert_eq!((long.status, long.refused()), (413, Some("size")));
    let mut client = world.client().await;
    client
        .say(&format!(
            "POST {url} HTTP/1.1\r\nHost: shop.test:{}\r\nTransfer-Encoding: chunked\r\n\r\n",
            world.web.https
        ))
        .await;
    client.say(&format!("400\r\n{}\r\n1\r\nx\r\n0\r\n\r\n", "x".repeat(1024))).await;
    assert_eq!(soon(client.answer(false)).await.unwrap().refused(), Some("size"));
    assert!(world.gate.seen.borrow().asked.is_empty());

    world.web.answer("shop.test", "/long", Answer::text(&"x".repeat(4097)));
    let long = world.client().await.get(&world.url("shop.test", "/long"), "").await;
    assert_eq!(long.refused(), Some("size"));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(9000));
    world.web.answer("shop.test", "/endless", Answer::Raw(endless.into_bytes()));
    let mut client = world.client().await;
    let url = world.url("shop.test", "/endless");
    client.say(&format!("GET {url} HTTP/1.1\r\nHost: shop.test:{}\r\n\r\n", world.web.https)).await;
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 4600, "{}", rest.len());
    assert_eq!(world.gate.closed(2).await[1].cut.as_ref().unwrap().reason, Reason::Size);
    // All that one connection brings back counts together.
    world.web.answer("shop.test", "/half", Answer::text(&"x".repeat(2048)));
    let mut client = world.client().await;
    let mut half = async || client.get(&world.url("shop.test", "/half"), "").await;
    assert_eq!((half().await.status, half().await.status, half().await.refused()), (200, 200, Some("size")));
}

#[tokio::test]
async fn connections_and_starts_are_counted() {
    let world = with("connections = 2\nper_minute = 5");
    let (mut first, second) = (world.client().await, world.client().await);
    let url = world.url("shop.test", "/echo");
    assert_eq!(first.get(&url, "").await.status, 200);
    // The second has its place once it was answered.
    let mut second = second;
    assert_eq!(second.get(&url, "").await.status, 200);
    let third = soon(world.client().await.answer(false)).await.unwrap();
    assert_eq!((third.status, third.refused()), (429, Some("rate")));
    drop(second);
    let again = crate::world::soon(async {
        loop {
            let mut client = world.client().await;
            client.say(&format!("GET {url} HTTP/1.1\r\nHost: shop.test:{}\r\n\r\n", world.web.https)).await;
            let answer = client.answer(false).await.unwrap();
            if answer.status == 200 {
                return client;
            }
        }
    });
    let mut again = again.await;
    assert_eq!((again.get(&url, "").await.status, again.get(&url, "").await.status), (200, 200));
    let sixth = again.get(&url, "").await;
    assert_eq!((sixth.status, sixth.refused()), (429, Some("rate")));
    assert_eq!(world.gate.seen.borrow().asked.len(), 5);
}

#[tokio::test]
async fn whoever_does_not_say_whose_it_is_keeps_nobody_out_for_long() {
    let world = World::start();
    let mut silent = Vec::new();
    for _ in 0..testudo_egressd::bounds::UNGREETED {
        silent.push(world.raw("calls").await);
    }
    let began = tokio::time::Instant::now();
    let answer = world.client().await.get(&world.url("shop.test", "/echo"), "").await;
    assert_eq!(answer.status, 200);
    let waited = began.elapsed().as_millis();
    assert!((1500..8000).contains(&waited), "{waited} ms");
}

/// What this process holds in memory, in bytes.
fn held() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_body_in_pieces_of_a_byte_costs_what_it_says() {
    let world = World::start();
    let before = held();
    let url = world.url("asked.test", "/x");
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = world.client().await;
        let host = format!("asked.test:{}", world.web.https);
        client
            .say(&format!("POST {url} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"))
            .await;
        soon(async {
            client.say(&"1\r\nx\r\n".repeat(100_000)).await;
            client.say("0\r\n\r\n").await;
        })
        .await;
        clients.push(client);
    }
    let mut seen = world.gate.seen.subscribe();
    soon(seen.wait_for(|seen| seen.asked.len() == 8)).await.unwrap();
    let grown = held().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for 800000");
}

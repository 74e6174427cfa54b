//! Requests that are not in the one form: nothing of them is asked for, and nothing is sent.

use crate::world::{World, soon};

/// Sends these bytes, and gives the code of the refusal; the connection ends after it.
async fn refused(world: &World, request: &str) -> Option<String> {
    let mut client = world.client().await;
    client.say(request).await;
    let answer = soon(client.answer(false)).await;
    let code = answer.as_ref().map(|answer| answer.refused().unwrap_or("").to_owned());
    assert!(answer.is_none_or(|answer| answer.status >= 400), "{request:?}");
    code
}

#[tokio::test]
async fn odd_requests_are_refused_with_a_reason() {
    let world = World::start();
    let https = world.web.https;
    let get = |target: &str, headers: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: shop.test:{https}\r\n{headers}\r\n")
    };
    let url = world.url("shop.test", "/");
    for request in [
        get("/", ""),
        get("*", ""),
        get("shop.test:443", ""),
        get(&format!("{url}#fragment"), ""),
        get(&format!("https://user:word@shop.test:{https}/"), ""),
        get(&format!("https://user@shop.test:{https}/"), ""),
        get(&format!("https://shop.test.:{https}/"), ""),
        get("https://shop.test:0/", ""),
        get("ftp://shop.test/", ""),
        get(&world.url("other.test", "/"), ""),
        get(&url, "Host: other.test\r\n"),
        get(&url, "Content-Length: 0\r\nContent-Length: 0\r\n"),
        get(&url, "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        get(&url, "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n",
        get(&url, "Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
        get(&url, "X: a\r\n b\r\n"),
        get(&url, "X : a\r\n"),
        get(&url, "X: a\rb\r\n"),
        get(&url, "X: \0\r\n"),
        get(&url, "Upgrade: websocket\r\nConnection: upgrade\r\n"),
        get(&url, "Connection: close, host\r\n"),
        get(&url, "Expect: a-miracle\r\n"),
        get(&url, &"X: a\r\n".repeat(70)),
        get(&url, &format!("X: {}\r\n", "a".repeat(40_000))),
        get(&url, "").replace("\r\n", "\n"),
        get(&url, "").replace("HTTP/1.1", "HTTP/1.0"),
        get(&url, "").replace("GET", "TRACE"),
        get(&url, "").replace("GET", "get"),
        get(&url, "").replace("GET", "PROPFIND"),
        get("https://b\u{fc}cher.test/", ""),
        format!("GET {url} HTTP/1.1\r\n\r\n"),
        "CONNECT shop.test HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_owned(),
        "CONNECT shop.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n".to_owned(),
        "CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
        "CONNECT https://shop.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_owned(),
    ] {
        assert_eq!(refused(&world, &request).await.as_deref(), Some("form"), "{request:?}");
    }
    let seen = world.gate.seen.borrow().clone();
    assert!(seen.asked.is_empty(), "{:?}", seen.asked);
    assert_eq!(seen.refused.len(), 35, "every one is recorded");
    assert_eq!(world.web.connections(), 0);
}

#[tokio::test]
async fn forms_that_no_parser_reads_end_the_connection() {
    let world = World::start();
    for target in [
        "https://[fe80::1%25eth0]/",
        "https://shop.test:+80/",
        "https://shop.test:80:80/",
        "https://2130706433/",
    ] {
        let code = refused(&world, &format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        assert_eq!(code.as_deref(), Some("form"), "{target}");
    }
    for bytes in ["\r\nGET / HTTP/1.1\r\n\r\n", "\0\0\0\0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        assert_eq!(refused(&world, bytes).await.as_deref(), Some("form"), "{bytes:?}");
    }
    assert!(world.gate.seen.borrow().asked.is_empty());
}

#[tokio::test]
async fn a_request_in_the_body_of_another_is_a_body() {
    let world = World::start();
    let mut client = world.client().await;
    let hidden = "GET https://denied.test/ HTTP/1.1\r\nHost: denied.test\r\n\r\n";
    let answer = client.ask("POST", &world.url("shop.test", "/echo"), "", hidden).await;
    assert!(answer.body.contains("denied.test"));
    assert_eq!((world.gate.seen.borrow().asked.len(), world.web.received().len()), (1, 1));
    // What follows a request is the next one, asked for on its own.
    let url = world.url("shop.test", "/echo");
    client
        .say(&format!(
            "POST {url} HTTP/1.1\r\nHost: shop.test:{}\r\nContent-Length: 2\r\n\r\nok{hidden}",
            world.web.https
        ))
        .await;
    assert_eq!(soon(client.answer(false)).await.unwrap().status, 200);
    assert_eq!(soon(client.answer(false)).await.unwrap().refused(), Some("denied"));
    assert_eq!(world.web.received().len(), 2);
}

#[tokio::test]
async fn broken_chunks_never_reach_the_server_whole() {
    let world = World::start();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: shop.test:{}\r\nTransfer-Encoding: chunked\r\n\r\n",
        world.url("shop.test", "/echo"),
        world.web.https
    );
    for body in [
        "5;ext=1\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "0\r\nX: trailer\r\n\r\n",
        "5\r\nhello!!\r\n0\r\n\r\n",
    ] {
        let mut client = world.client().await;
        client.say(&format!("{head}{body}")).await;
        let answer = soon(client.answer(false)).await;
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{body:?}");
    }
    assert!(world.web.received().is_empty());
}

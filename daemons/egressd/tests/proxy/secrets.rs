//! Placeholders: filled for their endpoint alone, and blotted out of what comes back.

use crate::web::Answer;
use crate::world::{VALUE, World, soon};

const BEARER: &str = "authorization: Bearer {{secret:key}}\r\n";

/// As the server writes it into JSON.
fn in_json() -> String {
    serde_json::to_string(VALUE).unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn a_secret_is_filled_in_for_its_endpoint_and_does_not_come_back() {
    let world = World::start();
    world.web.answer("api.test", "/v1/echo", Answer::Echo);
    let answer = world
        .client()
        .await
        .get(
            &world.url("api.test", "/v1/echo"),
            &format!("{BEARER}accept-encoding: gzip\r\nrange: bytes=0-3\r\n"),
        )
        .await;
    let received = world.web.received().remove(0);
    assert_eq!(received.header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
    assert_eq!((received.header("accept-encoding"), received.header("range")), (Some("identity"), None));
    assert_eq!(
        world.gate.seen.borrow().asked[0].secrets,
        ["key"],
        "whoever decides knows that a secret goes along"
    );
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("Bearer [secret:key]"), "{}", answer.body);
    assert!(!answer.body.contains(VALUE) && !answer.body.contains(&in_json()), "{}", answer.body);
}

#[tokio::test]
async fn what_comes_back_is_blotted_out_in_headers_encodings_and_across_pieces() {
    let world = World::start();
    let (half, other) = VALUE.split_at(7);
    let encoded = "sk-%22very%2Fsecret%2Bvalue";
    let body = format!(
        "HTTP/1.1 200 OK\r\nX-Echo: is {VALUE}!\r\nLocation: /?k={encoded}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{half}\r\n{:x}\r\n{other} and {encoded} and {}\r\n0\r\n\r\n",
        half.len(),
        other.len() + encoded.len() + in_json().len() + 10,
        in_json()
    );
    world.web.answer("api.test", "/v1/raw", Answer::Raw(body.into_bytes()));
    let answer = world.client().await.get(&world.url("api.test", "/v1/raw"), BEARER).await;
    assert_eq!(answer.header("x-echo"), Some("is [secret:key]!"));
    assert_eq!(answer.header("location"), Some("/?k=[secret:key]"));
    assert_eq!(answer.body, "[secret:key] and [secret:key] and [secret:key]");
    // A server that kept it gives it back to whoever asks later, without any secret in the request.
    world.web.answer("api.test", "/kept", Answer::text(&format!("last key: {VALUE}")));
    let later = world.client().await.get(&world.url("api.test", "/kept"), "").await;
    assert_eq!(later.body, "last key: [secret:key]");
}

#[tokio::test]
async fn what_comes_back_in_mixed_spellings_is_blotted_out() {
    let world = World::start();
    for echo in [
        "sk-\\u0022very\\/secret\\u002bvalue",
        "sk-&quot;very&#x2F;secret&#43;value",
        "sk-\"very/secret%2Bvalue",
        "sk-%22very%2fsecret\\x2Bvalue",
        "c2stInZlcnkv\nc2VjcmV0K3Zh\nbHVl\n",
    ] {
        world.web.answer("api.test", "/v1/kept", Answer::text(&format!("<{echo}>")));
        let answer = world.client().await.get(&world.url("api.test", "/v1/kept"), BEARER).await;
        assert!(
            answer.body.starts_with("<[secret:key]") && answer.body.len() < 20,
            "{echo}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_compressed_answer_could_hide_it() {
    let world = World::start();
    let raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc".to_vec();
    world.web.answer("api.test", "/v1/zip", Answer::Raw(raw.clone()));
    world.web.answer("shop.test", "/zip", Answer::Raw(raw));
    let answer = world.client().await.get(&world.url("api.test", "/v1/zip"), BEARER).await;
    assert_eq!((answer.status, answer.refused()), (502, Some("answer")));
    let elsewhere = world.client().await.get(&world.url("shop.test", "/zip"), "").await;
    assert_eq!(elsewhere.body, "abc");
}

#[tokio::test]
async fn everywhere_else_the_request_is_refused_and_nothing_is_sent() {
    let world = World::start();
    let mut client = world.client().await;
    let url = |host: &str, path: &str| world.url(host, path);
    for (target, headers, body) in [
        (url("shop.test", "/v1/x"), BEARER, ""),
        (url("api.test", "/v2/x"), BEARER, ""),
        (url("api.test", "/v1/../v2/x"), BEARER, ""),
        (url("api.test", "/v1/%2e%2e/v2/x"), BEARER, ""),
        (url("api.test", "/v1/{{secret:key}}"), "", ""),
        (url("api.test", "/v1/%7B%7Bsecret:key%7D%7D"), "", ""),
        (url("api.test", "/v1/x?k={{secret:key}}"), "", ""),
        (url("api.test", "/v1/x"), "", "{\"k\":\"{{secret:key}}\"}"),
        (url("api.test", "/v1/x"), BEARER, "k={{SECRET:key}}"),
        (url("api.test", "/v1/x"), "authorization: {{secret:other}}\r\n", ""),
        (url("api.test", "/v1/x"), "authorization: {{secret:}}\r\n", ""),
        (url("api.test", "/v1/x"), "authorization: {{secret:key}}\r\n", ""),
        (url("api.test", "/v1/x"), "authorization: Bearer aaaaaaa{{secret:key}}\r\n", ""),
        (url("api.test", "/v1/x"), "x-project: Bearer {{secret:key}}\r\n", ""),
        (
            url("api.test", "/v1/x"),
            "authorization: Bearer {{secret:key}}\r\nx-project: {{secret:key}}\r\n",
            "",
        ),
        (url("api.test", "/v1/x"), "cookie: a={{secret:key\r\n", ""),
        (format!("http://plain.test:{}/v1/x", world.web.http), BEARER, ""),
        ("https://api.test/v1/x".to_owned(), BEARER, ""),
    ] {
        let answer = client.ask("POST", &target, headers, body).await;
        assert_eq!((answer.status, answer.refused()), (403, Some("secret")), "{target} {headers} {body}");
        assert!(!answer.body.contains(VALUE));
    }
    client.say(&format!("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n{BEARER}\r\n")).await;
    assert_eq!(soon(client.answer(false)).await.unwrap().refused(), Some("secret"));
    // Inside of a tunnel nothing would be found that comes back.
    let answer = world.client().await.tunnel(&format!("api.test:{}", world.web.https)).await;
    assert_eq!((answer.status, answer.refused()), (403, Some("secret")));
    assert!(world.gate.seen.borrow().asked.is_empty());
    assert_eq!(world.web.connections(), 0);
}

#[tokio::test]
async fn a_placeholder_far_into_a_body_cuts_the_request_off() {
    let world = World::start();
    let body = format!("{}{{{{secret:key}}}}", "x".repeat(600_000));
    let answer = world.client().await.ask("POST", &world.url("api.test", "/v1/echo"), "", &body).await;
    assert_eq!(answer.refused(), Some("secret"));
    assert!(world.web.received().is_empty(), "no server saw a whole request");
}

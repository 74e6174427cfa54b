//! The same attacks with one control taken out: each must succeed then, or the control guards nothing.

use testudo_egressd::controls::Controls;

use crate::tunnels::{page, with_page};
use crate::web::Answer;
use crate::world::{Setting, VALUE, World, soon};

fn without(control: &str) -> Setting {
    Setting { controls: Controls::without(control).unwrap(), ..Setting::default() }
}

#[tokio::test]
async fn without_binding_a_secret_goes_anywhere() {
    let world = World::with(&without("binding"));
    let url = world.url("shop.test", "/echo");
    world.client().await.get(&url, "authorization: {{secret:key}}\r\n").await;
    assert_eq!(world.web.received()[0].header("authorization"), Some(VALUE));
    let url = world.url("api.test", "/v1/echo");
    world.client().await.get(&url, "x-any: a {{secret:key}}\r\n").await;
    assert_eq!(world.web.received().last().unwrap().header("x-any"), Some(format!("a {VALUE}").as_str()));
    let plain = format!("http://plain.test:{}/echo", world.web.http);
    world.client().await.get(&plain, "authorization: {{secret:key}}\r\n").await;
    assert_eq!(world.web.received()[2].header("authorization"), Some(VALUE));
}

#[tokio::test]
async fn without_redaction_a_secret_comes_back() {
    let world = World::with(&without("redaction"));
    world.web.answer("api.test", "/v1/kept", Answer::text(VALUE));
    let answer = world.client().await.get(&world.url("api.test", "/v1/kept"), "").await;
    assert_eq!(answer.body, VALUE);
}

#[tokio::test]
async fn without_server_name_a_tunnel_leads_to_another_host() {
    let world = with_page(&without("server-name"));
    let mut client = world.client().await;
    client.tunnel(&format!("inner.test:{}", world.web.https)).await;
    assert!(page(&world, client, "shop.test").await.unwrap().ends_with("page"));
    let mut client = world.client().await;
    assert_eq!(client.tunnel(&format!("127.0.0.1:{}", world.web.https)).await.status, 200);
}

#[tokio::test]
async fn without_form_another_host_is_asked_for_than_was_decided() {
    let world = World::with(&without("form"));
    let mut client = world.client().await;
    client
        .say(&format!("GET {} HTTP/1.1\r\nHost: inner.test\r\n\r\n", world.url("shop.test", "/echo")))
        .await;
    assert_eq!(soon(client.answer(false)).await.unwrap().status, 200);
    assert_eq!(world.web.received()[0].header("host"), Some("inner.test"));
    let mut client = world.client().await;
    client.say(&format!("POST {} HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", world.url("shop.test", "/echo"))).await;
    assert_eq!(soon(client.answer(false)).await.unwrap().status, 200, "a length beside chunks");
}

#[tokio::test]
async fn without_bounds_nothing_ends() {
    let setting = Setting {
        config: "connections = 1\nper_minute = 1\nrequest_limit = \"1KiB\"\nresponse_limit = \"1KiB\""
            .to_owned(),
        ..without("bounds")
    };
    let world = World::with(&setting);
    let (mut first, mut second) = (world.client().await, world.client().await);
    let url = world.url("shop.test", "/echo");
    for client in [&mut first, &mut second] {
        let answer = client.ask("POST", &url, "", &"x".repeat(5000)).await;
        assert!(answer.status == 200 && answer.body.len() > 5000);
    }
}

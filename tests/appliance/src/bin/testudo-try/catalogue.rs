//! Asks a model server what it has, when nobody named a model.
//!
//! Plain HTTP only, which is what servers on the own machine speak; for others the model must be named. Reads at most
//! [`ANSWER_MAX`] bytes and waits at most [`PATIENCE`].

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(5);
const ANSWER_MAX: u64 = 1 << 20;

/// The first model that `GET base_url/models` lists.
///
/// # Errors
/// When the server is not reached by plain HTTP, does not answer, or has none.
pub(crate) fn first_model(base_url: &str, key: Option<&str>) -> Result<String> {
    let Some(rest) = base_url.strip_prefix("http://") else {
        bail!("only servers with plain HTTP are asked")
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let with_port = if authority.rsplit(']').next().is_some_and(|tail| tail.contains(':')) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let address = with_port.to_socket_addrs()?.next().context("the server has no address")?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let key = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    // Version 1.0: the answer then comes in one piece and ends with the connection.
    // In one piece: a server may answer and close after the first part that it gets.
    let request =
        format!("GET /{path}/models HTTP/1.0\r\nHost: {authority}\r\n{key}Accept: application/json\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("the server does not speak HTTP")?;
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("the server answered {:?}", head.lines().next().unwrap_or_default());
    }
    let list: serde_json::Value =
        serde_json::from_str(body).context("the server's list of models is not JSON")?;
    let first = list.pointer("/data/0/id").and_then(serde_json::Value::as_str);
    first.map(str::to_owned).context("the server has no model")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn ask(answer: &'static str) -> (Result<String>, String) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", server.local_addr().unwrap());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (first_model(&url, Some("k")), served.join().unwrap())
    }

    #[test]
    fn the_first_of_the_list() {
        let (model, request) =
            ask("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"data\":[{\"id\":\"m:1b\"},{\"id\":\"n\"}]}");
        assert_eq!(model.unwrap(), "m:1b");
        assert!(
            request.starts_with("GET /v1/models HTTP/1.0\r\n") && request.contains("Bearer k\r\n"),
            "{request}"
        );
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for answer in [
            "",
            "x",
            "HTTP/1.0 401 No\r\n\r\n{}",
            "HTTP/1.0 200 OK\r\n\r\n{\"data\":[]}",
            "HTTP/1.0 200 OK\r\n\r\n<",
        ] {
            assert!(ask(answer).0.is_err(), "{answer:?}");
        }
        assert!(first_model("https://127.0.0.1/v1", None).is_err());
    }
}

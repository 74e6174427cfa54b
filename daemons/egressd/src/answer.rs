//! What the proxy itself answers: refusals, which clients can tell from a server's own answers.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use crate::fields::REFUSED;
use crate::gate::Turned;
use crate::pipe::Cut;

/// The body of every answer.
pub(crate) type Body = BoxBody<Bytes, Cut>;

/// A body that is there already.
pub(crate) fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A refusal: `{"error":{"code":…,"message":…}}`, and its code in a header that no server can send through.
pub(crate) fn refusal(turned: &Turned) -> Response<Body> {
    let code = turned.reason.word();
    let mut response = Response::new(whole(text(turned).into()));
    *response.status_mut() = StatusCode::from_u16(turned.reason.status()).unwrap_or(StatusCode::FORBIDDEN);
    let headers = response.headers_mut();
    headers.insert(REFUSED, HeaderValue::from_static(code));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The same for a connection on which no HTTP is spoken yet; it ends after it.
pub(crate) fn bare(turned: &Turned) -> String {
    let (status, code, text) = (turned.reason.status(), turned.reason.word(), text(turned));
    format!(
        "HTTP/1.1 {status} Refused\r\n{REFUSED}: {code}\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{text}",
        text.len()
    )
}

fn text(turned: &Turned) -> String {
    json!({ "error": { "code": turned.reason.word(), "message": turned.sentence } }).to_string()
}

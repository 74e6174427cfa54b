//! Reads a page over a connection to `egressd` that was open before the call was confined.
//!
//! The other side is hostile: it may answer anything, at any pace, and the call's limits end it. A redirect is a new
//! request on the same connection, so that it is decided anew; [`exchange`] speaks HTTP, [`text`] makes text of it.

mod exchange;
mod text;

use std::io::{Read, Write};

use serde_json::{Value, json};

use crate::address::{Address, AddressError};
use exchange::{Exchange, ExchangeError, Head};
use text::{Kind, Text};

/// Most redirects of one call.
const REDIRECTS: usize = 5;
/// Most bytes of a body that is only read to come to the next answer.
const PASSED_OVER: usize = 256 * 1024;
/// Bytes of a body, unless something else was said, and at most.
const DEFAULT_LIMIT: u64 = 1 << 20;
const MOST_LIMIT: u64 = 8 << 20;
/// Most bytes of text in an answer.
const MOST_TEXT: usize = 256 * 1024;
/// The header by which `egressd` says that an answer is its own refusal, and why.
const REFUSED: &str = "testudo-refused";

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It names no page.
    #[error("cannot fetch {url:?}: {source}")]
    Address { url: String, source: AddressError },
    /// The call has no network.
    #[error("cannot fetch {url}: this sandbox has no network")]
    NoNetwork { url: String },
    /// Nothing useful came.
    #[error("cannot fetch {url}: {source}")]
    Exchange { url: String, source: ExchangeError },
    /// Decided against, or not possible.
    #[error("cannot fetch {url}: egressd refused it ({reason}): {sentence}")]
    Refused { url: String, reason: String, sentence: String },
    /// A redirect that is not followed.
    #[error("cannot follow the redirect of {url}: {why}")]
    Redirect { url: String, why: String },
    /// Not text.
    #[error("cannot read {url}: it is {kind}{size}, and only text, HTML and JSON are read")]
    Kind { url: String, kind: String, size: String },
}

/// Fetches a page; `room` is how many bytes its answer may have.
pub(crate) fn fetch(
    stream: Option<impl Read + Write>,
    url: &str,
    limit: Option<u64>,
    room: u64,
) -> Result<Value, FetchError> {
    let mut address = Address::parse(url)
        .map_err(|source| FetchError::Address { url: url.chars().take(300).collect(), source })?;
    let stream = stream.ok_or_else(|| FetchError::NoNetwork { url: address.to_string() })?;
    let mut exchange = Exchange::new(stream);
    for _ in 0..=REDIRECTS {
        let broken = |source| FetchError::Exchange { url: address.to_string(), source };
        let head = exchange.get(&address).map_err(broken)?;
        if let Some(reason) = head.header(REFUSED) {
            let sentence = exchange.body(&head, 1000).map(|body| body.bytes).unwrap_or_default();
            let sentence = one_line(&String::from_utf8_lossy(&sentence));
            return Err(FetchError::Refused {
                url: address.to_string(),
                reason: one_line(&reason),
                sentence,
            });
        }
        let Some(next) = redirected(&address, &head)? else {
            return page(exchange, &head, &address, limit, room);
        };
        let body = exchange.body(&head, PASSED_OVER).map_err(broken)?;
        if body.more || !head.keeps_alive() {
            let why = format!("the connection ends with it; fetch {next} instead");
            return Err(FetchError::Redirect { url: address.to_string(), why });
        }
        address = next;
    }
    Err(FetchError::Redirect {
        url: address.to_string(),
        why: format!("it is more than {REDIRECTS} in a row"),
    })
}

/// Where an answer leads on to.
fn redirected(from: &Address, head: &Head) -> Result<Option<Address>, FetchError> {
    let location = head.header("location");
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (head.status, location) else { return Ok(None) };
    let refused = |why: String| FetchError::Redirect { url: from.to_string(), why };
    let next = from
        .join(&location)
        .map_err(|error| refused(format!("{:?} is no address: {error}", one_line(&location))))?;
    if from.encrypted && !next.encrypted {
        return Err(refused(format!("it leads from https to {next}, which anybody on the way could read")));
    }
    Ok(Some(next))
}

fn page<S: Read + Write>(
    mut exchange: Exchange<S>,
    head: &Head,
    address: &Address,
    limit: Option<u64>,
    room: u64,
) -> Result<Value, FetchError> {
    // Without a word about it, it is what most pages are that were made by hand.
    let content_type =
        head.header("content-type").map_or_else(|| "text/plain".to_owned(), |kind| one_line(&kind));
    let coding = head.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
    let kind = Kind::of(&content_type).filter(|_| coding.is_none());
    let Some(kind) = kind else {
        let size = head.header("content-length").map_or_else(String::new, |size| {
            format!(" of {} bytes", size.chars().filter(char::is_ascii_digit).take(18).collect::<String>())
        });
        let kind = coding
            .map_or_else(|| content_type.clone(), |coding| format!("compressed ({})", one_line(&coding)));
        return Err(FetchError::Kind { url: address.to_string(), kind, size });
    };
    let most = usize::try_from(limit.unwrap_or(DEFAULT_LIMIT).min(MOST_LIMIT)).unwrap_or(usize::MAX);
    let body = exchange.body(head, most);
    let body = body.map_err(|source| FetchError::Exchange { url: address.to_string(), source })?;
    let (source, lossy) = decoded(&body.bytes, body.more);
    let Text { title, mut content } = text::text(kind, &source);
    // In JSON a line feed or a quote takes two bytes; what remains of the room is for the rest of the answer.
    let most = MOST_TEXT.min(usize::try_from(room / 3).unwrap_or(usize::MAX));
    let shortened = content.len() > most;
    content.truncate(content.floor_char_boundary(most));
    Ok(json!({
        "url": address.to_string(), "status": head.status, "content_type": content_type, "title": title,
        "content": content, "size": body.bytes.len(), "lossy": lossy, "truncated": body.more || shortened,
    }))
}

/// The text of a body, and whether something of it was no UTF-8. A character that the limit cut does not count.
fn decoded(bytes: &[u8], cut: bool) -> (String, bool) {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if cut && error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
    let lossy = matches!(text, std::borrow::Cow::Owned(_));
    (text.into_owned(), lossy)
}

/// Words of the other side in a message of ours: short, on one line.
fn one_line(text: &str) -> String {
    text::visible(text).replace(['\n', '\t'], " ").trim().chars().take(300).collect()
}

#[cfg(test)]
mod tests;

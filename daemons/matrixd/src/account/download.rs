//! Files that people sent: fetched up to a bound and decrypted. Not by the SDK, which takes as much as comes.

use std::io::{Cursor, Read as _};

use futures_util::StreamExt as _;
use matrix_sdk::Client;
use matrix_sdk::reqwest::{self, StatusCode};
use matrix_sdk::ruma::OwnedMxcUri;
use matrix_sdk::ruma::events::room::EncryptedFile;
use matrix_sdk_crypto::AttachmentDecryptor;
use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;

/// Where a file lies, as [`crate::incoming::Content::File`] carries it.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    File(Box<EncryptedFile>),
    Url(OwnedMxcUri),
}

/// The content of a file; at most `limit` bytes.
pub(super) async fn download(
    client: &Client,
    http: &reqwest::Client,
    source: &Value,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    let source =
        Source::deserialize(source).map_err(|cause| Failure::Never(format!("it lies nowhere: {cause}")))?;
    match source {
        Source::Url(address) => fetch(client, http, &address, limit).await,
        Source::File(file) => {
            let sealed = fetch(client, http, &file.url, limit).await?;
            let wrong = |cause: String| Failure::Never(format!("it cannot be decrypted: {cause}"));
            let mut sealed = Cursor::new(sealed);
            let mut open = AttachmentDecryptor::new(&mut sealed, (*file).into())
                .map_err(|cause| wrong(cause.to_string()))?;
            let mut content = Vec::new();
            open.read_to_end(&mut content).map_err(|cause| wrong(cause.to_string()))?;
            Ok(content)
        }
    }
}

async fn fetch(
    client: &Client,
    http: &reqwest::Client,
    address: &OwnedMxcUri,
    limit: u64,
) -> Result<Vec<u8>, Failure> {
    let (server, media) = address.parts().map_err(|cause| Failure::Never(cause.to_string()))?;
    let later = |cause: String| Failure::Later { cause, retry_after: None };
    let token = client.access_token().ok_or_else(|| later("nobody is logged in yet".into()))?;
    let mut url = client.homeserver();
    url.path_segments_mut()
        .map_err(|()| Failure::Never("the homeserver's URL has no path".into()))?
        .pop_if_empty()
        .extend(["_matrix", "client", "v1", "media", "download", server.as_str(), media]);
    let answer = http.get(url).bearer_auth(token).send().await.map_err(|cause| later(cause.to_string()))?;
    match answer.status() {
        StatusCode::OK => {}
        // The next sync gets a new token.
        status @ (StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) => {
            return Err(later(status.to_string()));
        }
        status if status.is_server_error() => return Err(later(status.to_string())),
        status => return Err(Failure::Never(format!("the homeserver answers {status}"))),
    }
    let too_large = || Failure::Never(format!("it is larger than {limit} bytes"));
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut content = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        content.extend_from_slice(&chunk.map_err(|cause| later(cause.to_string()))?);
        if u64::try_from(content.len()).is_ok_and(|length| length > limit) {
            return Err(too_large());
        }
    }
    Ok(content)
}

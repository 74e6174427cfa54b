//! Any OpenAI-compatible server: `POST {base_url}/chat/completions` with streaming and tool calls.
//!
//! Promises: asks `egressd` for the configured address only and follows no redirect, names the key in one header
//! and never has it, bounds every size and every silence, and tries again only before the
//! first byte of an answer has come. Start at [`OpenAi::complete`](Provider::complete).

mod answer;
mod body;
mod endpoint;
mod events;
mod failure;
mod names;

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, InvalidHeaderValue, USER_AGENT};
use hyper::{Method, Request};
use testudo::model::{Completion, CompletionRequest};

use crate::egress::{Egress, EgressError, Response};
use crate::provider::{Deltas, Provider, ProviderError};
use answer::{Answer, Flaw};
use endpoint::Endpoint;
pub use endpoint::EndpointError;
use events::{EventError, Events};
use failure::Failures;
use names::Names;

/// The name of the provider.
pub const NAME: &str = "openai";

const AGENT: &str = concat!("testudo-modeld/", env!("CARGO_PKG_VERSION"));

/// The most bytes of a whole response: an answer of the largest size in the smallest pieces.
const RESPONSE_LIMIT: usize = 64 << 20;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For `egressd` to take a connection, and for the next piece of a refusal.
    pub connect: Duration,
    /// For the next piece of an answer that has begun.
    pub gap: Duration,
    /// Before the second attempt; twice as long before the third.
    pub backoff: Duration,
    /// The longest that a server may make us wait before another attempt.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            gap: Duration::from_secs(90),
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// A server that speaks the `OpenAI` protocol, and those of its models that are used.
pub struct OpenAi {
    egress: Egress,
    endpoint: Endpoint,
    model: String,
    other_models: Vec<String>,
    /// The value of `Authorization`, with the key's name where the key goes.
    authorization: Option<HeaderValue>,
    patience: Patience,
}

/// Why the provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is not taken.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The name of the key cannot be written into a header.
    #[error("cannot use api_key_secret in [modeld]: {0}")]
    Key(#[from] InvalidHeaderValue),
}

impl OpenAi {
    /// Connects to nothing yet. `secret` is the name of the key.
    pub fn new(
        egress: Egress,
        base_url: &str,
        allow_http: bool,
        model: String,
        secret: Option<&str>,
        patience: Patience,
    ) -> Result<Self, SetupError> {
        let endpoint = Endpoint::below(base_url, allow_http)?;
        let authorization =
            secret.map(|name| HeaderValue::try_from(format!("Bearer {{{{secret:{name}}}}}"))).transpose()?;
        Ok(Self { egress, endpoint, model, other_models: Vec::new(), authorization, patience })
    }

    /// The same, which also answers as these models of the server.
    #[must_use]
    pub fn with_others(self, other_models: Vec<String>) -> Self {
        Self { other_models, ..self }
    }

    fn failures(&self) -> Failures<'_> {
        Failures { server: &self.endpoint.server }
    }

    /// Asks until a response has begun, at most three times.
    async fn open(&self, request: &CompletionRequest, model: &str) -> Result<Response, ProviderError> {
        const AGAIN: u32 = 2;
        let mut usage = true;
        let mut attempt = 0;
        // Of an attempt that a model may have read; that the next one was not does not undo it.
        let mut read = None;
        loop {
            let backoff = self.patience.backoff * 2_u32.pow(attempt);
            let (error, wait) = match self.post(&body::body(request, model, usage)).await {
                Ok(mut response) => match response.refused() {
                    Some(reason) => {
                        let sentence = String::from_utf8_lossy(&self.rest(&mut response).await).into_owned();
                        let wait = failure::passes(&reason).then_some(backoff);
                        (self.failures().barred(&reason, &sentence), wait)
                    }
                    None if response.status().is_success() => return Ok(response),
                    None => {
                        let status = response.status().as_u16();
                        let wait = failure::retry_after(response.headers());
                        let said = self.read_error(response).await;
                        if usage && matches!(status, 400 | 422) && said.contains("stream_options") {
                            usage = false;
                            continue;
                        }
                        let retriable = matches!(status, 429 | 500 | 502 | 503 | 504 | 529);
                        let error = self.failures().status(status, model, wait, &said);
                        (error, retriable.then(|| wait.unwrap_or(backoff)))
                    }
                },
                Err(error) => {
                    let wait = matches!(error, EgressError::Away { .. }).then_some(backoff);
                    (self.failures().transport(&error), wait)
                }
            };
            match wait {
                Some(wait) if attempt < AGAIN && wait <= self.patience.longest_wait => {
                    tracing::debug!("asking again in {} ms: {error}", wait.as_millis());
                    tokio::time::sleep(wait).await;
                    attempt += 1;
                    read = read.or_else(|| error.may_have_been_read().then_some(error));
                }
                _ if error.may_have_been_read() => return Err(error),
                _ => return Err(read.unwrap_or(error)),
            }
        }
    }

    async fn post(&self, body: &serde_json::Value) -> Result<Response, EgressError> {
        let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.endpoint.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        self.egress.send(request, self.patience.connect).await
    }

    /// The beginning of a refusal's body.
    async fn rest(&self, response: &mut Response) -> Vec<u8> {
        const MOST: usize = 16 * 1024;
        let mut body = Vec::new();
        while body.len() < MOST
            && let Ok(Ok(Some(chunk))) = tokio::time::timeout(self.patience.connect, response.chunk()).await
        {
            body.extend_from_slice(&chunk);
        }
        body
    }

    /// What a refusing server says about it; empty if it says nothing in JSON.
    async fn read_error(&self, mut response: Response) -> String {
        let body = self.rest(&mut response).await;
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        json.get("error").and_then(answer::words_of).or_else(|| answer::words_of(&json)).unwrap_or_default()
    }

    async fn receive(&self, mut response: Response, deltas: &Deltas) -> Result<Answer, ProviderError> {
        let whole = response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
        let mut answer = Answer::default();
        let (mut events, mut body, mut size) = (Events::default(), Vec::new(), 0_usize);
        while !answer.is_done() {
            let next = tokio::time::timeout(self.patience.gap, response.chunk()).await;
            let next = next.map_err(|_| self.failures().silent(self.patience.gap))?;
            // A connection that ends badly after the last piece has done no harm; `conclude` knows.
            let Some(chunk) = next.ok().flatten() else { break };
            size = size.saturating_add(chunk.len());
            if size > if whole { 4 * answer::LIMIT } else { RESPONSE_LIMIT } {
                return Err(self.failures().too_large("the response", RESPONSE_LIMIT));
            }
            if whole {
                body.extend_from_slice(&chunk);
                continue;
            }
            let pieces = events.push(&chunk).map_err(|error| match error {
                EventError::TooLarge => self.failures().too_large("an event", events::LIMIT),
                EventError::NotText => self.failures().flaw(Flaw::Malformed("an event is not UTF-8")),
            })?;
            for piece in pieces {
                let text = answer.take(&piece).map_err(|flaw| self.failures().flaw(flaw))?;
                deltas.send(&text).await;
                if answer.is_done() {
                    break;
                }
            }
        }
        if whole {
            let body = String::from_utf8(body).unwrap_or_default();
            let text = answer.take(&body).map_err(|flaw| self.failures().flaw(flaw))?;
            deltas.send(&text).await;
        }
        Ok(answer)
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        NAME
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn other_models(&self) -> &[String] {
        &self.other_models
    }

    fn complete<'a>(
        &'a self,
        request: &'a CompletionRequest,
        deltas: Deltas,
    ) -> BoxFuture<'a, Result<Completion, ProviderError>> {
        async move {
            let names = Names::of(&request.tools)?;
            let model = request.model.as_deref().unwrap_or(&self.model);
            let response = self.open(request, model).await?;
            let answer = self.receive(response, &deltas).await?;
            answer.conclude(&names, model, NAME).map_err(|flaw| self.failures().flaw(flaw))
        }
        .boxed()
    }
}

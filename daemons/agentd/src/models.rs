//! The way to the model: one completion at `modeld`, with its text as it comes.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use testudo::context::Model;
use testudo::fault;
use testudo::limits::{self, LimitError};
use testudo::model::{Completion, CompletionRequest};
use testudo::proxy::{Delta, Models1Proxy};
use thiserror::Error;
use zbus::Connection;
use zbus::wire::Variant;

use crate::cost::Meter;
use crate::stop::StopSignal;

/// The longest that the list may take; it waits for nobody.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no completion. The text is for the person who waits for a reply.
#[derive(Debug, Error)]
pub enum ModelError {
    /// `modeld` is not there, or went away before it answered.
    #[error("The model cannot be reached: testudo-modeld is not running or stopped while it answered ({0}).")]
    Gone(String),
    /// `modeld` or the provider behind it has an error.
    #[error("The model gave an error: {0}")]
    Refused(String),
    /// It was stopped before it was sent.
    #[error("The model was not asked: it was stopped before.")]
    Stopped,
    /// There is no such model any more.
    #[error("The model that was chosen here cannot be asked: {0}. `/model` lists those that can.")]
    Unknown(String),
    /// The conversation cannot be written as JSON.
    #[error("The conversation cannot be sent to the model: {0}")]
    Request(#[from] serde_json::Error),
    /// The answer is no completion.
    #[error("The answer of testudo-modeld cannot be read: {0}")]
    Answer(#[from] LimitError),
}

impl From<zbus::Error> for ModelError {
    fn from(error: zbus::Error) -> Self {
        let text = fault::bus_error_text(&error);
        if matches!(&error, zbus::Error::MethodError(name, ..) if *name == "org.testudo.Error.NotFound") {
            return Self::Unknown(text);
        }
        let is_own_word =
            matches!(&error, zbus::Error::MethodError(name, ..) if name.starts_with("org.testudo.Error."));
        if fault::is_peer_gone(&error) && !is_own_word { Self::Gone(text) } else { Self::Refused(text) }
    }
}

/// Whether a request is certain to have come to no model: the bus did not deliver it, or `modeld` or the provider took
/// none. Everything else may have been read, and paid for, before it failed.
fn is_unread(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(name, ..) => {
            matches!(
                name.as_str(),
                "org.freedesktop.DBus.Error.ServiceUnknown"
                    | "org.freedesktop.DBus.Error.NameHasNoOwner"
                    | "org.freedesktop.DBus.Error.AccessDenied"
                    | "org.testudo.Error.NotFound"
                    | "org.testudo.Error.InvalidArgument"
                    | "org.testudo.Error.Denied"
                    | "org.testudo.Error.Busy"
                    | "org.testudo.Error.Unreached"
            ) || name.starts_with("org.freedesktop.DBus.Error.Spawn.")
        }
        zbus::Error::FDO(error) => {
            matches!(**error, zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_))
        }
        _ => false,
    }
}

/// A client of `modeld`.
#[derive(Debug, Clone)]
pub struct Models(Models1Proxy<'static>);

impl Models {
    /// A client on this connection; `modeld` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self(Models1Proxy::new(connection).await?))
    }

    /// What there is to ask.
    ///
    /// # Errors
    /// When `modeld` does not tell.
    pub async fn list(&self) -> Result<Vec<Model>, ModelError> {
        let listed = tokio::time::timeout(LIST_TIMEOUT, self.0.list()).await;
        let text = listed.map_err(|_| ModelError::Gone("it does not answer".into()))??;
        Ok(limits::parse(&text, limits::REPLY)?)
    }

    /// Asks for a completion of `model`, or of the configured one, and gives its text to `heard` piece by piece, until `stop`.
    /// `meter` knows at any time what that has cost.
    ///
    /// # Errors
    /// When there is none.
    pub async fn complete(
        self,
        request: CompletionRequest,
        model: Option<String>,
        stop: StopSignal,
        meter: Meter,
        mut heard: impl FnMut(&str),
    ) -> Result<Completion, ModelError> {
        let Self(models) = self;
        let id = format!("m-{}", uuid::Uuid::new_v4());
        let request = serde_json::to_string(&request)?;
        let options = model.iter().map(|name| ("model", Variant::from(name.as_str()))).collect();
        let mut deltas = models.receive_delta().await?;
        let mut streamed = 0;
        let mut hear = |delta: Delta| {
            if let Ok(args) = delta.args()
                && args.id == id
            {
                meter.arrives(args.text.len());
                if stop.get().is_none() {
                    streamed += args.text.len();
                    heard(&args.text);
                }
            }
        };
        if !meter.leaves(request.len()) {
            return Err(ModelError::Stopped);
        }
        let answer = {
            let mut call =
                std::pin::pin!(stop.see_out(models.complete(&id, &request, options), || models.cancel(&id)));
            loop {
                tokio::select! {
                    answer = &mut call => break answer,
                    Some(delta) = deltas.next() => hear(delta),
                }
            }
        };
        // The bus keeps the order: whatever was sent before the answer has arrived by now.
        while let Some(Some(delta)) = deltas.next().now_or_never() {
            hear(delta);
        }
        if answer.as_ref().is_err_and(is_unread) {
            meter.returns();
        }
        let completion: Completion = limits::parse(&answer?, limits::REPLY)?;
        // A provider that does not stream says it all at the end.
        if let Some(rest) = completion.text.get(streamed..)
            && !rest.is_empty()
            && stop.get().is_none()
        {
            heard(rest);
        }
        Ok(completion)
    }
}

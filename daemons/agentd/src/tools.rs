//! The way to the tools: `toold` decides and runs, and whatever goes wrong on the way is an outcome too.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use testudo::fault::{self, Fault};
use testudo::limits::{self, LimitError};
use testudo::model::{ToolCall, ToolSpec};
use testudo::proxy::{Options, Tools1Proxy};
use testudo::refusal::{Code, Refusal};
use testudo::tool::{Outcome, Spec};
use thiserror::Error;
use zbus::Connection;
use zbus::wire::Variant;

use crate::attendance::Attendance;
use crate::live::Live;
use crate::stop::StopSignal;

/// The longest that the catalogue may take; unlike a call it waits for nobody.
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that keeping a file, or handing one out, may take.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// `toold` did not give it.
    #[error("cannot get the tools: {}", fault::bus_error_text(.0))]
    Bus(#[from] zbus::Error),
    /// `toold` does not answer.
    #[error("cannot get the tools: testudo-toold does not answer")]
    Silent,
    /// It cannot be read.
    #[error("cannot read the tools: {0}")]
    Shape(#[from] LimitError),
}

/// A client of `toold`.
#[derive(Debug, Clone)]
pub struct Tools(Tools1Proxy<'static>);

impl Tools {
    /// A client on this connection; `toold` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self(Tools1Proxy::new(connection).await?))
    }

    /// The tools as a model is offered them.
    ///
    /// # Errors
    /// When `toold` does not give them.
    pub async fn catalogue(&self) -> Result<Vec<ToolSpec>, CatalogueError> {
        let answer = tokio::time::timeout(CATALOGUE_TIMEOUT, self.0.catalogue()).await;
        let text = answer.map_err(|_| CatalogueError::Silent)??;
        let specs: Vec<Spec> = limits::parse(&text, limits::REPLY)?;
        let offer = specs.into_iter().map(|spec| ToolSpec {
            name: spec.name,
            description: spec.description,
            parameters: spec.parameters,
        });
        Ok(offer.collect())
    }

    /// Has a file kept that a person sent; the path at which the session's calls find it.
    ///
    /// # Errors
    /// What `toold` says against it.
    pub async fn receive(&self, session: &str, name: &str, content: OwnedFd) -> Result<String, Fault> {
        let receiving = self.0.receive(session, name, content.into());
        let answer = tokio::time::timeout(RECEIVE_TIMEOUT, receiving).await;
        let answer = answer.map_err(|_| Fault::Unavailable("testudo-toold does not answer".into()))?;
        answer.map_err(|error| {
            let text = fault::bus_error_text(&error);
            match fault_name(&error) {
                "InvalidArgument" => Fault::InvalidArgument(text),
                "TooLarge" => Fault::TooLarge(text),
                "Busy" => Fault::Busy(text),
                _ => Fault::Unavailable(text),
            }
        })
    }

    /// The bytes of a file that a call of the session gave to people, sealed.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when `toold` has it no more.
    pub async fn fetch(&self, session: &str, file: &str) -> Result<OwnedFd, Fault> {
        let answer = tokio::time::timeout(RECEIVE_TIMEOUT, self.0.fetch(session, file)).await;
        let answer = answer.map_err(|_| Fault::Unavailable("testudo-toold does not answer".into()))?;
        answer.map(OwnedFd::from).map_err(|error| {
            let text = fault::bus_error_text(&error);
            if fault_name(&error) == "NotFound" { Fault::NotFound(text) } else { Fault::Unavailable(text) }
        })
    }

    /// Has the session's sandbox started while the model thinks. Nothing depends on it: a call that finds none waits.
    pub fn prepare(&self, session: &str) {
        let (tools, session) = (self.0.clone(), session.to_owned());
        tokio::spawn(async move {
            if let Err(error) = tools.prepare(&session).await {
                tracing::debug!("no sandbox ahead: {}", fault::bus_error_text(&error));
            }
        });
    }

    /// Calls a tool, until `stop`, and gives what it prints meanwhile to `heard`.
    pub async fn invoke(
        self,
        session: String,
        call: ToolCall,
        attendance: Attendance,
        stop: StopSignal,
        heard: impl FnMut(String),
    ) -> Outcome {
        let begun = Instant::now();
        let arguments = call.arguments.to_string();
        let mut options = Options::from([("call", Variant::from(call.id.as_str()))]);
        attendance.put(&mut options);
        options.insert("stream", Variant::from(true));
        let invoking = self.0.invoke(&session, &call.name, &arguments, options);
        let invoking = stop.see_out(invoking, || self.0.cancel(&call.id));
        let error = match self.listening(&call.id, invoking, heard).await {
            Ok(text) => match limits::parse::<Outcome>(&text, limits::REPLY) {
                Ok(outcome) if outcome.result.is_some() != outcome.error.is_some() => return outcome,
                Ok(_) => {
                    tracing::error!(
                        "testudo-toold answered call {} with neither a result nor an error",
                        call.id
                    );
                    Refusal::broken()
                }
                Err(error) => {
                    tracing::error!(
                        "the answer of testudo-toold to call {} was not understood: {error}",
                        call.id
                    );
                    Refusal::broken()
                }
            },
            Err(error) => refusal(&error),
        };
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Outcome {
            call: call.id,
            tool: call.name,
            verdict: None,
            duration_ms,
            result: None,
            error: Some(error),
        }
    }
}

impl Tools {
    /// Waits for an answer and hears what the call prints until then. A call that nobody can hear is made all the same.
    async fn listening<T>(
        &self,
        call: &str,
        invoking: impl Future<Output = T>,
        mut heard: impl FnMut(String),
    ) -> T {
        let Ok(mut output) = self.0.receive_output().await else { return invoking.await };
        let mut invoking = std::pin::pin!(invoking);
        let mut live = Live::new(Instant::now());
        loop {
            let now = Instant::now();
            if let Some(text) = live.take(now) {
                heard(text);
            }
            let due = live.due();
            tokio::select! {
                biased;
                Some(piece) = output.next() => {
                    if let Ok(piece) = piece.args() && piece.call == call {
                        live.push(&piece.text);
                    }
                }
                answer = &mut invoking => return answer,
                () = sleep_until(due) => {}
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// What a fault of the method means for the call. An unknown one may hide anything, and is not repeated.
fn refusal(error: &zbus::Error) -> Refusal {
    if fault::is_peer_gone(error) {
        let why = "testudo-toold is not running or stopped during the call; whether it took effect is in the record";
        return Refusal::new(Code::PluginUnavailable, why);
    }
    let text = fault::bus_error_text(error);
    match fault_name(error) {
        "InvalidArgument" | "TooLarge" => Refusal::new(Code::ValidationFailed, text),
        "Denied" => Refusal::new(Code::Unauthorized, text),
        "NotFound" => Refusal::new(Code::UnknownTool, text),
        "Busy" => Refusal::new(Code::RateLimited, text),
        _ => {
            tracing::error!("testudo-toold failed a call: {text}");
            Refusal::broken()
        }
    }
}

/// The name of a fault of ours, without its prefix; empty for anything else.
fn fault_name(error: &zbus::Error) -> &str {
    match error {
        zbus::Error::MethodError(name, ..) => name.strip_prefix("org.testudo.Error.").unwrap_or_default(),
        _ => "",
    }
}

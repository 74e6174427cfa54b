//! `org.testudo.Models1`: completions, one provider, pieces of text to the caller alone.
//!
//! Limits are checked before anything is parsed. Who may call is decided by the bus policy; what is
//! under way belongs to the connection that began it and ends when that leaves the bus. `policyd` gets verdicts and
//! nothing else, and nobody else gets them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testudo::bus;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::limits;
use testudo::model::{Completion, CompletionRequest, Finish, Purpose, Usage};
use testudo::options::GivenOptions;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use tokio::sync::mpsc;
use zbus::message::Header;
use zbus::names::UniqueName;
use zbus::object_server::{ResponseDispatchNotifier, SignalEmitter};
use zbus::zvariant::OwnedVariant;

use crate::provider::{Deltas, Provider, ProviderError};
use crate::running::{Refused, Running};

/// Pieces of text that may wait for the bus before the provider waits.
const WAITING: usize = 64;

/// The interface.
pub struct Models {
    provider: Arc<dyn Provider>,
    running: Arc<Running>,
    recorder: Recorder,
    timeout: Duration,
}

impl Models {
    /// Serves `provider`; no completion may take longer than `timeout`.
    pub fn new(
        provider: Arc<dyn Provider>,
        running: Arc<Running>,
        recorder: Recorder,
        timeout: Duration,
    ) -> Self {
        Self { provider, running, recorder, timeout }
    }
}

/// How a completion ended.
enum End {
    Answered(Completion),
    Failed(ProviderError),
    TooSlow,
    Cancelled,
}

#[zbus::interface(name = "org.testudo.Models1", introspection_docs = false)]
impl Models {
    #[zbus(out_args("response"))]
    async fn complete(
        &self,
        id: &str,
        request: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<ResponseDispatchNotifier<String>, Fault> {
        let caller = sender(&header)?;
        check_id(id)?;
        let request = self.understood(request, GivenOptions::new(options))?;
        check_purpose(&request, &Caller::of(&header, emitter.connection()).await?.principal)?;
        let slot = self.running.begin(caller, id).map_err(|refused| match refused {
            Refused::Busy { .. } => Fault::Busy(refused.to_string()),
            Refused::Duplicate => Fault::InvalidArgument(refused.to_string()),
            Refused::Stopping => Fault::Unavailable(refused.to_string()),
        })?;
        still_there(&emitter, caller).await?;

        let began = Instant::now();
        let emitter = emitter.set_destination(caller.clone().into());
        let (sender, pieces) = mpsc::channel(WAITING);
        let mut said = String::new();
        let end = {
            let work = self.provider.complete(&request, Deltas::new(sender));
            let both = async { tokio::join!(work, pass_on(id, pieces, &emitter, &mut said)).0 };
            tokio::select! {
                result = tokio::time::timeout(self.timeout, both) => match result {
                    Ok(Ok(completion)) => End::Answered(completion),
                    Ok(Err(error)) => End::Failed(error),
                    Err(_) => End::TooSlow,
                },
                () = slot.cancelled() => End::Cancelled,
            }
        };
        let answering = self.running.answering();
        drop(slot);
        let response = self.conclude(id, &request, end, said, began.elapsed()).await?;
        let (response, dispatched) = ResponseDispatchNotifier::new(response);
        tokio::spawn(async move {
            dispatched.await;
            drop(answering);
        });
        Ok(response)
    }

    #[zbus(out_args("cancelled"))]
    #[expect(clippy::needless_pass_by_value, reason = "the macro hands the header over by value")]
    fn cancel(&self, id: &str, #[zbus(header)] header: Header<'_>) -> Result<bool, Fault> {
        Ok(self.running.cancel(sender(&header)?, id))
    }

    #[zbus(out_args("models"))]
    fn list(&self) -> String {
        let (configured, provider) = (self.provider.model(), self.provider.name());
        let others = self.provider.other_models().iter().map(String::as_str);
        let models: Vec<Value> = std::iter::once(configured)
            .chain(others)
            .map(|name| json!({"name": name, "provider": provider, "configured": name == configured}))
            .collect();
        json!(models).to_string()
    }

    #[zbus(signal)]
    async fn delta(emitter: &SignalEmitter<'_>, id: &str, seq: u64, text: &str) -> zbus::Result<()>;
}

impl Models {
    fn understood(&self, request: &str, mut options: GivenOptions) -> Result<CompletionRequest, Fault> {
        let mut request: CompletionRequest = limits::parse(request, limits::BUS)?;
        if let Some(model) = options.string("model")? {
            request.model = Some(model);
        }
        options.finish()?;
        if request.messages.is_empty() {
            return Err(Fault::InvalidArgument("the request has no messages".into()));
        }
        if request.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(Fault::InvalidArgument("temperature must be 0 to 2".into()));
        }
        match &request.model {
            Some(model)
                if model != self.provider.model() && !self.provider.other_models().contains(model) =>
            {
                Err(Fault::NotFound(format!("there is no model {model:?}; List tells which there are")))
            }
            _ => Ok(request),
        }
    }

    async fn conclude(
        &self,
        id: &str,
        request: &CompletionRequest,
        end: End,
        said: String,
        took: Duration,
    ) -> Result<String, Fault> {
        let model = request.model.clone().unwrap_or_else(|| self.provider.model().to_owned());
        let provider = self.provider.name().to_owned();
        let entry =
            Entry::new(if matches!(end, End::Answered(_)) { "model.completed" } else { "model.ended" })
                .with("request", id)
                .with("provider", provider.as_str())
                .with("model", model.as_str())
                .with("messages", request.messages.len())
                .with("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let (entry, result) = match end {
            End::Answered(completion) => {
                let usage = completion.usage;
                let entry = entry
                    .with("answered_by", completion.model.as_str())
                    .with("input_tokens", usage.input_tokens)
                    .with("output_tokens", usage.output_tokens)
                    .with("tool_calls", completion.tool_calls.len());
                (entry.with("finish", json!(completion.finish)), Ok(completion))
            }
            End::Cancelled => {
                let completion = Completion {
                    text: said,
                    tool_calls: Vec::new(),
                    usage: Usage::default(),
                    finish: Finish::Cancelled,
                    model,
                    provider,
                };
                (entry.with("finish", "cancelled"), Ok(completion))
            }
            End::TooSlow => {
                let text =
                    format!("the model did not end its answer within {} s", self.timeout.as_secs_f32());
                (entry.with("finish", "failed").with("error", text.as_str()), Err(Fault::Unavailable(text)))
            }
            End::Failed(error) => {
                let text = error.to_string();
                tracing::warn!(request = id, "a completion failed: {text}");
                (entry.with("finish", "failed").with("error", text.as_str()), Err(fault(&error, text)))
            }
        };
        self.record(&entry).await;
        let response = serde_json::to_string(&result?).map_err(|error| Fault::Internal(error.to_string()))?;
        if response.len() > limits::BUS.message {
            return Err(Fault::TooLarge(format!(
                "the answer is over the limit of {} bytes",
                limits::BUS.message
            )));
        }
        Ok(response)
    }

    /// A completion does nothing by itself, so it is not held back when its record cannot be kept:
    /// whatever it leads to is recorded, or refused, where it is done.
    async fn record(&self, entry: &Entry) {
        const PATIENCE: Duration = Duration::from_secs(2);
        match tokio::time::timeout(PATIENCE, self.recorder.append(entry)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("a completion was not recorded: {error}"),
            Err(_) => tracing::warn!("a completion was not recorded within {} s", PATIENCE.as_secs()),
        }
    }
}

/// Sends each piece to the caller and keeps what was sent. A stream that cannot be sent is lost; the
/// answer is not.
async fn pass_on(
    id: &str,
    mut pieces: mpsc::Receiver<String>,
    emitter: &SignalEmitter<'_>,
    said: &mut String,
) {
    let mut lost = false;
    let mut seq = 0;
    while let Some(piece) = pieces.recv().await {
        said.push_str(&piece);
        lost = lost || Models::delta(emitter, id, seq, &piece).await.is_err();
        seq += 1;
    }
}

fn sender<'a>(header: &'a Header<'_>) -> Result<&'a UniqueName<'a>, Fault> {
    header.sender().ok_or_else(|| Fault::Denied("the message has no sender".into()))
}

/// A caller that left before its completion was counted is not in any later news of departures.
async fn still_there(emitter: &SignalEmitter<'_>, caller: &UniqueName<'_>) -> Result<(), Fault> {
    if bus::is_connected(emitter.connection(), caller).await? {
        return Ok(());
    }
    Err(Fault::Denied("the caller left the bus".into()))
}

/// What decides must not act: a verdict is asked for without tools, by `policyd` and by nobody else.
fn check_purpose(request: &CompletionRequest, caller: &Principal) -> Result<(), Fault> {
    let judging = request.purpose == Purpose::Judge;
    if judging != matches!(caller, Principal::Daemon(Daemon::Policyd)) {
        return Err(Fault::Denied(format!("{caller} may not ask for this kind of completion")));
    }
    if judging && !request.tools.is_empty() {
        return Err(Fault::InvalidArgument("a judge has no tools".into()));
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Fault> {
    if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Fault::InvalidArgument("the id must be 1 to 128 visible ASCII characters".into()))
}

fn fault(error: &ProviderError, text: String) -> Fault {
    match error {
        ProviderError::Names { .. } => Fault::InvalidArgument(text),
        ProviderError::RateLimited { .. } => Fault::Busy(text),
        ProviderError::TooLarge { .. } => Fault::TooLarge(text),
        error if error.reached_no_model() => Fault::Unreached(text),
        _ => Fault::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Said;
    use testudo::model::{Message, ToolSpec};

    #[test]
    fn what_came_to_no_model_is_told_apart_from_what_may_have() {
        let (server, said) = (|| "m:1".to_owned(), || Said::new(""));
        let egress = |is_sent| ProviderError::Egress { server: server(), cause: "away".into(), is_sent };
        let barred = |is_sent| ProviderError::Barred {
            server: server(),
            reason: "time".into(),
            said: said(),
            is_sent,
        };
        for (error, is_unreached) in [
            (egress(false), true),
            (egress(true), false),
            (ProviderError::Unreachable { server: server(), said: said() }, true),
            (barred(false), true),
            (barred(true), false),
            (ProviderError::Key { server: server(), status: 401 }, true),
            (ProviderError::BrokeOff { server: server() }, false),
            (ProviderError::Server { server: server(), status: 500, said: said() }, false),
        ] {
            let fault = fault(&error, error.to_string());
            assert_eq!(matches!(fault, Fault::Unreached(_)), is_unreached, "{error}");
        }
    }

    #[test]
    fn only_policyd_gets_verdicts_and_nothing_else() {
        let tool = ToolSpec { name: "echo".into(), description: String::new(), parameters: json!({}) };
        let request = |purpose, tools: &[ToolSpec]| CompletionRequest {
            purpose,
            ..CompletionRequest::new(vec![Message::user("x")], tools.to_vec())
        };
        let (policyd, agentd) = (Principal::Daemon(Daemon::Policyd), Principal::Daemon(Daemon::Agentd));
        assert!(check_purpose(&request(Purpose::Judge, &[]), &policyd).is_ok());
        assert!(check_purpose(&request(Purpose::Talk, std::slice::from_ref(&tool)), &agentd).is_ok());
        for (purpose, tools, caller) in [
            (Purpose::Judge, vec![], &agentd),
            (Purpose::Judge, vec![], &Principal::Operator("root".into())),
            (Purpose::Talk, vec![], &policyd),
            (Purpose::Judge, vec![tool], &policyd),
        ] {
            assert!(check_purpose(&request(purpose, &tools), caller).is_err(), "{purpose:?} {caller}");
        }
    }
}

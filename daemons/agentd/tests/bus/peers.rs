//! The daemons that the agent talks to, as lists of answers. Closing a peer's connection is what the bus sees when
//! the daemon behind it is killed.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use testudo::bus;
use testudo::fault::Fault;
use testudo::model::{Completion, CompletionRequest, Finish, ToolCall, Usage};
use testudo::observation::Observation;
use testudo::record::Entry;
use testudo::refusal::{Code, Refusal};
use testudo::tool::{Outcome, Output};
use tokio::sync::{Notify, mpsc};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::wire::OwnedVariant;
use zbus::{Connection, interface};

use crate::private_bus::PrivateBus;

type Options = HashMap<String, OwnedVariant>;

/// What the model answers.
pub(crate) enum Reply {
    /// Text, streamed in these pieces.
    Say(Vec<String>),
    /// Calls of tools.
    Call(Vec<(&'static str, Value)>),
    /// Nothing until it is cancelled.
    Hang,
    /// A fault.
    Fail(&'static str),
    /// A fault of one that asked nobody.
    Refuse(fn(String) -> Fault),
    /// Text whose tokens nobody counts.
    Uncounted(&'static str),
}

pub(crate) fn say(text: &str) -> Reply {
    Reply::Say(text.split_inclusive(' ').map(str::to_owned).collect())
}

/// What happened at a peer, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Request(CompletionRequest),
    Cancelled,
    Call { session: String, tool: String, arguments: Value, call: String },
    Record(Entry),
    Told { session: String, observation: Observation },
}

/// A fake `modeld`.
pub(crate) struct Models {
    replies: Mutex<VecDeque<Reply>>,
    seen: mpsc::UnboundedSender<Seen>,
    cancelled: Arc<Notify>,
}

/// Puts a peer on the bus; what happens there comes out of the channel.
async fn serve<I: zbus::object_server::Interface>(
    on: &PrivateBus,
    name: &'static str,
    path: &'static str,
    peer: impl FnOnce(mpsc::UnboundedSender<Seen>) -> I,
) -> (Connection, mpsc::UnboundedReceiver<Seen>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let connection = on.connect().await;
    connection.object_server().at(path, peer(sender)).await.unwrap();
    connection.request_name(name).await.unwrap();
    (connection, receiver)
}

impl Models {
    pub(crate) async fn serve(
        on: &PrivateBus,
        replies: Vec<Reply>,
    ) -> (Connection, mpsc::UnboundedReceiver<Seen>) {
        serve(on, bus::MODELS, bus::MODELS_PATH, |seen| Self {
            replies: Mutex::new(replies.into()),
            seen,
            cancelled: Arc::default(),
        })
        .await
    }
}

#[interface(name = "org.testudo.Models1")]
impl Models {
    async fn complete(
        &self,
        id: String,
        request: String,
        options: Options,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<String, Fault> {
        let mut request: CompletionRequest = serde_json::from_str(&request).unwrap();
        request.model = options.get("model").map(|name| String::try_from(name.clone()).unwrap());
        self.seen.send(Seen::Request(request)).unwrap();
        let reply = self.replies.lock().unwrap().pop_front().expect("more requests than replies");
        let mut completion = Completion {
            text: String::new(),
            tool_calls: Vec::new(),
            usage: Usage { input_tokens: 60, output_tokens: 40 },
            finish: Finish::Stop,
            model: "fake".into(),
            provider: "fake".into(),
        };
        match reply {
            Reply::Say(pieces) => {
                completion.text = pieces.concat();
                let emitter = emitter.set_destination(header.sender().unwrap().clone().into());
                for (seq, piece) in pieces.into_iter().enumerate() {
                    Self::delta(&emitter, &id, seq as u64, &piece).await?;
                }
            }
            Reply::Call(calls) => {
                completion.finish = Finish::ToolCalls;
                completion.tool_calls = calls
                    .into_iter()
                    .map(|(name, arguments)| ToolCall { id: "x".into(), name: name.into(), arguments })
                    .collect();
            }
            Reply::Hang => {
                self.cancelled.notified().await;
                completion.usage = Usage::default();
                completion.finish = Finish::Cancelled;
            }
            Reply::Refuse(fault) => return Err(fault("not this one".into())),
            Reply::Uncounted(text) => {
                completion.text = text.into();
                completion.usage = Usage::default();
            }
            Reply::Fail(text) => return Err(Fault::Unavailable(text.into())),
        }
        Ok(serde_json::to_string(&completion).unwrap())
    }

    fn cancel(&self, _id: String) -> bool {
        self.seen.send(Seen::Cancelled).unwrap();
        self.cancelled.notify_one();
        true
    }

    fn list(&self) -> String {
        json!([
            {"name": "fake", "provider": "fake", "configured": true},
            {"name": "small", "provider": "fake", "configured": false}
        ])
        .to_string()
    }

    #[zbus(signal)]
    async fn delta(emitter: &SignalEmitter<'_>, id: &str, seq: u64, text: &str) -> zbus::Result<()>;
}

/// A fake `toold`: one tool, whose answers are a list; none means that it hangs until it is cancelled. What an answer has
/// under `given` are files for people, and one that came too late is parked as `a-7`.
pub(crate) struct Tools {
    answers: Mutex<VecDeque<Option<Result<Value, Code>>>>,
    seen: mpsc::UnboundedSender<Seen>,
    cancelled: Arc<Notify>,
}

impl Tools {
    pub(crate) async fn serve(
        on: &PrivateBus,
        answers: Vec<Option<Result<Value, Code>>>,
    ) -> (Connection, mpsc::UnboundedReceiver<Seen>) {
        serve(on, bus::TOOLS, bus::TOOLS_PATH, |seen| Self {
            answers: Mutex::new(answers.into()),
            seen,
            cancelled: Arc::default(),
        })
        .await
    }
}

#[interface(name = "org.testudo.Tools1")]
impl Tools {
    async fn invoke(&self, session: String, tool: String, arguments: String, options: Options) -> String {
        let call = String::try_from(options["call"].clone()).unwrap();
        let arguments = serde_json::from_str(&arguments).unwrap();
        self.seen.send(Seen::Call { session, tool: tool.clone(), arguments, call: call.clone() }).unwrap();
        let answer = self.answers.lock().unwrap().pop_front().expect("more calls than answers");
        let (result, error) = match answer {
            Some(Ok(content)) => {
                let files = content.get("given").cloned().map(serde_json::from_value);
                let files = files.transpose().unwrap().unwrap_or_default();
                (Some(Output { content, files, ..Output::default() }), None)
            }
            Some(Err(code @ Code::ConfirmationTimeout)) => {
                (None, Some(Refusal::new(code, "parked").parked_at("a-7")))
            }
            Some(Err(code)) => (None, Some(Refusal::new(code, "no"))),
            None => {
                self.cancelled.notified().await;
                (None, Some(Refusal::new(Code::HandlerError, "cancelled")))
            }
        };
        let outcome = Outcome { call, tool, verdict: None, duration_ms: 1, result, error };
        serde_json::to_string(&outcome).unwrap()
    }

    fn cancel(&self, _call: String) -> bool {
        self.seen.send(Seen::Cancelled).unwrap();
        self.cancelled.notify_one();
        true
    }

    fn catalogue(&self) -> String {
        json!([{"name": "echo", "description": "Says it again.", "effect": "read", "parameters": {"type": "object"}}])
            .to_string()
    }

    fn close_session(&self, _session: String) {}
}

/// A fake `auditd`.
pub(crate) struct Audit(mpsc::UnboundedSender<Seen>);

impl Audit {
    pub(crate) async fn serve(on: &PrivateBus) -> (Connection, mpsc::UnboundedReceiver<Seen>) {
        serve(on, bus::AUDIT, bus::AUDIT_PATH, Self).await
    }
}

#[interface(name = "org.testudo.Audit1")]
impl Audit {
    fn append(&self, record: String, _options: Options) -> u64 {
        self.0.send(Seen::Record(serde_json::from_str(&record).unwrap())).unwrap();
        1
    }
}

/// A fake `policyd`, which is told things.
pub(crate) struct Policy(mpsc::UnboundedSender<Seen>);

impl Policy {
    pub(crate) async fn serve(on: &PrivateBus) -> (Connection, mpsc::UnboundedReceiver<Seen>) {
        serve(on, bus::POLICY, bus::POLICY_PATH, Self).await
    }
}

#[interface(name = "org.testudo.Policy1")]
impl Policy {
    fn observe(&self, session: String, observation: String, _options: Options) -> &'static str {
        let observation = serde_json::from_str(&observation).unwrap();
        self.0.send(Seen::Told { session, observation }).unwrap();
        r#"{"sources":[]}"#
    }
}

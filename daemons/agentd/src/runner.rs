//! Runs one turn: takes the steps of [`Turn`] at the other daemons, and keeps, records and tells what happens.
//!
//! Nothing is done before `turn.started` is in the record. Whatever fails afterwards, the turn has an end: in the
//! history, in the record and for everybody who waits.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use testudo::change::ChangeSummary;
use testudo::model::{CompletionRequest, Message, ToolCall, ToolSpec};
use testudo::observation::Author;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::tool::Outcome;
use testudo::turn::{Call, End, Event, Finished};

use crate::attendance::Attendance;
use crate::budget::Budget;
use crate::conversation::Line;
use crate::cost::Meter;
use crate::models::Models;
use crate::policy::Policy;
use crate::said::Said;
use crate::session::{Pending, Session};
use crate::speaker::Speaker;
use crate::stop::StopSignal;
use crate::store::StoreError;
use crate::tools::Tools;
use crate::turn::{Input, Step, Stop, Turn};
use crate::{cut, outcome};

/// What the model is told before everything else.
const SYSTEM_PROMPT: &str = include_str!("system-prompt.txt");
/// The longest that a record may take.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);
/// The most bytes of arguments in an event; who decides on them sees them whole in the approval.
const ARGUMENTS_SHOWN: usize = 16 * 1024;

/// The other daemons, and those who listen.
#[derive(Clone)]
pub struct Peers {
    /// Infers.
    pub models: Models,
    /// Acts.
    pub tools: Tools,
    /// Decides; here it is only told.
    pub policy: Policy,
    /// Records.
    pub recorder: Recorder,
    /// Counts the day's tokens.
    pub budget: Arc<Budget>,
    /// Whoever follows a session.
    pub subscribers: Subscribers,
}

impl Peers {
    /// Tells those who follow the session.
    pub fn tell(&self, session: &str, event: &Event) {
        match serde_json::to_string(event) {
            Ok(body) => self.subscribers.emit_topic("Event", session, &body),
            Err(error) => tracing::error!("an event of session {session} could not be written: {error}"),
        }
    }

    /// Keeps a record, or says why it cannot be.
    pub async fn record(&self, entry: &Entry) -> Result<(), String> {
        match tokio::time::timeout(RECORD_TIMEOUT, self.recorder.append(entry)).await {
            Ok(Ok(_sequence)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("cannot reach the record: testudo-auditd does not answer".into()),
        }
    }
}

/// One turn being run.
pub struct Runner<'a> {
    peers: &'a Peers,
    session: &'a Session,
    id: &'a str,
    stop: &'a StopSignal,
    attendance: Attendance,
    turn: Turn,
    tools: Option<Vec<ToolSpec>>,
}

/// Runs `pending` as the session's turn, with at most `limit` completions.
pub async fn run(peers: &Peers, session: &Session, limit: u32, pending: Pending, stop: &StopSignal) {
    let Pending { turn: id, text, speaker, attendance, begun } = pending;
    let entry = Entry::new("turn.started").session(session.name()).with("turn", id.as_str());
    if let Err(why) = peers
        .record(&entry.with("requester", speaker.name.as_str()).with("unattended", attendance.unattended))
        .await
    {
        let why = format!("the turn did not start, because nothing is done without a record: {why}");
        tracing::warn!("session {}: {why}", session.name());
        let finished = session.unstarted(&id, End::Failed, &why);
        session.finish(finished.clone(), false);
        peers.tell(session.name(), &Event::TurnFinished { turn: finished });
        let _nobody_waits = begun.send(Err(why));
        return;
    }
    let _nobody_waits = begun.send(Ok(()));
    peers.tell(session.name(), &Event::TurnStarted { turn: id.clone(), text: text.clone() });

    let turn = Turn::new(limit, || format!("c-{}", uuid::Uuid::new_v4()));
    let mut runner = Runner { peers, session, id: &id, stop, attendance, turn, tools: None };
    let (end, reply) = match runner.think(&speaker, &text).await {
        Ok(end) => end,
        Err(error) => {
            tracing::error!("the conversation {} could not be kept: {error}", session.name());
            (End::Failed, format!("The conversation could not be kept, so I stopped: {error}"))
        }
    };
    runner.finish(end, reply).await;
}

impl Runner<'_> {
    /// From the person's words to the end of the loop.
    async fn think(&mut self, speaker: &Speaker, text: &str) -> Result<(End, String), StoreError> {
        let at = now();
        self.session.keep(
            Line::Started {
                turn: self.id.to_owned(),
                at: at.clone(),
                unattended: self.attendance.unattended,
            },
            &at,
        )?;
        // A message that policyd does not know of stays out of the conversation: a later turn would show it too.
        if let Some(end) = self.tell_policy(speaker.author, text).await {
            return Ok(end);
        }
        self.keep(vec![Said::by_person(speaker, text)])?;
        let mut step = Step::Ask;
        loop {
            let input = match step {
                Step::End { end, reply } => return Ok((end, reply)),
                Step::Ask => self.ask().await,
                Step::Call(call) => self.call(call).await,
            };
            let shown = match &input {
                Input::Outcome(outcome) => Some(Shown::of(outcome)),
                _ => None,
            };
            let next = self.turn.advance(input);
            if let Some((request, call)) = next.ended {
                self.keep_call(&call)?;
                self.tell_call(request, call, shown);
            }
            self.keep(next.said)?;
            step = next.step;
        }
    }

    /// Tells `policyd` who said what; how the turn ends if that cannot be.
    async fn tell_policy(&self, author: Author, text: &str) -> Option<(End, String)> {
        let policy = self.peers.policy.clone();
        match self.stop.or(policy.tell(self.session.name().to_owned(), author, text.to_owned())).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let why =
                    "I did not begin: nothing is done with a message that the policy does not know of, and";
                Some((End::Failed, format!("{why} {error}.")))
            }
            Err(Stop::Cancelled) => Some((End::Cancelled, "This turn was cancelled.".to_owned())),
            Err(Stop::Ending) => {
                Some((End::Failed, "This turn was ended because testudo-agentd stops.".to_owned()))
            }
        }
    }

    /// One completion. The tools are asked for once in a turn, or again while they cannot be had.
    async fn ask(&mut self) -> Input {
        if let Some(why) = self.peers.spent(self.session).await {
            return Input::Spent(why);
        }
        let offer = match self.tools.clone() {
            Some(tools) => Ok(tools),
            None => {
                let tools = self.peers.tools.clone();
                tools.prepare(self.session.name());
                match self.stop.or(async move { tools.catalogue().await }).await {
                    Ok(offer) => offer,
                    Err(stop) => return Input::Stop(stop),
                }
            }
        };
        let mut prompt = SYSTEM_PROMPT.to_owned();
        let offer = match offer {
            Ok(tools) => self.tools.insert(tools).clone(),
            Err(error) => {
                tracing::warn!("session {} goes on without tools: {error}", self.session.name());
                prompt.push_str("\nThe tools cannot be reached now: say so if the task needs them.\n");
                Vec::new()
            }
        };
        let window = self.session.window();
        let messages = [Message::system(prompt)].into_iter().chain(window.messages).collect();
        let request = CompletionRequest::new(messages, offer);
        let (heard, meter, models) = (self.listener(), Meter::default(), self.peers.models.clone());
        let completing =
            models.complete(request, self.session.model(), self.stop.clone(), meter.clone(), heard);
        let answer = self.stop.or(completing).await;
        self.peers.count(self.session, &meter, answer.as_ref().ok().and_then(|answer| answer.as_ref().ok()));
        match answer {
            Ok(Ok(completion)) => Input::Completion(completion, window.labels),
            Ok(Err(error)) => Input::NoCompletion(error.to_string()),
            Err(stop) => Input::Stop(stop),
        }
    }

    fn listener(&self) -> impl FnMut(&str) + Send + use<> {
        let (peers, session, turn) = (self.peers.clone(), self.session.name().to_owned(), self.id.to_owned());
        move |text| peers.tell(&session, &Event::Text { turn: turn.clone(), delta: text.to_owned() })
    }

    /// Tells those who watch what a call prints.
    fn watcher(&self, request: &str) -> impl FnMut(String) + Send + use<> {
        let (peers, session, turn) = (self.peers.clone(), self.session.name().to_owned(), self.id.to_owned());
        let request = request.to_owned();
        move |text| {
            let event = Event::CallOutput { turn: turn.clone(), request: request.clone(), text };
            peers.tell(&session, &event);
        }
    }

    async fn call(&self, call: ToolCall) -> Input {
        let arguments = cut::json(&call.arguments, ARGUMENTS_SHOWN).unwrap_or_else(|| call.arguments.clone());
        let (turn, request, tool) = (self.id.to_owned(), call.id.clone(), call.name.clone());
        self.peers.tell(self.session.name(), &Event::CallStarted { turn, request, tool, arguments });
        let session = self.session.name().to_owned();
        let (attendance, stop) = (self.attendance.clone(), self.stop.clone());
        let heard = self.watcher(&call.id);
        match self.stop.or(self.peers.tools.clone().invoke(session, call, attendance, stop, heard)).await {
            Ok(outcome) => Input::Outcome(outcome),
            Err(stop) => Input::Stop(stop),
        }
    }

    /// Tells of a call that ended, with an outcome or because the turn was stopped.
    fn tell_call(&self, request: String, call: Call, shown: Option<Shown>) {
        let Shown { preview, changes } = shown.unwrap_or_else(|| Shown {
            preview: call.error.as_ref().map(|error| error.message.clone()).unwrap_or_default(),
            changes: Vec::new(),
        });
        let event = Event::CallFinished { turn: self.id.to_owned(), request, call, preview, changes };
        self.peers.tell(self.session.name(), &event);
    }

    /// What a call did is known to whoever waits for the turn, also where the daemon goes before the turn ends.
    fn keep_call(&self, call: &Call) -> Result<(), StoreError> {
        let at = now();
        let line = Line::Called { turn: self.id.to_owned(), at: at.clone(), call: call.clone() };
        self.session.keep(line, &at)
    }

    fn keep(&self, said: Vec<Said>) -> Result<(), StoreError> {
        let at = now();
        said.into_iter().try_for_each(|said| {
            self.session.keep(Line::Said { turn: self.id.to_owned(), at: at.clone(), said }, &at)
        })
    }

    /// History, disk, record, and then everybody who waits.
    async fn finish(self, end: End, reply: String) {
        let (session, turn) = (self.session.name(), self.id);
        let calls = self.turn.calls().to_vec();
        let count = calls.len();
        let finished = Finished { session: session.to_owned(), turn: turn.to_owned(), reply, calls, end };
        let at = now();
        let kept = self.session.keep(Line::Finished { at: at.clone(), finished: finished.clone() }, &at);
        let is_kept = kept.is_ok();
        if let Err(error) = kept.and_then(|()| self.session.sync()) {
            tracing::error!(
                "the end of turn {turn} of session {session} is not certain to be on the disk: {error}"
            );
        }
        let word = word(end);
        let entry = Entry::new("turn.finished")
            .session(session)
            .decision(word)
            .with("turn", turn)
            .with("calls", count)
            .with("completions", self.turn.completions());
        if let Err(why) = self.peers.record(&entry).await {
            tracing::error!("the end of turn {turn} of session {session} is not in the record: {why}");
        }
        tracing::info!(session, turn, calls = count, "a turn ended: {word}");
        self.session.finish(finished.clone(), is_kept);
        self.peers.tell(session, &Event::TurnFinished { turn: finished });
    }
}

/// What people see of an outcome in passing.
struct Shown {
    preview: String,
    changes: Vec<ChangeSummary>,
}

impl Shown {
    fn of(outcome: &Outcome) -> Self {
        let changes = outcome.result.as_ref().map(|output| output.changes.clone()).unwrap_or_default();
        Self { preview: outcome::preview(outcome), changes }
    }
}

/// How a turn ended, as JSON and the record have it.
const fn word(end: End) -> &'static str {
    match end {
        End::Replied => "replied",
        End::Cancelled => "cancelled",
        End::TurnLimit => "turn-limit",
        End::Failed => "failed",
        End::Blocked => "blocked",
        End::BudgetReached => "budget-reached",
    }
}

/// The time now, RFC 3339 in UTC with milliseconds.
pub fn now() -> String {
    format!("{:.3}", Timestamp::now())
}

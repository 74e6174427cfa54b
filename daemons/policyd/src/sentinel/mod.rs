//! The sentinel: rules in plain language, judged by a model, which can only tighten a decision.
//!
//! ```text
//!  [[judge]] of policy files ─┐            ┌▶ cache ─▶ verdict
//!  SECURITY.md ───────────────┴▶ asked? ───┤                        nothing | ask | deny
//!                                          └▶ breaker ─▶ modeld ─▶ verdict | failure
//! ```
//! A judge sees the whole final arguments and what happened in the session ([`log`]), never what a tool gave or a
//! model said. What cannot be judged (not whole, too late, no verdict, nobody there) is asked about where a person is
//! there, and denied where none is. Start with [`Sentinel::hear`]; [`rules`] is whom it asks, [`asking`] how,
//! [`prompt`] what, [`verdict`] what may be answered.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testudo::action::Judged;
use testudo::canonical;
use testudo::record::Entry;
use testudo::recorder::Recorder;
use testudo::verdict::{Reason, Verdict};
use testudo_policy::index::RuleSet;
use tokio::time::Instant;

use asking::{Answer, Door, Inside, Model, Question};
use cache::{Key, Moment};
use log::{Event, Log, Shown};
use rules::Asked;
use verdict::Failure;

pub mod asking;
pub mod breaker;
pub mod cache;
pub mod chunks;
pub mod log;
pub mod models;
pub mod prompt;
pub mod rules;
pub mod seat;
pub mod switches;
pub mod verdict;
pub mod vouching;

/// Most sessions whose verdicts are remembered.
const SESSIONS: usize = 256;

/// Everything that the sentinel knows.
pub struct Sentinel {
    model: Box<dyn Model>,
    log: Log,
    recorder: Recorder,
    patience: Duration,
    nobody_for: Box<dyn Fn(&str) -> bool + Send + Sync>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

/// Keeps what is known of a session from being forgotten while a decision about it is under way.
#[must_use = "without it a flood of other sessions could push the rules of the workspace out in the middle"]
pub struct Remembered(#[expect(dead_code, reason = "it is held, and that is its use")] Arc<Session>);

/// What is known of a session beside its log; lost at a restart, which forgets verdicts and nothing else.
#[derive(Default)]
struct Session {
    door: Door,
    workspace: Mutex<Option<Result<String, String>>>,
}

/// An action as all its questions share it.
struct Whole<'w> {
    digest: &'w str,
    parts: Vec<&'w str>,
    log: Shown,
    moment: Moment,
    deadline: Instant,
}

impl Sentinel {
    /// A sentinel that asks this model and waits no longer than `patience` for all that it asks about one action.
    /// `nobody_for` says whether a session has no person to ask.
    pub fn new(
        model: Box<dyn Model>,
        log: Log,
        recorder: Recorder,
        patience: Duration,
        nobody_for: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        let nobody_for = Box::new(nobody_for);
        Self { model, log, recorder, patience, nobody_for, sessions: Mutex::default() }
    }

    /// What comes of a judge that cannot answer in this session; `parked`: nobody is there for a question. Never allow.
    pub fn failing(&self, session: &str, parked: bool) -> Verdict {
        if parked || (self.nobody_for)(session) { Verdict::Deny } else { Verdict::Ask }
    }

    /// What the judges say about an action that leans to `leaning`; none is asked where nothing could be tightened.
    /// `failing` is what comes of one that cannot answer, as [`Sentinel::failing`] says.
    pub async fn hear(
        &self,
        rules: &RuleSet,
        judged: &Judged,
        digest: &str,
        leaning: Verdict,
        failing: Verdict,
    ) -> Option<Vec<Reason>> {
        let asked = self.asked(rules, judged, leaning);
        if asked.is_empty() {
            return None;
        }
        let session = self.session(&judged.action.session);
        let deadline = Instant::now() + self.patience;
        let text = chunks::written(judged);
        let whole = self.log.shown(&judged.action.session).map(|log| Whole {
            digest,
            parts: text.as_deref().map(chunks::cut).unwrap_or_default(),
            moment: Moment::of(log.moment, &judged.taint),
            log,
            deadline,
        });
        let mut inside = session.door.enter(deadline).await;
        let mut reasons = Vec::new();
        for rule in &asked {
            let began = Instant::now();
            let (outcome, known) = match (&whole, &mut inside) {
                (Err(error), _) => {
                    tracing::error!("the log of session {} cannot be read: {error}", judged.action.session);
                    (Err(Failure::NoLog), false)
                }
                (_, Err(failure)) => (Err(failure.clone()), false),
                (Ok(whole), Ok(inside)) => self.ask(&session.door, inside, rule, judged, whole).await,
            };
            if !known {
                self.record(rule, judged, &outcome, began.elapsed()).await;
            }
            reasons.extend(rule.reason(&outcome, failing));
        }
        Some(reasons)
    }

    /// Which rules would be asked, without asking.
    pub fn would_ask(&self, rules: &RuleSet, judged: &Judged, leaning: Verdict) -> Option<Reason> {
        let asked = self.asked(rules, judged, leaning);
        let names: Vec<&str> = asked.iter().map(|rule| rule.id.as_str()).collect();
        (!names.is_empty()).then(|| Reason {
            rule: "sentinel".to_owned(),
            verdict: leaning,
            text: format!("would be asked by rules {}", names.join(", ")),
        })
    }

    /// Keeps what happened in a session, for the judges of what comes after.
    ///
    /// # Errors
    /// The database's.
    pub fn note(&self, session: &str, event: &Event) -> rusqlite::Result<()> {
        self.log.add(session, event)
    }

    /// Takes in the rules that lie in the workspace of a session: their text, empty when there are none, or why they
    /// cannot be read.
    pub fn workspace_rules(&self, session: &str, text: Result<String, String>) -> Remembered {
        let known = self.session(session);
        *lock(&known.workspace) = Some(text);
        Remembered(known)
    }

    fn asked(&self, rules: &RuleSet, judged: &Judged, leaning: Verdict) -> Vec<Asked> {
        let session = &judged.action.session;
        let off = self.log.off(session).unwrap_or_else(|error| {
            tracing::error!(
                "what is switched off in session {session} cannot be read, so nothing is: {error}"
            );
            BTreeSet::new()
        });
        let mut asked = rules::of_files(rules, judged, leaning, |id| off.contains(id));
        let known = lock(&self.sessions).get(session).cloned();
        if let Some(text) = known.and_then(|session| lock(&session.workspace).clone()) {
            asked.extend(rules::of_workspace(&text, leaning));
        }
        asked
    }

    async fn ask(
        &self,
        door: &Door,
        inside: &mut Inside,
        rule: &Asked,
        judged: &Judged,
        whole: &Whole<'_>,
    ) -> Answer {
        let text = match &rule.question {
            Ok(text) => text,
            Err(failure) => return (Err(failure.clone()), false),
        };
        if whole.parts.is_empty() || whole.parts.len() > chunks::MOST {
            return (Err(Failure::NotWhole), false);
        }
        let key = Key {
            rule: rule.id.clone(),
            question: canonical::digest("testudo.judge.v1", text),
            action: whole.digest.to_owned(),
        };
        let question = Question {
            rule: text,
            writer: rule.writer,
            key,
            judged,
            parts: &whole.parts,
            log: &whole.log,
            moment: &whole.moment,
            now: Instant::now(),
            deadline: whole.deadline,
        };
        door.ask(inside, self.model.as_ref(), question).await
    }

    /// The judge's own words are not in the record: they may repeat what the action holds.
    async fn record(
        &self,
        rule: &Asked,
        judged: &Judged,
        outcome: &Result<verdict::Spoken, Failure>,
        took: Duration,
    ) {
        let entry = Entry::new("sentinel.judged")
            .session(&judged.action.session)
            .call(&judged.call, &judged.action.tool)
            .with("rule", rule.id.as_str())
            .with("phase", judged.action.phase.word())
            .with("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let entry = match outcome {
            Ok(spoken) => entry
                .decision(spoken.decision.word())
                .with("risk", serde_json::to_value(spoken.risk).unwrap_or_default()),
            Err(failure) => entry.decision("failed").with("failure", failure.to_string()),
        };
        if let Err(error) = self.recorder.append(&entry).await {
            // It can only have tightened; what it led to is recorded by whoever acts on it.
            tracing::error!("a verdict of the sentinel is not in the record: {error}");
        }
    }

    fn session(&self, name: &str) -> Arc<Session> {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= SESSIONS && !sessions.contains_key(name) {
            sessions.retain(|_, session| Arc::strong_count(session) > 1);
        }
        Arc::clone(sessions.entry(name.to_owned()).or_default())
    }

    /// How often judges gave a verdict in a session and how often not, and whether they rest.
    fn counts(&self, session: &str) -> (u64, u64, bool) {
        lock(&self.sessions).get(session).map_or((0, 0, false), |session| {
            let door = &session.door;
            let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
            (read(&door.answered), read(&door.failed), door.rests(Instant::now()))
        })
    }
}

/// Nothing that holds a lock here can panic, so a poisoned one still guards a whole value.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

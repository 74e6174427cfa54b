//! What owners ask of a session beside speaking in it: its model, pins, a summary. Everything is in the record before it is done.

use std::sync::Arc;

use jiff::Timestamp;
use testudo::canonical;
use testudo::context::{Compacted, Context, LONGEST_PIN, Model, Pin, Shortened, Used};
use testudo::fault::Fault;
use testudo::observation::Author;
use testudo::record::Entry;
use tokio::runtime::Handle;

use super::Agent;
use crate::compaction;
use crate::context::Compaction;
use crate::conversation::{Conversation, Line};
use crate::cost::Meter;
use crate::name::SessionName;
use crate::runner::now;
use crate::session::Session;
use crate::speaker::Speaker;
use crate::stop::StopSignal;
use crate::window;

/// The most models that an answer names.
const MOST_NAMED: usize = 20;

impl Agent {
    /// What a session has beside its messages; one that there is not yet has nothing.
    ///
    /// # Errors
    /// When this version cannot open it.
    pub async fn context(&self, name: &SessionName) -> Result<Context, Fault> {
        self.can_open(name)?;
        let models = self.peers.models.list().await.unwrap_or_else(|error| {
            tracing::warn!("the models are not listed: {error}");
            Vec::new()
        });
        let now = Timestamp::now();
        let (today, budget) = (self.peers.budget.today(now), self.peers.budget.state(now));
        let context = Context { session: name.to_string(), models, today, budget, ..Context::default() };
        Ok(match self.session(name) {
            Ok(session) => session.with_conversation(|conversation| told(context, conversation)),
            Err(_) => told(context, &Conversation::default()),
        })
    }

    /// Has a model answer in a session from now on; the empty one is the configured one, whichever that is then.
    ///
    /// # Errors
    /// When it is not listed, the speaker is no owner, or it cannot be recorded or kept.
    pub async fn use_model(&self, name: SessionName, wanted: &str, speaker: &Speaker) -> Result<(), Fault> {
        self.for_owner(speaker)?;
        let model = match wanted {
            "" => String::new(),
            wanted => {
                let models = self.peers.models.list().await;
                chosen(&models.map_err(|error| Fault::Unavailable(error.to_string()))?, wanted)?
            }
        };
        let session = self.open(name)?;
        self.note("model.chosen", &session, speaker, |entry| entry.with("model", model.as_str())).await?;
        let at = now();
        session.keep_for_good(Line::Model { at: at.clone(), model }, &at).map_err(|error| lost(&error))
    }

    /// Shows a text to the model first from now on, and gives its number. `policyd` knows of it before the model can.
    ///
    /// # Errors
    /// When it is no such text, there are too many, the speaker is no owner, or it cannot be recorded, told or kept.
    pub async fn pin(&self, name: SessionName, text: &str, speaker: &Speaker) -> Result<u32, Fault> {
        self.for_owner(speaker)?;
        let text = pinnable(text)?;
        let session = self.open(name)?;
        session.can_pin()?;
        let digest = canonical::digest("pin", text);
        self.note("context.pinned", &session, speaker, |entry| entry.with("digest", digest.as_str())).await?;
        let told =
            self.peers.policy.clone().tell(session.name().to_owned(), speaker.author, text.to_owned()).await;
        told.map_err(|error| Fault::Unavailable(format!("nothing was pinned: {error}")))?;
        let number = session.pin(speaker, text, &now())?;
        session.sync().map_err(|error| lost(&error))?;
        Ok(number)
    }

    /// Takes a pin away.
    ///
    /// # Errors
    /// When there is none of this number, the speaker is no owner, or it cannot be recorded or kept.
    pub async fn unpin(&self, name: &SessionName, number: u32, speaker: &Speaker) -> Result<(), Fault> {
        self.for_owner(speaker)?;
        self.can_open(name)?;
        let missing = || Fault::NotFound(format!("there is no pin {number} in session {name}"));
        let session = self.session(name).map_err(|_| missing())?;
        if !session.has_pin(number) {
            return Err(missing());
        }
        self.note("context.unpinned", &session, speaker, |entry| entry.with("number", number)).await?;
        let at = now();
        session.keep_for_good(Line::Unpinned { at: at.clone(), number }, &at).map_err(|error| lost(&error))
    }

    /// Has the model sum up everything before the last exchange; the summary is shown to it instead from then on.
    ///
    /// # Errors
    /// While a turn runs, and when the model gives no summary, or it cannot be recorded or kept: then nothing changes.
    pub async fn compact(self: &Arc<Self>, name: &SessionName, speaker: Speaker) -> Result<Shortened, Fault> {
        self.for_owner(&speaker)?;
        self.can_open(name)?;
        let Ok(session) = self.session(name) else {
            return Ok(Shortened { messages: 0, before_bytes: 0, after_bytes: 0 });
        };
        let agent = self.clone();
        let place = session.compact(move |session| {
            // There is no runtime any more when the daemon ends, and nothing to go on with.
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(Self::work(agent, session));
            }
        })?;
        let agent = self.clone();
        // Whoever asked may leave; the place of the turn is given back all the same.
        let task = tokio::spawn(async move {
            let result = agent.sum_up(&session, &speaker, place.stop()).await;
            drop(place);
            result
        });
        task.await.map_err(|error| {
            if error.is_panic() {
                Fault::Internal("nothing was summed up: the journal of testudo-agentd says why".into())
            } else {
                Fault::Unavailable("testudo-agentd stops".into())
            }
        })?
    }

    async fn sum_up(
        &self,
        session: &Session,
        speaker: &Speaker,
        stop: &StopSignal,
    ) -> Result<Shortened, Fault> {
        let before_bytes = shown(session);
        let Some(covered) = session.with_conversation(Conversation::to_compact) else {
            return Ok(Shortened { messages: 0, before_bytes, after_bytes: before_bytes });
        };
        if let Some(why) = self.peers.spent(session).await {
            return Err(Fault::Busy(why));
        }
        let nothing =
            |why: &str| Fault::Unavailable(format!("nothing was summed up and nothing was changed: {why}"));
        let (models, meter) = (self.peers.models.clone(), Meter::default());
        let asking = models.complete(covered.request(), session.model(), stop.clone(), meter.clone(), |_| {});
        let answer = stop.or(asking).await;
        self.peers.count(session, &meter, answer.as_ref().ok().and_then(|answer| answer.as_ref().ok()));
        let completion = match answer {
            Ok(Ok(completion)) => completion,
            Ok(Err(error)) => return Err(nothing(&error.to_string())),
            Err(_) => return Err(nothing("it was stopped")),
        };
        let summary = compaction::summary(&completion).map_err(nothing)?;
        let digest = canonical::digest("summary", &summary);
        let entry = |entry: Entry| entry.with("digest", digest.as_str()).with("messages", covered.messages);
        self.note("context.compacted", session, speaker, entry).await?;
        let at = now();
        let compaction = Compaction {
            at: at.clone(),
            by: speaker.name.clone(),
            covers: covered.messages,
            summary,
            labels: covered.summary_labels(),
        };
        session.keep_for_good(Line::Compacted { compaction }, &at).map_err(|error| lost(&error))?;
        Ok(Shortened { messages: covered.shown, before_bytes, after_bytes: shown(session) })
    }

    /// Whether this may be done at all.
    fn for_owner(&self, speaker: &Speaker) -> Result<(), Fault> {
        if speaker.author != Author::Owner {
            return Err(Fault::Denied(format!("{} is no owner, and this is for owners only", speaker.name)));
        }
        self.is_there()
    }

    /// Keeps a record of who asks for what; nothing is done without.
    async fn note(
        &self,
        event: &str,
        session: &Session,
        speaker: &Speaker,
        more: impl FnOnce(Entry) -> Entry,
    ) -> Result<(), Fault> {
        let entry = Entry::new(event).session(session.name()).with("requester", speaker.name.as_str());
        self.peers.record(&more(entry)).await.map_err(Fault::Unavailable)
    }
}

/// The name to keep for a model that is wanted: the configured one is kept without.
fn chosen(models: &[Model], wanted: &str) -> Result<String, Fault> {
    if let Some(model) = models.iter().find(|model| model.name == wanted) {
        return Ok(if model.configured { String::new() } else { model.name.clone() });
    }
    let names: Vec<&str> = models.iter().take(MOST_NAMED).map(|model| model.name.as_str()).collect();
    let rest = if models.len() > MOST_NAMED { " and others" } else { "" };
    Err(Fault::InvalidArgument(format!("there is no model {wanted:?}: there is {}{rest}", names.join(", "))))
}

/// What can be pinned of a text.
fn pinnable(text: &str) -> Result<&str, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::InvalidArgument("the text is empty: say what is to be pinned".into()));
    }
    if text.len() > 4 * LONGEST_PIN || text.chars().count() > LONGEST_PIN {
        return Err(Fault::TooLarge(format!("a pin has at most {LONGEST_PIN} characters")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Fault::InvalidArgument("a pin is plain text: it has control characters".into()));
    }
    Ok(text)
}

fn shown(session: &Session) -> u64 {
    u64::try_from(window::bytes(&session.window().messages)).unwrap_or(u64::MAX)
}

fn lost(error: &crate::store::StoreError) -> Fault {
    Fault::Internal(error.to_string())
}

fn told(context: Context, conversation: &Conversation) -> Context {
    let kept = conversation.context();
    let configured = context.models.iter().find(|model| model.configured).map(|model| model.name.clone());
    let used = kept.usage.iter().map(|(model, tokens)| Used {
        model: model.clone(),
        requests: tokens.requests,
        input: tokens.input,
        output: tokens.output,
        estimated: tokens.estimated,
    });
    let pins = kept.pins.iter().map(|pin| Pin {
        number: pin.number,
        text: pin.text.clone(),
        by: pin.by.clone(),
        at: pin.at.clone(),
    });
    let compacted = kept.compaction.as_ref();
    Context {
        model: kept.model.clone().or(configured).unwrap_or_default(),
        messages: conversation.messages,
        usage: used.collect(),
        pins: pins.collect(),
        compacted: compacted.map(|last| Compacted { messages: last.covers, at: last.at.clone() }),
        ..context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_one_of_the_list_and_the_configured_one_has_no_name() {
        let model =
            |name: &str, configured| Model { name: name.into(), provider: "openai".into(), configured };
        let models = [model("big", true), model("small", false)];
        assert_eq!(chosen(&models, "small").unwrap(), "small");
        assert_eq!(chosen(&models, "big").unwrap(), "");
        let Err(Fault::InvalidArgument(why)) = chosen(&models, "Big") else { panic!("it was found") };
        assert_eq!(why, "there is no model \"Big\": there is big, small");
    }

    #[test]
    fn what_is_pinned_is_short_and_can_be_seen() {
        assert_eq!(pinnable("  he is\n\tmy son ").unwrap(), "he is\n\tmy son");
        assert_eq!(pinnable(&"ä".repeat(1_000)).unwrap().chars().count(), 1_000);
        assert!(matches!(pinnable(&"ä".repeat(1_001)), Err(Fault::TooLarge(_))));
        for wrong in ["", " \n", "a\u{1b}[2J", "a\0"] {
            assert!(matches!(pinnable(wrong), Err(Fault::InvalidArgument(_))), "{wrong:?}");
        }
    }
}

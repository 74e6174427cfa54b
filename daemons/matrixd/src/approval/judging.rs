//! Whether an answer counts. Pure: the prompt, what was done, who did it and the time in; a judgement out.
//!
//! The checks, in this order, and the first that fails is the answer:
//! who, where, to what, when; then a no is taken; then for a yes: whether there can be one, whether it was all shown,
//! how it was given and from which device, the code, and how far it reaches.
//!
//! A reaction is never encrypted, so a homeserver can invent one. So it is a yes only where policy says that this is
//! enough, or the operator that the homeserver is his own. A no by reaction is taken from whoever seems to be an owner:
//! a forged one stops what was to happen and does nothing else, which a homeserver that does not deliver can do anyway.

use matrix_sdk::ruma::{EventId, OwnedUserId, UserId};
use testudo::approval::Scope;
use testudo::verdict::Weight;

use super::answer::{Answer, Reach, Yes};
use super::code::Code;
use super::prompt::Prompt;
use super::refusal::Refusal;
use crate::authorship::Standing;
use crate::controls::Controls;
use crate::incoming::{Content, Incoming, Origin, Trust};

/// How far the clocks of the homeserver and of this machine may be apart, in milliseconds. Nothing but the order of
/// events hangs on it: what is over is over by the clock of this machine.
const SKEW_MS: u64 = 10 * 60 * 1000;

/// What somebody did about a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// Where it came from.
    pub origin: &'a Origin,
    /// What it is.
    pub deed: Deed<'a>,
    /// Whether this person took a reaction to this prompt back before.
    pub was_taken_back: bool,
}

/// Something that could be an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed<'a> {
    /// A reaction.
    Reaction {
        /// To what.
        target: &'a EventId,
        /// With what.
        sign: Sign,
        /// Whether it is exactly one of those that a prompt is seeded with.
        is_seed: bool,
    },
    /// Words; none of an answer when they only reply to a prompt.
    Words {
        /// What they say.
        answer: Option<Answer>,
        /// What they reply to.
        reply_to: Option<&'a EventId>,
    },
    /// Words that replace others.
    Edited {
        /// What they say.
        answer: Answer,
    },
}

/// What a reaction says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Yes, once.
    Once,
    /// Yes, for this session.
    Session,
    /// No.
    No,
}

impl Sign {
    /// The reactions that a prompt is seeded with.
    pub const SEEDS: [(Self, &'static str); 3] =
        [(Self::Once, "✅"), (Self::Session, "🔁"), (Self::No, "❌")];

    /// As it stands in transaction ids.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::No => "no",
        }
    }

    /// What a reaction says; most say nothing. A variation selector behind the character makes no difference.
    pub fn of(key: &str) -> Option<Self> {
        match key.trim_end_matches('\u{fe0f}') {
            "✅" | "✔" | "☑" | "👍" => Some(Self::Once),
            "🔁" => Some(Self::Session),
            "❌" | "✖" | "👎" | "🚫" | "⛔" => Some(Self::No),
            _ => None,
        }
    }
}

impl<'a> Attempt<'a> {
    /// What an event could be about a prompt; none for what can be no answer, whatever it is about.
    pub fn of(incoming: &'a Incoming) -> Option<Self> {
        let origin = incoming.origin();
        let deed = match incoming {
            Incoming::Reaction { target, key, .. } => {
                let is_seed = Sign::SEEDS.iter().any(|(_, seed)| seed == key);
                Deed::Reaction { target, sign: Sign::of(key)?, is_seed }
            }
            // For clients that know no edits its text begins with a star.
            Incoming::Edit { text, .. } => {
                Deed::Edited { answer: super::answer::parse(text.trim_start().trim_start_matches("* "))? }
            }
            Incoming::Message(message) => {
                let answer = match &message.content {
                    Content::Text(text) => super::answer::parse(text),
                    Content::File { .. } | Content::Other(_) => None,
                };
                let reply_to = message.reply_to.as_deref();
                if answer.is_none() && reply_to.is_none() {
                    return None;
                }
                Deed::Words { answer, reply_to }
            }
            Incoming::Redaction { .. } | Incoming::Undecryptable { .. } | Incoming::Member { .. } => {
                return None;
            }
        };
        Some(Self { origin, deed, was_taken_back: false })
    }

    /// What it is given to.
    pub fn target(&self) -> Option<&'a EventId> {
        match &self.deed {
            Deed::Reaction { target, .. } => Some(target),
            Deed::Words { reply_to, .. } => *reply_to,
            Deed::Edited { .. } => None,
        }
    }

    /// The code that it gives.
    pub fn code(&self) -> Option<&Code> {
        match self.answer()? {
            Answer::Yes(yes) => Some(&yes.code),
            Answer::No(no) => no.code.as_ref(),
        }
    }

    /// The approval that it names.
    pub fn id(&self) -> Option<&str> {
        match self.answer()? {
            Answer::Yes(yes) => yes.id.as_deref(),
            Answer::No(no) => no.id.as_deref(),
        }
    }

    /// What its words say.
    pub const fn answer(&self) -> Option<&Answer> {
        match &self.deed {
            Deed::Words { answer: Some(answer), .. } | Deed::Edited { answer } => Some(answer),
            Deed::Words { answer: None, .. } | Deed::Reaction { .. } => None,
        }
    }
}

/// What becomes of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It is a yes, to be handed to `policyd`.
    Yes {
        /// How heavy it is.
        manner: Weight,
        /// What was said; a reaction has no code, and says no more than how far it reaches.
        reach: Reach,
        /// For a plan: the steps that are meant.
        steps: Option<String>,
        /// A one-time code.
        otp: Option<super::answer::Otp>,
        /// What was typed beside; `policyd` compares it.
        phrase: Option<String>,
    },
    /// It is a no, to be handed to `policyd`.
    No {
        /// Why; may be empty.
        reason: String,
    },
    /// It has no effect, and who gave it is told why.
    Refused(Refusal),
    /// It is our own, and means nothing.
    Ours,
}

/// What answers are measured by, beside the prompt.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Our own user id.
    pub own: OwnedUserId,
    /// Whether the homeserver is the owner's own.
    pub trust_homeserver: bool,
    /// Which checks are in force.
    pub controls: Controls,
}

impl Judge {
    /// Whether an answer to a prompt counts. `standing` is who its sender is, `now_ms` milliseconds since 1970.
    pub fn judge(
        &self,
        prompt: &Prompt,
        attempt: &Attempt<'_>,
        standing: Standing,
        now_ms: u64,
    ) -> Judgement {
        if self.controls.sender && self.is_own(&attempt.origin.sender) {
            return Judgement::Ours;
        }
        match self.weigh(prompt, attempt, standing, now_ms) {
            Ok(judgement) => judgement,
            Err(refusal) => Judgement::Refused(refusal),
        }
    }

    /// Whether it is ourselves.
    pub fn is_own(&self, user: &UserId) -> bool {
        self.own == *user
    }

    fn weigh(
        &self,
        prompt: &Prompt,
        attempt: &Attempt<'_>,
        standing: Standing,
        now_ms: u64,
    ) -> Result<Judgement, Refusal> {
        let controls = self.controls;
        demand(!controls.sender || standing == Standing::Owner, Refusal::Sender)?;
        demand(!controls.place || attempt.origin.room == prompt.place.room, Refusal::Place)?;
        let is_it = attempt
            .target()
            .map_or(!matches!(attempt.deed, Deed::Reaction { .. }), |target| prompt.is(target));
        demand(!controls.target || is_it, Refusal::Target)?;
        if controls.freshness {
            fresh(prompt, attempt, now_ms)?;
        }
        match &attempt.deed {
            Deed::Reaction { sign: Sign::No, .. } => Ok(Judgement::No { reason: String::new() }),
            Deed::Reaction { sign, .. } => self.reaction(prompt, *sign),
            Deed::Words { answer: None, .. } => Err(Refusal::Words),
            Deed::Words { answer: Some(answer), .. } | Deed::Edited { answer } => {
                self.proved(&attempt.origin.trust)?;
                match answer {
                    Answer::Yes(yes) => self.words(prompt, yes),
                    Answer::No(no) => {
                        let is_right = no.code.as_ref().is_none_or(|code| *code == prompt.code);
                        demand(!controls.code || is_right, Refusal::Code)?;
                        Ok(Judgement::No { reason: no.reason.clone() })
                    }
                }
            }
        }
    }

    /// Whether it is proved that words came from a device of who seems to have sent them.
    fn proved(&self, trust: &Trust) -> Result<(), Refusal> {
        match trust {
            Trust::Verified(_) => Ok(()),
            Trust::Plain => demand(!self.controls.encryption, Refusal::Plain),
            Trust::Unverified(_) | Trust::CrossSigned(_) => demand(!self.controls.device, Refusal::Device),
        }
    }

    fn reaction(&self, prompt: &Prompt, sign: Sign) -> Result<Judgement, Refusal> {
        possible(prompt)?;
        // What changes the policy is not the homeserver's to answer, whosever it is.
        let is_vouched = self.trust_homeserver && prompt.approve_by <= Weight::Reply && !prompt.is_amendment;
        demand(!self.controls.weight || prompt.light || is_vouched, Refusal::Weight(prompt.approve_by))?;
        // It is told as what it is: what a reaction weighs where the operator vouches for the homeserver is for policyd to
        // say. Without the control a reaction passes for words, which is the attack.
        let manner = if self.controls.weight || prompt.light { Weight::Reaction } else { Weight::Reply };
        let reach = if sign == Sign::Session { Reach::Session } else { Reach::Once };
        reaches(prompt, &reach)?;
        Ok(Judgement::Yes { manner, reach, steps: None, otp: None, phrase: None })
    }

    fn words(&self, prompt: &Prompt, yes: &Yes) -> Result<Judgement, Refusal> {
        possible(prompt)?;
        demand(!self.controls.code || yes.code == prompt.code, Refusal::Code)?;
        demand(prompt.approve_by != Weight::Local, Refusal::Local)?;
        demand(prompt.approve_by != Weight::Otp || yes.otp.is_some(), Refusal::Otp)?;
        demand(prompt.is_plan || yes.steps.is_none(), Refusal::Steps)?;
        reaches(prompt, &yes.reach)?;
        let manner = if yes.otp.is_some() { Weight::Otp } else { Weight::Reply };
        Ok(Judgement::Yes {
            manner,
            reach: yes.reach.clone(),
            steps: yes.steps.clone(),
            otp: yes.otp.clone(),
            phrase: yes.phrase.clone(),
        })
    }
}

/// Whether an answer comes while the question is open, and is new.
fn fresh(prompt: &Prompt, attempt: &Attempt<'_>, now_ms: u64) -> Result<(), Refusal> {
    prompt.end.map_or(Ok(()), |end| Err(Refusal::Ended(end)))?;
    demand(now_ms < prompt.expires_ms, Refusal::Expired)?;
    // What is asked in the future was asked before our clock was put back.
    let asked_ms = prompt.asked_ms.min(now_ms);
    demand(attempt.origin.sent_ms.saturating_add(SKEW_MS) >= asked_ms, Refusal::Older)?;
    demand(!matches!(attempt.deed, Deed::Edited { .. }), Refusal::Edited)?;
    let is_again = attempt.was_taken_back && matches!(attempt.deed, Deed::Reaction { .. });
    demand(!is_again, Refusal::TakenBack)
}

/// Whether there can be a yes now: `policyd` refuses one to what was not seen whole, too.
fn possible(prompt: &Prompt) -> Result<(), Refusal> {
    demand(prompt.approvable, Refusal::NotApprovable)?;
    demand(prompt.is_shown(), Refusal::NotShown)
}

fn reaches(prompt: &Prompt, reach: &Reach) -> Result<(), Refusal> {
    let scope = reach.scope();
    demand(scope == Scope::Once || prompt.scopes.contains(&scope), Refusal::Reach)
}

const fn demand(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

#[cfg(test)]
pub(crate) mod tests;

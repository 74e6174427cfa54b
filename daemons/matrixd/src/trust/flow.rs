//! One verification by emoji, as far as it has come: the pure half.
//!
//! ```text
//!  requested ─accept─▶ ready ─▶ started ─▶ accepted ─▶ keys-exchanged ─confirm─▶ confirmed ─▶ done
//!  created ────────────▲            any of them ─▶ cancelled | mismatched
//! ```
//! Nothing is accepted or confirmed but by an operator, and confirmed only what he was shown: when the other side
//! begins anew with other keys, he is shown the emoji of these first. What is over stays over.

use serde::Serialize;
use thiserror::Error;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// They ask; an operator must accept.
    Requested,
    /// We asked; they must accept.
    Created,
    /// Both are willing.
    Ready,
    /// One side began.
    Started,
    /// The other side agreed to it.
    Accepted,
    /// Both sides can show the same seven emoji.
    KeysExchanged,
    /// We said that they are the same.
    Confirmed,
    /// Both did.
    Done,
    /// It ended without a result.
    Cancelled,
    /// It ended because the emoji differ: somebody may sit in between.
    Mismatched,
}

impl State {
    /// Whether nothing can happen any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Mismatched)
    }
}

/// What both sides compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Short {
    /// Seven of them; none when the other side can only do numbers.
    pub emojis: Vec<Emoji>,
    /// Three numbers that say the same.
    pub decimals: [u16; 3],
}

/// A picture and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Emoji {
    /// The picture.
    pub symbol: String,
    /// Its name in English.
    pub name: String,
}

/// What was seen to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Both are willing.
    Ready,
    /// One side began.
    Started,
    /// The other side agreed.
    Accepted,
    /// The keys are exchanged.
    Keys(Short),
    /// Ours was sent.
    Confirmed,
    /// It succeeded.
    Done {
        /// Whether the user himself is verified by it, not only a device of his.
        identity: bool,
    },
    /// It ended.
    Ended {
        /// Whether the emoji were said to differ.
        mismatch: bool,
        /// By whom and why, in words.
        why: String,
    },
}

/// What an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To begin.
    Accept,
    /// To see the emoji.
    Show,
    /// To say that they are the same.
    Confirm,
    /// To say that they differ, or to end it.
    Refuse,
}

/// Why he cannot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is over; another one must be begun.
    #[error("{id} is over: {why}")]
    Over {
        /// Which.
        id: String,
        /// How it ended.
        why: String,
    },
    /// Not yet, or not any more.
    #[error("cannot {wish} {id}: {why}")]
    Untimely {
        /// Which.
        id: String,
        /// What was wanted.
        wish: &'static str,
        /// What is missing.
        why: &'static str,
    },
}

/// One verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Its name here, such as `v-1`.
    pub id: String,
    /// Who it is with.
    pub user: String,
    /// With which device of his, where that is known.
    pub device: Option<String>,
    /// Whether we asked.
    pub ours: bool,
    /// How far it has come.
    pub state: State,
    /// Whether the user himself was verified; none until it is done.
    pub identity: Option<bool>,
    /// How it ended.
    pub why: Option<String>,
    /// When it began, in seconds since 1970.
    pub since: i64,
    #[serde(skip)]
    accepted: bool,
    #[serde(skip)]
    short: Option<Short>,
    #[serde(skip)]
    shown: Option<Short>,
}

impl Flow {
    /// One that begins now.
    pub fn new(id: String, user: String, device: Option<String>, ours: bool, since: i64) -> Self {
        let state = if ours { State::Created } else { State::Requested };
        let (identity, why, short, shown) = (None, None, None, None);
        Self { id, user, device, ours, state, identity, why, since, accepted: ours, short, shown }
    }

    /// Whether our side of the protocol may go on by itself.
    pub const fn may_proceed(&self) -> bool {
        self.accepted && !self.state.is_over()
    }

    /// What can be shown.
    pub const fn short(&self) -> Option<&Short> {
        self.short.as_ref()
    }

    /// Takes in what happened. What comes late changes nothing.
    pub fn observe(&mut self, seen: Seen) {
        if self.state.is_over() {
            return;
        }
        match seen {
            Seen::Ready if matches!(self.state, State::Requested | State::Created) => {
                self.state = State::Ready;
            }
            // The other side may begin anew until we confirmed; what nobody accepted stays a request.
            Seen::Started if self.state != State::Confirmed => {
                self.state = if self.accepted { State::Started } else { State::Requested };
                self.short = None;
            }
            Seen::Accepted if self.short.is_none() => self.state = State::Accepted,
            Seen::Keys(short) if self.state != State::Confirmed => {
                self.state = State::KeysExchanged;
                self.short = Some(short);
            }
            // Only after our own word for it.
            Seen::Done { identity } if self.state == State::Confirmed => {
                self.state = State::Done;
                self.identity = Some(identity);
                let what = if identity { "the user is verified" } else { "only the device is verified" };
                self.why = Some(what.to_owned());
            }
            Seen::Ended { mismatch, why } => {
                self.state = if mismatch { State::Mismatched } else { State::Cancelled };
                self.why = Some(why);
            }
            Seen::Confirmed if self.state == State::KeysExchanged => self.state = State::Confirmed,
            _ => {}
        }
    }

    /// Whether an operator may do this now; when he may, it counts as done.
    ///
    /// # Errors
    /// When it is over, or not the time for it.
    pub fn wish(&mut self, wish: Wish) -> Result<(), Refusal> {
        if self.state.is_over() {
            let why = self.why.clone().unwrap_or_default();
            return Err(Refusal::Over { id: self.id.clone(), why });
        }
        let untimely = |wish, why| Err(Refusal::Untimely { id: self.id.clone(), wish, why });
        match wish {
            Wish::Accept if self.accepted => untimely("accept", "it is accepted already"),
            Wish::Accept => {
                self.accepted = true;
                Ok(())
            }
            Wish::Show if !self.accepted => untimely("show the emoji of", "accept it first"),
            Wish::Show => {
                self.shown = self.short.clone();
                Ok(())
            }
            Wish::Confirm if self.state == State::Confirmed => untimely("confirm", "it is confirmed already"),
            Wish::Confirm if self.state != State::KeysExchanged => {
                untimely("confirm", "there is nothing to compare yet")
            }
            Wish::Confirm if self.shown.is_none() || self.shown != self.short => {
                untimely("confirm", "nobody has seen its emoji; look at them first")
            }
            Wish::Confirm | Wish::Refuse => Ok(()),
        }
    }

    /// Whether somebody looked at what is to be compared now.
    pub fn is_shown(&self) -> bool {
        self.shown.is_some() && self.shown == self.short
    }
}

#[cfg(test)]
mod tests;

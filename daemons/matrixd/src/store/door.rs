//! Who may have how much waiting, and how long an event is known for one that was heard already: pure rules.

use crate::authorship::Standing;
use crate::incoming::{Incoming, Message};

/// Most events that wait at one time; when even owners filled it, the sync waits.
pub(super) const MOST_WAITING: u64 = 20_000;
/// Most of them of people who are no owners, so that there is always room for an owner's word.
const MOST_OF_OTHERS: u64 = 15_000;
/// Most of one person who is no owner.
const MOST_OF_ONE: u64 = 2_000;
/// Most of one stranger: he can only be refused.
const MOST_OF_STRANGER: u64 = 20;

/// How long an event is known, in milliseconds: thirty days.
pub(super) const KNOWN_FOR_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// How many are known at most; of more the oldest are forgotten.
pub(super) const MOST_KNOWN: u64 = 100_000;

/// What the door says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It waits for its turn.
    Enters,
    /// It is nothing that anybody here would hear.
    Unheard,
    /// Its sender, or all who are no owners, have too much waiting: it is lost.
    Crowded,
    /// There is no room for anything: the homeserver is to keep it.
    Full,
}

/// Whether an event enters while `of_sender` of its sender and `all` of everybody wait.
pub(super) fn admit(incoming: &Incoming, standing: Standing, of_sender: u64, all: u64) -> Admission {
    let stranger = standing == Standing::Stranger;
    if stranger && !may_answer_wrongly(incoming) {
        return Admission::Unheard;
    }
    if standing == Standing::Owner {
        return if all < MOST_WAITING { Admission::Enters } else { Admission::Full };
    }
    let most_of_one = if stranger { MOST_OF_STRANGER } else { MOST_OF_ONE };
    if of_sender < most_of_one && all < MOST_OF_OTHERS { Admission::Enters } else { Admission::Crowded }
}

/// Whether a stranger's event could be an attempt to answer a question, which is refused and recorded.
const fn may_answer_wrongly(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Reaction { .. } | Incoming::Message(Message { reply_to: Some(_), .. }))
}

/// Which events are still known: those seen after the returned time, of which the newest [`MOST_KNOWN`].
pub(super) const fn known_since(now_ms: i64) -> i64 {
    now_ms.saturating_sub(KNOWN_FOR_MS)
}

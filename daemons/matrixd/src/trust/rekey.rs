//! What to do about the store's key file at a start: the pure half of changing the credential that opens it.
//!
//! ```text
//!   nothing ──▶ write pending ──▶ promote ──▶ use          a first start
//!   file fits the previous credential ──▶ write pending ──▶ promote ──▶ use
//! ```
//! A step is done, what is there is looked at again, and the next step follows from that alone. So a start that was
//! killed anywhere is continued by the next one, and a state from which nothing can be continued is refused by name.

/// Which of the two credentials opens a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fits {
    /// The one in force.
    Current,
    /// The one that was in force before.
    Previous,
    /// Neither: another one, or the file is damaged or was not written to its end.
    Neither,
    /// There is no such file.
    Absent,
}

/// What lies in the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The key file.
    pub key: Fits,
    /// The file that is to replace it.
    pub pending: Fits,
    /// Whether both say that they hold the same key.
    pub same: bool,
    /// Whether there is something that only that key opens.
    pub stored: bool,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The key file is as it should be.
    Use,
    /// A new key is made and written as pending.
    Make,
    /// The key is written as pending, under the credential in force.
    Rewrap,
    /// The pending file takes the place of the key file.
    Promote,
    /// The pending file is a leftover and goes.
    Drop,
    /// Nothing may be done by itself.
    Refuse(Refusal),
}

/// Why a start is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Neither credential opens the key file.
    Wrong,
    /// There is a store and no key file.
    Missing,
}

/// The next step from what was found.
pub const fn next(found: Found) -> Step {
    match (found.key, found.pending) {
        (Fits::Current, Fits::Absent) => Step::Use,
        (Fits::Current, _) => Step::Drop,
        (Fits::Previous | Fits::Neither, Fits::Current) if found.same => Step::Promote,
        (Fits::Previous, _) => Step::Rewrap,
        (Fits::Neither, _) => Step::Refuse(Refusal::Wrong),
        // Without a key file nothing vouches for a pending one, but then nothing was stored with it either.
        (Fits::Absent, _) if found.stored => Step::Refuse(Refusal::Missing),
        (Fits::Absent, Fits::Current) => Step::Promote,
        (Fits::Absent, _) => Step::Make,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Fits; 4] = [Fits::Current, Fits::Previous, Fits::Neither, Fits::Absent];

    /// What is there after a step was done.
    fn after(found: Found, step: Step) -> Found {
        match step {
            Step::Make | Step::Rewrap => Found { pending: Fits::Current, same: true, ..found },
            Step::Promote => Found { key: Fits::Current, pending: Fits::Absent, ..found },
            Step::Drop => Found { pending: Fits::Absent, ..found },
            Step::Use | Step::Refuse(_) => found,
        }
    }

    #[test]
    fn every_state_ends_in_use_or_in_a_refusal() {
        for key in ALL {
            for pending in ALL {
                for (same, stored) in [(false, false), (false, true), (true, false), (true, true)] {
                    let mut found = Found { key, pending, same, stored };
                    let mut steps = Vec::new();
                    loop {
                        let step = next(found);
                        steps.push(step);
                        if matches!(step, Step::Use | Step::Refuse(_)) {
                            break;
                        }
                        found = after(found, step);
                        assert!(steps.len() < 4, "{steps:?}");
                    }
                    let made = steps.contains(&Step::Make);
                    assert!(!(made && stored), "a new key over an old store: {key:?} {pending:?}");
                    assert!(!(made && key != Fits::Absent), "a new key over an old one: {key:?} {pending:?}");
                    let opens = key == Fits::Current || key == Fits::Previous;
                    assert!(!opens || steps.last() == Some(&Step::Use), "{key:?} {pending:?} {steps:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_pending_is_promoted_over_a_key_only_when_it_is_the_same() {
        let found = Found { key: Fits::Neither, pending: Fits::Current, same: false, stored: true };
        assert_eq!(next(found), Step::Refuse(Refusal::Wrong));
        assert_eq!(next(Found { same: true, ..found }), Step::Promote);
        let found = Found { key: Fits::Previous, pending: Fits::Current, same: false, stored: true };
        assert_eq!(next(found), Step::Rewrap);
    }
}

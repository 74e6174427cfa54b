//! What must be done so that people's clients trust this device: the pure half of a start.
//!
//! The homeserver says what the account has, the store says what this device has, and the next step follows. A device
//! that lost its store comes back by the recovery key of its credentials; without one it waits for an operator, since
//! a new identity in its place would look to everybody like an attack.

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent answer of the homeserver or of the store"
)]
pub struct Found {
    /// The account has a cross-signing identity.
    pub identity: bool,
    /// This device holds its private keys.
    pub keys: bool,
    /// This device is signed by it.
    pub signed: bool,
    /// The account has secret storage, which a recovery key opens.
    pub storage: bool,
    /// This device uploads room keys to the account's backup.
    pub backup: bool,
    /// A recovery key is among the credentials, and was not tried in vain.
    pub credential: bool,
    /// A change of the recovery key was begun and not ended.
    pub unsettled: bool,
}

/// The next thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything is as it should be.
    Rest,
    /// Makes the account's identity.
    Bootstrap,
    /// Fetches the identity's keys with the recovery key of the credentials.
    Recover,
    /// Signs this device with the keys that are here.
    Sign,
    /// Makes the recovery key, and the backup with it.
    Enable,
    /// Continues a change of the recovery key.
    Continue,
    /// Connects to the backup or makes one.
    Backup,
    /// Waits for an operator with the recovery key.
    Wait,
}

/// The next step from what was found.
pub const fn next(found: Found) -> Step {
    if !found.identity {
        return Step::Bootstrap;
    }
    if !found.keys {
        return if found.credential && found.storage { Step::Recover } else { Step::Wait };
    }
    if !found.signed {
        return Step::Sign;
    }
    if found.unsettled {
        return Step::Continue;
    }
    if !found.storage {
        return Step::Enable;
    }
    if !found.backup {
        return if found.credential { Step::Recover } else { Step::Backup };
    }
    Step::Rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every() -> impl Iterator<Item = Found> {
        (0..128_u8).map(|bits| {
            let bit = |n: u8| bits & (1 << n) != 0;
            Found {
                identity: bit(0),
                keys: bit(1),
                signed: bit(2),
                storage: bit(3),
                backup: bit(4),
                credential: bit(5),
                unsettled: bit(6),
            }
        })
    }

    /// What is there after a step that did what it says.
    fn after(found: Found, step: Step) -> Found {
        match step {
            Step::Bootstrap => Found { identity: true, keys: true, signed: true, ..found },
            Step::Recover => Found { keys: true, signed: true, backup: true, credential: false, ..found },
            Step::Sign => Found { signed: true, ..found },
            Step::Enable => Found { storage: true, backup: true, unsettled: false, ..found },
            Step::Continue => Found { storage: true, unsettled: false, ..found },
            Step::Backup => Found { backup: true, ..found },
            Step::Rest | Step::Wait => found,
        }
    }

    #[test]
    fn every_state_comes_to_rest_or_waits_for_the_key() {
        for start in every() {
            let (mut found, mut steps) = (start, Vec::new());
            loop {
                let step = next(found);
                steps.push(step);
                if matches!(step, Step::Rest | Step::Wait) {
                    break;
                }
                found = after(found, step);
                assert!(steps.len() < 8, "{start:?}: {steps:?}");
            }
            let lost = start.identity && !start.keys && !(start.credential && start.storage);
            assert_eq!(steps.last() == Some(&Step::Wait), lost, "{start:?}: {steps:?}");
            assert!(
                !(steps.contains(&Step::Bootstrap) && start.identity),
                "an identity is never replaced: {start:?}"
            );
        }
    }
}

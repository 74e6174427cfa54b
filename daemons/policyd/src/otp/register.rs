//! What is remembered about codes, in the ledger: the last one used, failures, the lock, and who has enrolled.

use rusqlite::params;

use super::{Check, Code, Secret, check};
use crate::ledger::{Ledger, LedgerError};

/// Wrong codes in a row that lock.
const MOST_FAILURES: i64 = 5;
/// For how long, in milliseconds.
const LOCK_MS: i64 = 15 * 60_000;

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a code that nobody looks at proves nothing"]
pub enum Spent {
    /// It was right, and is used up.
    Accepted,
    /// It was used before.
    Used,
    /// It was wrong.
    Wrong,
    /// It was wrong, and no code is taken now for a while.
    LockedNow,
    /// No code is taken now.
    Locked,
}

impl Ledger {
    /// Uses a code up.
    ///
    /// # Errors
    /// The database's: then it proves nothing.
    pub fn spend(&self, secret: &Secret, code: &Code, now_ms: i64) -> Result<Spent, LedgerError> {
        let transaction = self.database.unchecked_transaction()?;
        // Writing first takes the lock, so that two at a time cannot both read the same last step.
        transaction.execute("UPDATE otp SET failures = failures", [])?;
        let (last, failures, locked): (i64, i64, i64) =
            transaction.query_row("SELECT last_step, failures, locked_until_ms FROM otp", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        if self.controls.otp_lockout && now_ms < locked {
            return Ok(Spent::Locked);
        }
        let last = if self.controls.otp_single_use { last } else { -1 };
        let spent = match check(secret, code, now_ms, last) {
            Check::Right(step) => {
                transaction.execute("UPDATE otp SET last_step = ?1, failures = 0", [step])?;
                Spent::Accepted
            }
            // It proves that somebody saw a code, which is no guess.
            Check::Used => Spent::Used,
            Check::Wrong if failures + 1 >= MOST_FAILURES => {
                let until = now_ms.saturating_add(LOCK_MS);
                transaction.execute("UPDATE otp SET failures = 0, locked_until_ms = ?1", [until])?;
                Spent::LockedNow
            }
            Check::Wrong => {
                transaction.execute("UPDATE otp SET failures = failures + 1", [])?;
                Spent::Wrong
            }
        };
        transaction.commit()?;
        Ok(spent)
    }

    /// Whether this secret was given out already.
    ///
    /// # Errors
    /// The database's.
    pub fn is_enrolled(&self, fingerprint: &str) -> Result<bool, LedgerError> {
        let enrolled: Option<String> =
            self.database.query_row("SELECT enrolled FROM otp", [], |row| row.get(0))?;
        Ok(enrolled.as_deref() == Some(fingerprint))
    }

    /// Notes that this secret is given out now. False when it was before.
    ///
    /// # Errors
    /// The database's.
    pub fn enrol(&self, fingerprint: &str) -> Result<bool, LedgerError> {
        let changed = self
            .database
            .execute("UPDATE otp SET enrolled = ?1 WHERE enrolled IS NOT ?1", params![fingerprint])?;
        Ok(changed == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{STEP_MS, at};
    use super::*;
    use crate::controls::Controls;

    const NOW: i64 = 1_700_000_000_000;

    fn secret() -> Secret {
        Secret::from_text(b"12345678901234567890").unwrap()
    }

    fn right(now_ms: i64) -> Code {
        Code(at(&secret(), now_ms / STEP_MS))
    }

    fn wrong(now_ms: i64) -> Code {
        Code((at(&secret(), now_ms / STEP_MS) + 1) % 1_000_000)
    }

    #[test]
    fn a_code_works_once_and_a_restart_does_not_forget_it() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
        assert_eq!(open().spend(&secret(), &right(NOW), NOW).unwrap(), Spent::Accepted);
        assert_eq!(open().spend(&secret(), &right(NOW), NOW).unwrap(), Spent::Used);
        let later = NOW + STEP_MS;
        assert_eq!(open().spend(&secret(), &right(NOW), later).unwrap(), Spent::Used);
        assert_eq!(open().spend(&secret(), &right(later), later).unwrap(), Spent::Accepted);
    }

    #[test]
    fn five_wrong_codes_lock_for_a_quarter_of_an_hour() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
        for _ in 0..4 {
            assert_eq!(open().spend(&secret(), &wrong(NOW), NOW).unwrap(), Spent::Wrong);
        }
        assert_eq!(open().spend(&secret(), &wrong(NOW), NOW).unwrap(), Spent::LockedNow);
        assert_eq!(open().spend(&secret(), &right(NOW), NOW).unwrap(), Spent::Locked);
        let end = NOW + LOCK_MS;
        assert_eq!(open().spend(&secret(), &right(end - 1), end - 1).unwrap(), Spent::Locked);
        assert_eq!(open().spend(&secret(), &right(end), end).unwrap(), Spent::Accepted);
    }

    #[test]
    fn a_right_code_ends_the_count() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
        for round in 0..3 {
            let now = NOW + round * 10 * STEP_MS;
            for _ in 0..4 {
                assert_eq!(ledger.spend(&secret(), &wrong(now), now).unwrap(), Spent::Wrong);
            }
            assert_eq!(ledger.spend(&secret(), &right(now), now).unwrap(), Spent::Accepted);
        }
    }

    #[test]
    fn a_secret_is_given_out_once() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("l.db"), Controls::all()).unwrap();
        assert!(!ledger.is_enrolled("a").unwrap());
        assert!(ledger.enrol("a").unwrap());
        assert!(!ledger.enrol("a").unwrap());
        assert!(ledger.is_enrolled("a").unwrap());
        assert!(ledger.enrol("b").unwrap(), "another credential");
    }
}

//! How often one call has asked, and what a person said no to: pure.
//!
//! A program that is told no could ask for the next path, and the next, until a person is tired of it. So a no is for the
//! whole place, and one call has a number of questions.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gate::{Reason, Turned};

/// Most questions of one call.
pub(super) const MOST: usize = 5;

/// The questions of one call.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Sheet>);

#[derive(Debug, Default)]
struct Sheet {
    asked: usize,
    /// It wanted to ask once more than it may.
    over: bool,
    /// By place, what was said.
    refused: BTreeMap<String, String>,
}

impl Tally {
    /// Whether it makes sense to have a wish for a place decided, one that was not decided with the call. What is
    /// `known` already needs no question.
    ///
    /// # Errors
    /// [`Reason::Denied`] after a no to this place, or after too many questions: the questions that come are not
    /// even put to the policy then, because each of them would be shown to somebody for a moment.
    pub(super) fn may_want(&self, place: &str, known: bool) -> Result<(), Turned> {
        let sheet = self.lock();
        if let Some(said) = sheet.refused.get(place) {
            let sentence = format!("{place} is refused for the rest of this call: {said}");
            return Err(Turned::new(Reason::Denied, sentence));
        }
        if sheet.over && !known { Err(too_many()) } else { Ok(()) }
    }

    /// Counts a question about a place; none for what was decided with the call.
    ///
    /// # Errors
    /// When it must not be asked.
    pub(super) fn ask(&self, place: Option<&str>) -> Result<(), Turned> {
        if let Some(place) = place {
            self.may_want(place, false)?;
        }
        let mut sheet = self.lock();
        if sheet.asked >= MOST {
            sheet.over = true;
            return Err(too_many());
        }
        sheet.asked += 1;
        Ok(())
    }

    /// A person said no to this place.
    pub(super) fn refuse(&self, place: &str, said: &str) {
        self.lock().refused.entry(place.to_owned()).or_insert_with(|| said.to_owned());
    }

    /// Nothing that holds the lock can panic, so a poisoned one still guards a whole sheet.
    fn lock(&self) -> MutexGuard<'_, Sheet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many() -> Turned {
    let sentence = format!("this call has asked {MOST} questions already, and asks no more");
    Turned::new(Reason::Denied, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_no_is_for_the_place_and_whatever_is_asked_there() {
        let tally = Tally::default();
        assert!(tally.ask(Some("a.example:443")).is_ok());
        tally.refuse("a.example:443", "a person denied this connection: not today");
        tally.refuse("a.example:443", "later");
        let said = tally.may_want("a.example:443", true).unwrap_err();
        assert_eq!(said.reason, Reason::Denied);
        assert!(said.sentence.contains("not today"), "{said}");
        assert!(tally.ask(Some("a.example:443")).is_err());
        for other in ["a.example:80", "b.example:443"] {
            assert!(tally.may_want(other, false).is_ok(), "{other}");
        }
    }

    #[test]
    fn one_call_has_a_number_of_questions() {
        let tally = Tally::default();
        for number in 0..MOST {
            let place = format!("{number}.example:443");
            assert!(tally.may_want(&place, false).is_ok() && tally.ask(Some(&place)).is_ok(), "{number}");
        }
        assert!(
            tally.may_want("x.example:443", false).is_ok(),
            "nothing says yet that it would be asked about"
        );
        let said = tally.ask(Some("x.example:443")).unwrap_err();
        assert!(said.sentence.contains("5 questions"), "{said}");
        assert!(tally.may_want("y.example:443", false).is_err());
        assert!(tally.may_want("0.example:443", true).is_ok(), "a yes holds");
        assert!(tally.ask(None).is_err());
    }
}

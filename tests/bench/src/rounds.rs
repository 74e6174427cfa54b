//! Taking turns: in each round every subject runs once, so that noise of the machine hits all of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Rounds before the measured ones, in which caches fill and sandboxes start.
const WARM_UP: u16 = 10;

/// Something that is done once in a round.
pub(crate) struct Subject<'s> {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// The subject that it is compared with.
    pub(crate) rival: Option<&'static str>,
    /// Does it once, and fails unless it had its effect.
    pub(crate) once: Box<dyn FnMut() -> Result<()> + 's>,
}

impl<'s> Subject<'s> {
    /// Something to do, compared with nothing.
    pub(crate) fn new(name: &'static str, once: impl FnMut() -> Result<()> + 's) -> Self {
        Self { name, rival: None, once: Box::new(once) }
    }

    /// Names the subject to compare it with.
    pub(crate) fn beside(self, rival: &'static str) -> Self {
        Self { rival: Some(rival), ..self }
    }
}

/// The series of each subject, in their order.
///
/// # Errors
/// As soon as one subject fails.
pub(crate) fn take_turns(subjects: &mut [Subject<'_>], rounds: u16) -> Result<Vec<Vec<Duration>>> {
    let mut series = vec![Vec::with_capacity(usize::from(rounds)); subjects.len()];
    for round in 0..WARM_UP + rounds {
        for (subject, series) in subjects.iter_mut().zip(&mut series) {
            let began = Instant::now();
            (subject.once)().with_context(|| format!("cannot measure {}", subject.name))?;
            let took = began.elapsed();
            if round >= WARM_UP {
                series.push(took);
            }
        }
    }
    Ok(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_take_turns_and_the_first_rounds_do_not_count() {
        let order = std::cell::RefCell::new(String::new());
        let says = |letter| {
            let order = &order;
            move || {
                order.borrow_mut().push(letter);
                Ok(())
            }
        };
        let mut subjects = [Subject::new("a", says('a')), Subject::new("b", says('b')).beside("a")];
        let series = take_turns(&mut subjects, 2).unwrap();
        assert_eq!(series.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        drop(subjects);
        assert_eq!(order.into_inner(), "ab".repeat(12));
    }

    #[test]
    fn a_subject_that_fails_is_named() {
        let mut subjects = [Subject::new("a", || anyhow::bail!("no"))];
        assert_eq!(format!("{:#}", take_turns(&mut subjects, 1).unwrap_err()), "cannot measure a: no");
    }
}

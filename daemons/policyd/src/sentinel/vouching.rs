//! What the owner vouches for: something that the judges of one session shall know, such as who somebody is.
//!
//! It is context and never a permission: no rule is switched off and no question goes away. It is in the record, as its
//! digest and length, before a judge is shown it, and it survives a restart. Verdicts from before are not used any more.

use testudo::canonical;
use testudo::fault::Fault;
use testudo::record::Entry;

use super::chunks::quote;
use super::log::WORDS;
use super::switches::{broken, check_session};
use crate::desk::Desk;

/// Most bytes of it as a judge is shown it: so many characters that can be seen never need more.
const WRITTEN: usize = 4 * WORDS;

impl Desk {
    /// Tells the judges of a session what somebody vouches for.
    ///
    /// # Errors
    /// When it is nothing or too long, or cannot be recorded: then no judge is shown it.
    pub async fn vouch(&self, session: &str, text: &str, by: &str) -> Result<(), Fault> {
        check_session(session)?;
        let text = vouchable(text)?;
        let sentinel = self.sentinel()?;
        // The words themselves stay here: the record holds no message.
        let entry = Entry::new("context.vouched")
            .session(session)
            .with("by", by)
            .with("digest", canonical::digest("testudo.vouched.v1", text))
            .with("characters", text.chars().count());
        self.record(&entry).await?;
        sentinel.log.vouch(session, text, by).map_err(|error| broken(&error))
    }
}

/// The text as it is kept. Nothing of it is cut: half a sentence can say the contrary of the whole.
fn vouchable(text: &str) -> Result<&str, Fault> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Fault::InvalidArgument("there is nothing in it to vouch for".into()));
    }
    // Bytes first, so that megabytes are not counted through.
    if text.len() > WRITTEN || text.chars().count() > WORDS {
        return Err(Fault::TooLarge(format!("what is vouched for may have {WORDS} characters")));
    }
    if quote(text).len() > WRITTEN {
        return Err(Fault::TooLarge("there is too much in it that nobody can see".into()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_vouched_for_is_something_and_is_taken_whole_or_not_at_all() {
        assert_eq!(vouchable(" he is my son\n").unwrap(), "he is my son");
        for text in ["x".repeat(WORDS), "ü".repeat(WORDS), "\"\\".repeat(WORDS / 2)] {
            assert_eq!(vouchable(&text).unwrap(), text);
        }
        for text in ["", " \n\t"] {
            assert!(matches!(vouchable(text), Err(Fault::InvalidArgument(_))), "{text:?}");
        }
        for text in ["x".repeat(WORDS + 1), "\u{202e}".repeat(WORDS), "x".repeat(1 << 20)] {
            assert!(matches!(vouchable(&text), Err(Fault::TooLarge(_))), "{}", text.len());
        }
    }
}

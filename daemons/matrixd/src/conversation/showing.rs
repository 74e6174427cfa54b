//! A running turn as people see it: what to show and when, without clock or network.
//!
//! Times are durations since the turn was accepted.

use std::time::Duration;

use testudo::turn::Event;

use crate::conversation::draft::Draft;
use crate::conversation::pacing::{Last, Pacing, Step};

/// Without words for this long people are told that it is being thought.
pub const THINKING_AFTER: Duration = Duration::from_secs(1);
/// How long the first words may gather: an answer that is whole by then is one message that is never edited.
pub const GATHERING: Duration = Duration::from_millis(250);

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Showing {
    pacing: Pacing,
    draft: Draft,
    /// Whether anything was sent.
    is_shown: bool,
}

impl Showing {
    /// A turn that was accepted just now.
    pub fn new() -> Self {
        Self { pacing: Pacing::new(THINKING_AFTER), draft: Draft::default(), is_shown: false }
    }

    /// A turn whose message was sent before this daemon was restarted.
    pub fn resumed() -> Self {
        Self { pacing: Pacing::resumed(Duration::ZERO), draft: Draft::default(), is_shown: true }
    }

    /// Something happened in it.
    pub fn event(&mut self, event: Event, now: Duration) {
        let had_text = self.draft.has_text();
        if !self.draft.take(event) {
            return;
        }
        if self.is_shown {
            self.pacing.wanted(now);
        } else if !had_text && self.draft.has_text() {
            self.pacing.wanted(now.saturating_add(GATHERING));
        }
        // Otherwise it is due already: the notice after its second, or the words that gather.
    }

    /// When something is to be sent, if nothing else happens.
    pub fn due(&self) -> Option<Duration> {
        self.pacing.due()
    }

    /// What is to be sent now, as Markdown.
    pub fn step(&mut self, now: Duration) -> Option<(Step, String)> {
        let step = self.pacing.step(now)?;
        self.is_shown = true;
        Some((step, self.draft.unfinished()))
    }

    /// The message is there.
    pub const fn said(&mut self) {
        self.pacing.said();
    }

    /// The step did not go.
    pub fn refused(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.pacing.refused(now, retry_after);
    }

    /// The step was not taken: something else was on its way.
    pub fn skipped(&mut self, now: Duration) {
        self.pacing.skipped(now);
    }

    /// The turn is over.
    pub fn finish(self, now: Duration) -> Last {
        self.pacing.finish(now)
    }
}

impl Default for Showing {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn text(delta: &str) -> Event {
        Event::Text { turn: "t".into(), delta: delta.into() }
    }

    #[test]
    fn a_turn_without_words_says_after_a_second_that_it_thinks() {
        let mut showing = Showing::new();
        showing.event(Event::TurnStarted { turn: "t".into(), text: "?".into() }, ms(5));
        assert_eq!(showing.due(), Some(ms(1000)));
        assert_eq!(showing.step(ms(999)), None);
        assert_eq!(showing.step(ms(1000)), Some((Step::Say, "*thinking…*".into())));
        showing.said();
        assert_eq!(showing.due(), None, "it is said once");
        showing.event(text("Hello"), ms(1100));
        assert_eq!(showing.step(ms(1999)), None);
        assert_eq!(showing.step(ms(2000)), Some((Step::Edit, "Hello\n\n*…*".into())));
    }

    #[test]
    fn first_words_gather_and_later_ones_coalesce() {
        let mut showing = Showing::new();
        showing.event(text("a"), ms(100));
        showing.event(text("b"), ms(200));
        assert_eq!(showing.due(), Some(ms(350)));
        assert_eq!(showing.step(ms(350)), Some((Step::Say, "ab\n\n*…*".into())));
        showing.said();
        for n in 0..100 {
            showing.event(text("c"), ms(400 + n));
        }
        assert_eq!(showing.due(), Some(ms(1350)));
        let (step, shown) = showing.step(ms(1350)).unwrap();
        assert_eq!((step, shown.matches('c').count()), (Step::Edit, 100));
        assert_eq!(showing.finish(ms(1400)), Last { at: ms(2350), step: Step::Edit });
    }

    #[test]
    fn after_a_restart_only_the_end_is_shown() {
        let mut showing = Showing::resumed();
        showing.event(text("a"), ms(5_000));
        assert_eq!(showing.due(), None);
        assert_eq!(showing.finish(ms(6_000)), Last { at: ms(6_000), step: Step::Edit });
    }
}

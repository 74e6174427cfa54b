//! When the message that shows a running turn is sent and changed: at most 15 edits in all, never closer together than
//! a second and than the homeserver wants, the last of them for the final words.
//!
//! A machine without clock or network. Times are durations since any fixed moment. What came in the meantime is not
//! kept: a step shows the latest.

use std::time::Duration;

/// The most edits of one message, the final one among them.
pub const MOST_EDITS: u32 = 15;
/// Between the message and its first edit, and the least between any two.
pub const LEAST: Duration = Duration::from_secs(1);
/// The most between two edits; later ones are further apart than earlier ones.
pub const MOST: Duration = Duration::from_mins(1);

/// One thing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The message, which is not there yet.
    Say,
    /// New words in its place.
    Edit,
}

/// The final words: sent once, not before `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the final words are to be sent"]
pub struct Last {
    /// When, at the earliest.
    pub at: Duration,
    /// How.
    pub step: Step,
}

/// What was sent of one message, and when it may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pacing {
    /// Whether the message was sent and is there.
    is_said: bool,
    /// Edits that were sent, whether or not they arrived.
    edits: u32,
    /// The pause before the next edit.
    gap: Duration,
    /// When the last step was taken.
    last: Option<Duration>,
    /// Before this the homeserver wants to hear nothing.
    blocked_until: Duration,
    /// When there is something to show that is not shown.
    wanted_at: Option<Duration>,
}

impl Pacing {
    /// Nothing is sent yet; something is wanted at `first`.
    pub const fn new(first: Duration) -> Self {
        Self {
            is_said: false,
            edits: 0,
            gap: LEAST,
            last: None,
            blocked_until: Duration::ZERO,
            wanted_at: Some(first),
        }
    }

    /// The message was sent before, by a daemon that has been restarted since: only the final words are owed.
    pub const fn resumed(now: Duration) -> Self {
        Self {
            is_said: true,
            edits: MOST_EDITS - 1,
            gap: LEAST,
            last: Some(now),
            blocked_until: now,
            wanted_at: None,
        }
    }

    /// There is something new, which should be seen at this time. An earlier wish stands.
    pub fn wanted(&mut self, at: Duration) {
        self.wanted_at = Some(self.wanted_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// When the next step may be taken; none while there is nothing to show or nothing allowed but the final words.
    pub fn due(&self) -> Option<Duration> {
        if self.is_said && self.edits + 1 >= MOST_EDITS {
            return None;
        }
        let paced = self.last.map_or(Duration::ZERO, |last| last.saturating_add(self.gap));
        self.wanted_at.map(|wanted| wanted.max(paced).max(self.blocked_until))
    }

    /// Takes the step that is due. It counts from now on, whatever becomes of it.
    pub fn step(&mut self, now: Duration) -> Option<Step> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.wanted_at = None;
        if self.is_said {
            self.edits += 1;
            self.gap = (self.gap * 3 / 2).min(MOST);
        }
        self.last = Some(now);
        Some(if self.is_said { Step::Edit } else { Step::Say })
    }

    /// The message is there: its event is known.
    pub const fn said(&mut self) {
        self.is_said = true;
    }

    /// The step did not go, and not before `retry_after` is another welcome.
    pub fn refused(&mut self, now: Duration, retry_after: Option<Duration>) {
        self.blocked_until = self.blocked_until.max(now.saturating_add(retry_after.unwrap_or(self.gap)));
        self.wanted(now);
        self.gap = (self.gap * 3 / 2).min(MOST);
    }

    /// The step that was taken last was none: nothing was sent, since something else was. It does not count.
    pub fn skipped(&mut self, now: Duration) {
        if self.is_said {
            self.edits = self.edits.saturating_sub(1);
        }
        self.wanted(now);
    }

    /// It is over: nothing but the final words is sent any more.
    pub fn finish(self, now: Duration) -> Last {
        let paced = self.last.map_or(Duration::ZERO, |last| last.saturating_add(LEAST));
        let step = if self.is_said { Step::Edit } else { Step::Say };
        Last { at: now.max(paced).max(self.blocked_until), step }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_short_turn_is_one_message() {
        let mut pacing = Pacing::new(ms(1000));
        assert_eq!(pacing.step(ms(999)), None);
        assert_eq!(pacing.finish(ms(999)), Last { at: ms(999), step: Step::Say });
    }

    #[test]
    fn pauses_grow_from_a_second() {
        let mut pacing = Pacing::new(Duration::ZERO);
        let mut steps = Vec::new();
        for now in (0..600_000).step_by(10).map(ms) {
            pacing.wanted(now);
            if let Some(step) = pacing.step(now) {
                steps.push((step, now));
                pacing.said();
            }
        }
        assert_eq!(steps.len(), 15, "the message and fourteen of its fifteen edits");
        assert_eq!(steps[0], (Step::Say, ms(0)));
        assert_eq!(steps[1], (Step::Edit, ms(1000)));
        let pauses: Vec<_> = steps.windows(2).map(|two| two[1].1.saturating_sub(two[0].1)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= MOST + ms(10)), "{pauses:?}");
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let mut pacing = Pacing::new(Duration::ZERO);
        assert_eq!(pacing.step(ms(0)), Some(Step::Say));
        pacing.refused(ms(5), Some(ms(30_000)));
        assert_eq!(pacing.step(ms(30_004)), None);
        assert_eq!(pacing.step(ms(30_005)), Some(Step::Say), "it is not there yet");
        pacing.said();
        pacing.refused(ms(30_010), Some(ms(9_000)));
        assert_eq!(pacing.finish(ms(30_020)), Last { at: ms(39_010), step: Step::Edit });
    }

    #[test]
    fn a_step_that_was_not_taken_after_all_is_due_again_and_does_not_count() {
        let mut pacing = Pacing::new(ms(0));
        assert_eq!(pacing.step(ms(0)), Some(Step::Say));
        pacing.skipped(ms(1));
        assert_eq!(pacing.due(), Some(ms(1000)));
        assert_eq!(pacing.step(ms(1000)), Some(Step::Say));
        pacing.said();
        for minute in 1..100 {
            let now = Duration::from_mins(2 * minute);
            pacing.wanted(now);
            assert_eq!(pacing.step(now), Some(Step::Edit), "{minute}");
            pacing.skipped(now);
        }
    }

    /// What a homeserver and a model may do next.
    #[derive(Debug, Clone)]
    enum Move {
        Passes(u64),
        Wanted,
        Arrives,
        Refused(Option<u64>),
        Skipped,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (0u64..120_000).prop_map(Move::Passes),
            Just(Move::Wanted),
            Just(Move::Arrives),
            proptest::option::of(0u64..100_000).prop_map(Move::Refused),
            Just(Move::Skipped),
        ];
        proptest::collection::vec(one, 0..200)
    }

    proptest! {
        #[test]
        fn never_more_than_fifteen_and_never_too_close(moves in moves(), first in 0u64..5_000) {
            let mut pacing = Pacing::new(ms(first));
            let (mut now, mut sent, mut not_before, mut is_said) = (Duration::ZERO, Vec::new(), Duration::ZERO, false);
            let mut is_pending = false;
            for next in moves {
                match next {
                    Move::Passes(by) => now += ms(by),
                    Move::Wanted => pacing.wanted(now),
                    Move::Arrives if !sent.is_empty() => {
                        pacing.said();
                        is_said = true;
                    }
                    Move::Refused(after) => {
                        pacing.refused(now, after.map(ms));
                        not_before = not_before.max(now + ms(after.unwrap_or(0)));
                    }
                    Move::Skipped if is_pending => {
                        pacing.skipped(now);
                        sent.pop();
                    }
                    Move::Arrives | Move::Skipped => {}
                }
                is_pending = false;
                if let Some(step) = pacing.step(now) {
                    prop_assert!(now >= not_before);
                    prop_assert_eq!(step == Step::Edit, is_said);
                    sent.push((step, now));
                    is_pending = true;
                }
            }
            let last = pacing.finish(now);
            prop_assert!(last.at >= now && last.at >= not_before);
            prop_assert_eq!(last.step == Step::Edit, is_said);
            sent.push((last.step, last.at));
            for two in sent.windows(2) {
                prop_assert!(two[1].1.saturating_sub(two[0].1) >= LEAST, "{:?}", two);
            }
            let edits = sent.iter().filter(|(step, _)| *step == Step::Edit).count();
            prop_assert!(edits <= 15, "{} edits", edits);
        }

        #[test]
        fn what_is_wanted_is_shown_while_edits_are_left(pause in 0u64..3_000) {
            let mut pacing = Pacing::new(Duration::ZERO);
            prop_assert_eq!(pacing.step(Duration::ZERO), Some(Step::Say));
            pacing.said();
            pacing.wanted(ms(pause));
            let due = pacing.due().unwrap();
            prop_assert_eq!(due, ms(pause.max(1_000)));
            prop_assert_eq!(pacing.step(due), Some(Step::Edit));
            prop_assert_eq!(pacing.due(), None, "nothing new");
        }
    }
}

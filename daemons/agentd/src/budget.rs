//! What all sessions together used today, and what they may: days are those of UTC, and time is given.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use testudo::context::{self, Today};

use crate::context::Context;
use crate::cost::Cost;

/// The tokens of the day, of all sessions.
#[derive(Debug)]
pub struct Budget {
    daily: Option<u64>,
    /// What was used on the days of which the sessions knew at the start: a machine whose clock is set right later finds
    /// the right day's tokens spent.
    found: BTreeMap<Date, Spent>,
    spent: Mutex<Spent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    day: Option<Date>,
    today: Today,
    /// Whether the end of this day's budget is in the record.
    is_recorded: bool,
}

impl Budget {
    /// With what the sessions that were found have used, each on its last day. `daily` is the limit, if there is one.
    pub fn new<'a>(daily: Option<u32>, found: impl IntoIterator<Item = &'a Context>, now: Timestamp) -> Self {
        let mut days: BTreeMap<Date, Spent> = BTreeMap::new();
        for context in found {
            if let Some((day, used)) = context.last_day {
                days.entry(day).or_insert_with(|| Spent::of(day)).add(used);
            }
            if let Some(day) = context.budget_reached {
                days.entry(day).or_insert_with(|| Spent::of(day)).is_recorded = true;
            }
        }
        let today = day(now);
        let spent = days.get(&today).copied().unwrap_or_else(|| Spent::of(today));
        Self { daily: daily.map(u64::from), found: days, spent: Mutex::new(spent) }
    }

    /// Counts what a request cost.
    pub fn count(&self, cost: Cost, now: Timestamp) {
        self.on(now).add(crate::context::today(cost));
    }

    /// What was used today.
    pub fn today(&self, now: Timestamp) -> Today {
        self.on(now).today
    }

    /// The limit and how far it is used up; none without a limit.
    pub fn state(&self, now: Timestamp) -> Option<context::Budget> {
        let tokens = self.daily?;
        let Spent { day: counted, today: Today { input, output, .. }, .. } = *self.on(now);
        let resets_at = counted
            .unwrap_or_else(|| day(now))
            .tomorrow()
            .ok()
            .and_then(|next| next.to_zoned(TimeZone::UTC).ok());
        let resets_at = resets_at.map_or(now + SignedDuration::from_hours(24), |next| next.timestamp());
        Some(context::Budget {
            tokens,
            spent: input.saturating_add(output),
            resets_at: resets_at.to_string(),
        })
    }

    /// The limit, if nothing is left of it.
    pub fn reached(&self, now: Timestamp) -> Option<context::Budget> {
        self.state(now).filter(|budget| budget.spent >= budget.tokens)
    }

    /// Whether the end of the day's budget is still to be recorded; from now on it is not.
    pub fn is_news(&self, now: Timestamp) -> bool {
        !std::mem::replace(&mut self.on(now).is_recorded, true)
    }

    /// It was not recorded after all.
    pub fn forget_record(&self, now: Timestamp) {
        self.on(now).is_recorded = false;
    }

    /// The tokens of `now`'s day. Nothing that holds the lock can panic, so a poisoned lock still guards a whole state.
    fn on(&self, now: Timestamp) -> MutexGuard<'_, Spent> {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let day = day(now);
        // A clock that is set back does not give a day's tokens anew.
        if spent.day.is_none_or(|last| last < day) {
            *spent = self.found.get(&day).copied().unwrap_or_else(|| Spent::of(day));
        }
        spent
    }
}

impl Spent {
    fn of(day: Date) -> Self {
        Self { day: Some(day), ..Self::default() }
    }

    fn add(&mut self, used: Today) {
        self.today = crate::context::sum(self.today, used);
    }
}

/// What a person reads when the budget is used up.
pub fn used_up(budget: &context::Budget) -> String {
    format!(
        "The tokens of this day are used up: {} of {}, in all sessions together. I can go on from {}; how many there are \
         is set by `daily_tokens` in [agentd] of testudo.toml.",
        budget.spent, budget.tokens, budget.resets_at
    )
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::model::Usage;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const COST: Cost = Cost {
        told: Usage { input_tokens: 60, output_tokens: 0 },
        estimated: Usage { input_tokens: 0, output_tokens: 40 },
    };

    #[test]
    fn a_budget_is_reached_and_begins_anew_at_midnight() {
        let (evening, midnight) = (at("2026-01-01T23:59:59.999Z"), at("2026-01-02T00:00:00Z"));
        let budget = Budget::new(Some(200), [], evening);
        budget.count(COST, evening);
        assert_eq!(budget.reached(evening), None);
        budget.count(COST, evening);
        let reached = budget.reached(evening).unwrap();
        assert_eq!((reached.spent, reached.resets_at.as_str()), (200, "2026-01-02T00:00:00Z"));
        assert!(used_up(&reached).contains("200 of 200"), "{}", used_up(&reached));
        assert!(budget.is_news(evening) && !budget.is_news(evening));
        assert_eq!(budget.reached(midnight), None);
        assert!(budget.is_news(midnight));
        // Set back, the clock gives nothing back.
        budget.count(COST, midnight);
        budget.count(COST, midnight);
        assert!(budget.reached(evening).is_some());
    }

    #[test]
    fn what_was_found_counts_for_its_day_alone() {
        let context = |text: &str, is_reached| {
            let mut context = Context::default();
            context.used(text, "m", COST);
            context.budget_reached = crate::context::day_of(text).filter(|_| is_reached);
            context
        };
        let found = [
            context("2026-01-01T01:00:00Z", false),
            context("2026-01-01T22:00:00Z", true),
            context("2025-12-31T23:00:00Z", true),
        ];
        let now = at("2026-01-01T23:00:00Z");
        let budget = Budget::new(Some(200), &found, now);
        assert_eq!(budget.today(now), Today { input: 120, output: 80, estimated: 80 });
        assert!(budget.reached(now).is_some() && !budget.is_news(now));
        assert_eq!(Budget::new(None, &found, now).reached(now), None);

        // A machine that starts in the past and learns the time then gives no day anew.
        let early = Budget::new(Some(200), &found, at("2000-01-01T00:00:00Z"));
        assert_eq!(early.reached(at("2000-01-01T00:00:00Z")), None);
        assert!(early.reached(now).is_some());
    }
}

//! Stage 4: token buckets. Every call takes one token of its session and one of its session's group, or none at all.
//! Capacity is the burst, refill is the sustained rate; time is given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use testudo::config::sessions::Group;

/// The group of all sessions that are in no other one.
const REST: &str = "all";
/// How many times the share of one session all of them together have, unless the configuration has a group `all`.
const REST_SHARE: u32 = 10;
/// Less than this is the error of the arithmetic: whoever waited as long as he was told must get through.
const ROUNDING: Duration = Duration::from_micros(1);

/// How fast and how many at once.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    per_second: f64,
    burst: f64,
}

impl Limit {
    /// So many calls a minute sustained, so many at once.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_minute) / 60.0, burst: f64::from(burst) }
    }
}

/// Buckets by session and by group.
#[derive(Debug)]
pub struct RateLimiter {
    session: Limit,
    groups: Vec<Group>,
    rest: Limit,
    of_sessions: HashMap<String, Bucket>,
    of_groups: HashMap<String, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: Limit, now: Instant) -> Self {
        Self { tokens: limit.burst, at: now }
    }

    fn refill(&mut self, limit: Limit, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * limit.per_second;
        self.tokens = (self.tokens + earned).min(limit.burst);
        self.at = self.at.max(now);
    }

    /// How long until there is a token; nothing when there is one.
    fn wait(&self, limit: Limit) -> Duration {
        Duration::from_secs_f64(((1.0 - self.tokens) / limit.per_second).max(0.0))
    }
}

impl RateLimiter {
    /// The share of a session, and the groups in the order in which a session is looked for in them.
    pub fn new(per_minute: u32, burst: u32, groups: Vec<Group>) -> Self {
        let rest = groups.iter().find(|group| group.name == REST).map_or_else(
            || Limit::new(per_minute.saturating_mul(REST_SHARE), burst.saturating_mul(REST_SHARE)),
            |group| Limit::new(group.calls_per_minute, group.burst),
        );
        Self {
            session: Limit::new(per_minute, burst),
            groups: groups.into_iter().filter(|group| group.name != REST).collect(),
            rest,
            of_sessions: HashMap::new(),
            of_groups: HashMap::new(),
        }
    }

    /// Takes one token of the session's bucket and one of its group's.
    ///
    /// # Errors
    /// How long to wait until both have one; nothing is taken then.
    pub fn take(&mut self, session: &str, now: Instant) -> Result<(), Duration> {
        let (group, limit) = self.group(session);
        let (group, own) = (group.to_owned(), self.session);
        let mine = self.of_sessions.entry(session.to_owned()).or_insert_with(|| Bucket::full(own, now));
        let ours = self.of_groups.entry(group).or_insert_with(|| Bucket::full(limit, now));
        mine.refill(own, now);
        ours.refill(limit, now);
        let wait = mine.wait(own).max(ours.wait(limit));
        if wait > ROUNDING {
            return Err(wait);
        }
        mine.tokens -= 1.0;
        ours.tokens -= 1.0;
        Ok(())
    }

    /// Forgets the sessions whose buckets are full by now: a new bucket is no different. One that is not full outlives
    /// its session, so that closing and opening it again earns nothing.
    pub fn forget_full(&mut self, now: Instant) {
        let limit = self.session;
        self.of_sessions.retain(|_, bucket| {
            bucket.refill(limit, now);
            bucket.tokens < limit.burst
        });
    }

    fn group(&self, session: &str) -> (&str, Limit) {
        let has = |group: &&Group| group.sessions.iter().any(|pattern| pattern.matches(session));
        self.groups.iter().find(has).map_or((REST, self.rest), |group| {
            (group.name.as_str(), Limit::new(group.calls_per_minute, group.burst))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::config::sessions::SessionPattern;

    fn limiter(per_minute: u32, burst: u32) -> RateLimiter {
        RateLimiter::new(per_minute, burst, Vec::new())
    }

    fn group(name: &str, pattern: &str, calls_per_minute: u32, burst: u32) -> Group {
        let sessions = vec![SessionPattern::new(pattern).unwrap()];
        Group { name: name.into(), sessions, calls_per_minute, burst }
    }

    #[test]
    fn a_burst_passes_and_the_next_waits() {
        let mut limiter = limiter(60, 5);
        let start = Instant::now();
        for _ in 0..5 {
            assert!(limiter.take("a", start).is_ok());
        }
        let wait = limiter.take("a", start).unwrap_err();
        assert!((wait.as_secs_f64() - 1.0).abs() < 0.05, "{wait:?}");
        assert!(limiter.take("b", start).is_ok(), "sessions are independent");
        assert!(limiter.take("a", start + wait).is_ok());
        assert!(limiter.take("a", start + wait).is_err());
    }

    #[test]
    fn the_sustained_rate_holds_within_a_twentieth() {
        for per_minute in [6, 60, 600] {
            let mut limiter = limiter(per_minute, 1);
            let start = Instant::now();
            // A caller who tries twenty times as often as he may, for ten minutes.
            let pause = Duration::from_secs_f64(60.0 / f64::from(per_minute) / 20.0);
            let tries = per_minute * 10 * 20;
            let passed = (0..tries).filter(|&n| limiter.take("a", start + pause * n).is_ok()).count();
            let share = f64::from(u32::try_from(passed).unwrap()) / f64::from(per_minute * 10);
            assert!((0.95..=1.05).contains(&share), "{per_minute}: {share}");
        }
    }

    #[test]
    fn what_is_refused_takes_nothing() {
        let mut limiter = limiter(60, 1);
        let start = Instant::now();
        limiter.take("a", start).unwrap();
        for n in 0..1000 {
            assert!(limiter.take("a", start + Duration::from_micros(n)).is_err());
        }
        assert!(limiter.take("a", start + Duration::from_secs(1)).is_ok(), "the tries cost something");
    }

    #[test]
    fn sessions_of_a_group_share_its_bucket() {
        let mut limiter = RateLimiter::new(600, 100, vec![group("cron", "cron-*", 60, 3)]);
        let start = Instant::now();
        for session in ["cron-a", "cron-b", "cron-c"] {
            limiter.take(session, start).unwrap();
        }
        let wait = limiter.take("cron-a", start).unwrap_err();
        assert!((wait.as_secs_f64() - 1.0).abs() < 0.05, "{wait:?}");
        assert!(limiter.take("main", start).is_ok(), "another group");
        assert!(limiter.take("cron-d", start).is_err(), "a new session is no way around the group");
    }

    #[test]
    fn a_group_that_refuses_costs_the_session_nothing_and_the_other_way_round() {
        let mut limiter = RateLimiter::new(60, 2, vec![group("g", "g*", 60, 3)]);
        let start = Instant::now();
        limiter.take("g1", start).unwrap();
        limiter.take("g1", start).unwrap();
        for _ in 0..10 {
            assert!(limiter.take("g1", start).is_err(), "the session's bucket is empty");
        }
        limiter.take("g2", start).unwrap();
        for _ in 0..10 {
            assert!(limiter.take("g2", start).is_err(), "the group's bucket is empty");
        }
        let later = start + Duration::from_secs(1);
        assert!(limiter.take("g2", later).is_ok(), "its own bucket had one left all the time");
    }

    #[test]
    fn the_rest_has_a_limit_too() {
        let mut limiter = limiter(1, 2);
        let start = Instant::now();
        let passed = (0..100).filter(|n| limiter.take(&format!("s{n}"), start).is_ok()).count();
        assert_eq!(passed, 20, "ten times the burst of one session");
        let mut limiter = RateLimiter::new(1, 2, vec![group("all", "x", 1, 5)]);
        let passed = (0..100).filter(|n| limiter.take(&format!("s{n}"), start).is_ok()).count();
        assert_eq!(passed, 5, "as configured");
    }

    #[test]
    fn only_full_buckets_are_forgotten() {
        let mut limiter = limiter(60, 5);
        let start = Instant::now();
        limiter.take("idle", start).unwrap();
        for _ in 0..5 {
            limiter.take("busy", start).unwrap();
        }
        limiter.forget_full(start + Duration::from_secs(2));
        assert_eq!(limiter.of_sessions.keys().collect::<Vec<_>>(), ["busy"]);
    }

    #[test]
    fn idle_time_earns_no_more_than_the_burst() {
        let mut limiter = limiter(600, 3);
        let later = Instant::now() + Duration::from_hours(1);
        limiter.take("a", Instant::now()).unwrap();
        let passed = (0..10).filter(|_| limiter.take("a", later).is_ok()).count();
        assert_eq!(passed, 3);
    }
}

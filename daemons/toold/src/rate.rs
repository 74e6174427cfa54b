//! Stage 4: a token bucket per session. Capacity is the burst, refill is the sustained rate; time is given.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Buckets by session.
#[derive(Debug)]
pub struct RateLimiter {
    per_second: f64,
    burst: f64,
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimiter {
    /// So many calls a minute sustained, so many at once.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_second: f64::from(per_minute) / 60.0, burst: f64::from(burst), buckets: HashMap::new() }
    }

    /// Takes one token of the session's bucket.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub fn take(&mut self, session: &str, now: Instant) -> Result<(), Duration> {
        let full = Bucket { tokens: self.burst, at: now };
        let bucket = self.buckets.entry(session.to_owned()).or_insert(full);
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.tokens = (bucket.tokens + earned).min(self.burst);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second))
    }

    /// Forgets the sessions whose buckets are full by now: a new bucket is no different.
    pub fn forget_full(&mut self, now: Instant) {
        let (per_second, burst) = (self.per_second, self.burst);
        self.buckets.retain(|_, bucket| {
            let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * per_second;
            bucket.tokens + earned < burst
        });
    }

    /// Forgets a session that ended.
    pub fn forget(&mut self, session: &str) {
        self.buckets.remove(session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_next_waits() {
        let mut limiter = RateLimiter::new(60, 5);
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
    fn only_full_buckets_are_forgotten() {
        let mut limiter = RateLimiter::new(60, 5);
        let start = Instant::now();
        limiter.take("idle", start).unwrap();
        for _ in 0..5 {
            limiter.take("busy", start).unwrap();
        }
        limiter.forget_full(start + Duration::from_secs(2));
        assert_eq!(limiter.buckets.keys().collect::<Vec<_>>(), ["busy"]);
    }

    #[test]
    fn idle_time_earns_no_more_than_the_burst() {
        let mut limiter = RateLimiter::new(600, 3);
        let later = Instant::now() + Duration::from_hours(1);
        limiter.take("a", Instant::now()).unwrap();
        let passed = (0..10).filter(|_| limiter.take("a", later).is_ok()).count();
        assert_eq!(passed, 3);
    }
}

//! How much one traveller may have at once and in a minute, and how much all of them together.
//!
//! A [`Share`] belongs to one traveller. Times come from tokio's clock, which tests stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testudo::config::egress::Egressd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Most connections of all travellers together; each costs two descriptors and some buffers.
pub const TOTAL: usize = 512;
/// Most connections of one socket that have not said yet whose they are.
pub const UNGREETED: usize = 64;
/// How long a connection may take to say whose it is, at most: it is the first thing that clients write.
const GREETING: Duration = Duration::from_secs(2);

const MINUTE: Duration = Duration::from_mins(1);

/// What one traveller may use.
#[derive(Debug)]
pub struct Share {
    connections: Arc<Semaphore>,
    per_minute: f64,
    bucket: Mutex<Bucket>,
    told: AtomicBool,
}

/// Starts of requests that are left now; fills up again evenly, so that no edge of a minute lets twice as many through.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Option<Instant>,
}

impl Share {
    /// A whole share.
    pub(crate) fn new(config: &Egressd) -> Self {
        let per_minute = f64::from(config.per_minute);
        Self {
            connections: Arc::new(Semaphore::new(config.connections.try_into().unwrap_or(1))),
            per_minute,
            bucket: Mutex::new(Bucket { left: per_minute, at: None }),
            told: AtomicBool::new(false),
        }
    }

    /// Room for one more connection, until what is returned is dropped; none when there is none.
    pub(crate) fn connection(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.connections).try_acquire_owned().ok()
    }

    /// Whether one more request or connection may start now.
    pub(crate) fn start(&self) -> bool {
        let now = Instant::now();
        // A thread that panicked here left numbers behind, which are still numbers.
        let mut bucket = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let passed = bucket.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let refill = passed.as_secs_f64() / MINUTE.as_secs_f64() * self.per_minute;
        bucket.left = (bucket.left + refill).min(self.per_minute);
        bucket.at = Some(now);
        let may = bucket.left >= 1.0;
        if may {
            bucket.left -= 1.0;
            self.told.store(false, Ordering::Relaxed);
        }
        may
    }

    /// Whether a refusal for want of room is the first since something was let through.
    pub(crate) fn tell(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

/// Sizes and times of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) connect: Duration,
    pub(crate) greeting: Duration,
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
    pub(crate) request: u64,
    pub(crate) response: u64,
}

impl Limits {
    /// Those of the configuration.
    pub(crate) fn new(config: &Egressd) -> Self {
        Self {
            connect: config.connect_timeout,
            greeting: config.head_timeout.min(GREETING),
            head: config.head_timeout,
            idle: config.idle_timeout,
            lifetime: config.lifetime,
            request: config.request_limit,
            response: config.response_limit,
        }
    }

    /// None that anything reaches.
    pub(crate) fn none() -> Self {
        let ever = Duration::from_hours(24 * 365);
        let (request, response) = (u64::MAX, u64::MAX);
        Self { connect: ever, greeting: ever, head: ever, idle: ever, lifetime: ever, request, response }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(connections: u32, per_minute: u32) -> Share {
        let text = format!("[egressd]\nconnections = {connections}\nper_minute = {per_minute}\n");
        let config = testudo::config::parse("testudo.toml", &text).unwrap();
        Share::new(&config.egressd)
    }

    #[test]
    fn connections_come_back_when_they_end() {
        let share = share(2, 10);
        let (first, _second) = (share.connection().unwrap(), share.connection().unwrap());
        assert!(share.connection().is_none());
        drop(first);
        assert!(share.connection().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_so_many_starts_and_no_edge() {
        let share = share(1, 60);
        assert_eq!(std::iter::repeat_with(|| share.start()).take(100).filter(|may| *may).count(), 60);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(std::iter::repeat_with(|| share.start()).take(100).filter(|may| *may).count(), 10);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(std::iter::repeat_with(|| share.start()).take(100).filter(|may| *may).count(), 60);
    }
}

//! What time it is, passed in so that tests have their own.

use std::sync::Arc;

use jiff::Timestamp;

/// Milliseconds since 1970 in UTC.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn of_the_machine() -> Self {
        Self::by(|| Timestamp::now().as_millisecond())
    }

    /// One that somebody else winds.
    pub fn by(now_ms: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ms))
    }

    /// Now.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

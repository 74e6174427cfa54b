//! How much is on its way at one time: to a few rooms at once, and one file among that, as it is in memory whole.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::StoreError;

/// Most rooms that are sent to at one time.
const MOST_AT_ONCE: usize = 8;

/// The passages that there are.
pub(super) struct Passages {
    places: Arc<Semaphore>,
    files: Arc<Semaphore>,
}

/// What a post needs while it is on its way. Dropped, it is the next one's.
pub(super) struct Passage {
    _place: OwnedSemaphorePermit,
    _file: Option<OwnedSemaphorePermit>,
}

impl Passages {
    pub(super) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(MOST_AT_ONCE)), files: Arc::new(Semaphore::new(1)) }
    }

    /// A passage, where one is free. Nobody waits for one in a place that something else could have.
    pub(super) fn take(
        &self,
        is_file: impl FnOnce() -> Result<bool, StoreError>,
    ) -> Result<Option<Passage>, StoreError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(None) };
        let file = if is_file()? {
            let Ok(file) = Arc::clone(&self.files).try_acquire_owned() else { return Ok(None) };
            Some(file)
        } else {
            None
        };
        Ok(Some(Passage { _place: place, _file: file }))
    }
}

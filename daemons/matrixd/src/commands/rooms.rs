//! What commands need to know of rooms: which session stands where, and what waits there.

use super::failure::Failure;
use crate::store::Place;

/// The map between rooms and sessions.
pub trait Rooms: Send + Sync + 'static {
    /// The session of a place as it stands now.
    fn session(&self, place: &Place) -> Result<String, Failure>;

    /// Gives a room's main timeline a session that was never used, from the next message on; answers with its name.
    fn renew(&self, place: &Place) -> Result<String, Failure>;

    /// The place of a session; none when it is no session of a room.
    fn place(&self, session: &str) -> Option<Place>;

    /// Drops what was said in a place and was not yet given to the agent; answers with how much that was.
    fn forget_waiting(&self, place: &Place) -> Result<usize, Failure>;
}

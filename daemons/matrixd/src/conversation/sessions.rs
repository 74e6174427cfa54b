//! Which session a room or a thread has: the one that its name gives, until somebody begins a new one there.

use rusqlite::{OptionalExtension as _, params};

use crate::commands::failure::Failure;
use crate::commands::rooms::Rooms;
use crate::conversation::Talk;
use crate::store::{Place, Places, Store, StoreError, renewed};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS renewed (session TEXT PRIMARY KEY, times INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/// The sessions of places.
#[derive(Clone)]
pub struct Sessions(Store);

impl Sessions {
    /// The sessions of this store.
    pub fn new(store: Store) -> Result<Self, StoreError> {
        store.with(|database| Ok(database.execute_batch(TABLE)?))?;
        Ok(Self(store))
    }

    /// The session of a place as it stands now.
    pub fn of(&self, place: &Place) -> Result<String, StoreError> {
        let first = place.session();
        let times: Option<i64> = self.0.with(|database| {
            let mut query = database.prepare_cached("SELECT times FROM renewed WHERE session = ?1")?;
            Ok(query.query_row([&first], |row| row.get(0)).optional()?)
        })?;
        Ok(times.map_or_else(|| first.clone(), |times| renewed(&first, times)))
    }

    /// Gives a place a session that was never used.
    pub fn renew(&self, place: &Place) -> Result<String, StoreError> {
        self.0.transact(|database| {
            database.execute(
                "INSERT INTO renewed (session, times) VALUES (?1, 1)
                 ON CONFLICT (session) DO UPDATE SET times = times + 1",
                params![place.session()],
            )?;
            Ok(())
        })?;
        self.of(place)
    }
}

impl Rooms for Talk {
    fn session(&self, place: &Place) -> Result<String, Failure> {
        Ok(self.sessions.of(place)?)
    }

    fn renew(&self, place: &Place) -> Result<String, Failure> {
        self.places.used(place, self.means.clock.now_ms())?;
        Ok(self.sessions.renew(place)?)
    }

    fn place(&self, session: &str) -> Option<Place> {
        Places::of(&self.places, session).ok().flatten()
    }

    fn forget_waiting(&self, place: &Place) -> Result<usize, Failure> {
        let session = self.session(place)?;
        Ok(self.stop(&session)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::testing::{self, Stage, event, said};

    #[tokio::test]
    async fn a_new_session_is_never_an_old_one_and_leads_back_to_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let stage = Stage::new(&directory);
        let room = said("$q", "").origin.room;
        let place = Place { room: room.clone(), thread: None };
        let thread = Place { room, thread: Some(event("$root")) };
        let first = stage.talk.session(&place).unwrap();
        assert_eq!(first, place.session());
        let second = stage.talk.renew(&place).unwrap();
        let third = stage.talk.renew(&place).unwrap();
        assert!(first != second && second != third && first != third);
        assert!([&first, &second, &third].iter().all(|name| name.len() <= 64));
        assert_eq!(stage.talk.place(&third), Some(place.clone()));
        assert_eq!(stage.talk.session(&thread).unwrap(), thread.session(), "a thread stays as it is");
        assert_eq!(stage.talk.place("main"), None);
        stage.say("$q", "in the new one").await;
        assert_eq!(stage.agent.until_told(1).await[0].session, third);
        let again = Sessions::new(testing::store(&directory)).unwrap();
        assert_eq!(again.of(&place).unwrap(), third);
    }
}

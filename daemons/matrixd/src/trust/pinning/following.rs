//! Following what the homeserver says of people: hearing it, weighing it, and recording what changed, none of which
//! waits for another.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use matrix_sdk::Client;
use matrix_sdk::encryption::identities::{IdentityUpdates, UserIdentity};
use matrix_sdk::ruma::UserId;
use testudo::config::Matrixd;
use tokio::sync::watch;

use super::heard::{self, Heard};
use super::{PinningError, Pins, key_of};
use crate::authorship::{Standing, standing};

/// Until the stream of identities is asked for again, or one is weighed again that could not be.
const AGAIN: Duration = Duration::from_secs(5);

impl Pins {
    /// Looks at every identity of owners and members that comes from the homeserver, and does not return: one that is
    /// shown for the moment in which a key is shared, and taken back, is seen all the same. Records what changed.
    pub async fn follow(&self, client: &Client, config: &Matrixd) {
        tokio::join!(self.listen(client, config), self.weigh_all(client), self.record_all());
    }

    /// Hears what comes, for as long as it is not dropped. While it cannot, nobody's identity counts as known.
    async fn listen(&self, client: &Client, config: &Matrixd) {
        loop {
            let updates = client.encryption().user_identities_stream().await;
            match updates {
                Ok(updates) => {
                    let following = Following::begin(&self.is_followed);
                    self.hear(client, config, updates).await;
                    drop(following);
                    tracing::error!("cannot follow the identities of people: the stream of them has ended");
                }
                Err(error) => tracing::error!("cannot follow the identities of people: {error}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Keeps what comes until it is weighed, and does nothing else: what is not read in time is lost. People behind
    /// bridges, whose names the homeserver can make up, are looked at when they are to hear something.
    async fn hear(
        &self,
        client: &Client,
        config: &Matrixd,
        updates: impl Stream<Item = IdentityUpdates> + Send,
    ) {
        let mut updates = updates.boxed();
        while let Some(update) = updates.next().await {
            for (user, identity) in update.new.into_iter().chain(update.changed) {
                let is_on_a_list = matches!(standing(config, &user), Standing::Owner | Standing::Member);
                if !is_on_a_list || client.user_id() == Some(&*user) {
                    continue;
                }
                if let Some(key) = key_of(&identity) {
                    self.heard().hear(user, key, identity);
                    self.news.notify_one();
                }
            }
        }
    }

    /// Weighs what was heard, for as long as it is not dropped.
    async fn weigh_all(&self, client: &Client) {
        loop {
            let somebody = self.heard().somebody();
            let Some(user) = somebody else {
                self.news.notified().await;
                continue;
            };
            let weighed = {
                let _turn = self.turn.lock().await;
                self.weigh_heard(client, &user).await
            };
            if let Err(error) = weighed {
                tracing::error!("{error}");
                tokio::time::sleep(AGAIN).await;
            }
            // Who listens is in the same task.
            tokio::task::yield_now().await;
        }
    }

    /// Weighs what waits of somebody; the caller has the turn.
    pub(super) async fn weigh_heard(&self, client: &Client, user: &UserId) -> Result<(), PinningError> {
        // More may come all the time.
        for _ in 0..heard::MOST {
            let oldest = self.heard().oldest(user);
            let Some((number, identity)) = oldest else { return Ok(()) };
            self.weigh(client, user, &identity).await?;
            self.heard().weighed(user, number);
        }
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, Heard<UserIdentity>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identities of people are followed, until it is dropped: also with the future that it is in.
struct Following<'a>(&'a watch::Sender<bool>);

impl<'a> Following<'a> {
    fn begin(is_followed: &'a watch::Sender<bool>) -> Self {
        is_followed.send_replace(true);
        Self(is_followed)
    }
}

impl Drop for Following<'_> {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_followed_until_who_follows_ends() {
        let is_followed = watch::Sender::new(false);
        let following = Following::begin(&is_followed);
        assert!(*is_followed.borrow());
        drop(following);
        assert!(!*is_followed.borrow());
    }
}

//! An operator accepts that somebody has another identity: without comparing, as the first one was believed, too.
//!
//! What is accepted is one identity by its key, so that it is the one that he was shown. It makes nobody verified: an
//! owner who is only accepted is spoken to and approves nothing.

use matrix_sdk::ruma::{OwnedUserId, UserId};

use super::{Trust, TrustError};

impl Trust {
    /// Whether a user has this identity now, his public master key in base64, and is known by another.
    ///
    /// # Errors
    /// When he is not, or it cannot be known.
    pub async fn may_accept_identity(&self, user: &str, key: &str) -> Result<OwnedUserId, TrustError> {
        let cannot = |why: String| TrustError::Acceptance { user: user.to_owned(), why };
        let id = UserId::parse(user).map_err(|error| cannot(error.to_string()))?;
        let change = self.pins.look(&self.client()?, &id).await.map_err(|error| cannot(error.to_string()))?;
        match change {
            None => Err(cannot("he has no other than the one that he is known by".into())),
            Some(change) if change.identity != key => Err(another(user, &change.identity)),
            Some(_) => Ok(id),
        }
    }

    /// From now on he is known by it.
    ///
    /// # Errors
    /// When he has another one by now, or it cannot be kept.
    pub async fn accept_identity(&self, user: &UserId, key: &str) -> Result<(), TrustError> {
        let cannot = |why: String| TrustError::Acceptance { user: user.to_string(), why };
        let accepted = self.pins.accept(&self.client()?, user, key).await;
        match accepted.map_err(|error| cannot(error.to_string()))? {
            Ok(()) => Ok(()),
            Err(Some(now)) => Err(another(user.as_str(), &now)),
            Err(None) => Err(cannot("he has none now".into())),
        }
    }
}

fn another(user: &str, now: &str) -> TrustError {
    TrustError::Acceptance { user: user.to_owned(), why: format!("he has {now} now; look again") }
}

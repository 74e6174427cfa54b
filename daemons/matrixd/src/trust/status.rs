//! The account and its trust, as `Matrix1.Status` says it. Never a secret.

use matrix_sdk::Client;
use matrix_sdk::ruma::UserId;
use serde::Serialize;

use super::condition::{Condition, Word};
use super::pinning::Change;
use super::stage::Stage;
use super::{Trust, TrustError};

/// What is known of somebody's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// He has none that is known here.
    Unknown,
    /// He has one, and nobody verified it.
    Unverified,
    /// An operator verified it.
    Verified,
    /// One was verified, and he has another now.
    Changed,
}

/// An owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Who.
    pub user: String,
    /// What is known of him.
    pub identity: Identity,
}

/// The whole status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each answers another question of an operator")]
pub struct Status {
    /// The account, as it is configured.
    pub user: Option<String>,
    /// This device; none until it is logged in.
    pub device: Option<String>,
    /// Its fingerprint (Ed25519), as people's clients show it.
    pub fingerprint: Option<String>,
    /// The homeserver, as it is configured.
    pub homeserver: Option<String>,
    /// Whether people can be talked with.
    pub connected: bool,
    /// Whether nothing is wrong at all.
    pub ok: bool,
    /// What is wrong, by stable words; what silences first.
    pub conditions: Vec<Condition>,
    /// This device holds the account's identity and is signed by it.
    pub signed: bool,
    /// Room keys are backed up.
    pub backup: bool,
    /// The recovery key: `absent`, `changing`, `unshown` or `shown`.
    pub recovery_key: &'static str,
    /// Those who may approve and command.
    pub owners: Vec<Owner>,
    /// People who have another identity than the one that they are known by.
    pub changed: Vec<Change>,
    /// Verifications that wait for an operator.
    pub verifications: usize,
    /// How many rooms we are in.
    pub rooms: usize,
}

impl Trust {
    /// The status, from what is known here: the homeserver is not asked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn status(&self) -> Result<Status, TrustError> {
        let client = self.client().ok();
        let mut status = Status {
            user: self.config().user.clone(),
            device: None,
            fingerprint: None,
            homeserver: self.config().homeserver.clone(),
            connected: false,
            ok: false,
            conditions: Vec::new(),
            signed: false,
            backup: false,
            recovery_key: "absent",
            owners: Vec::new(),
            changed: self.pins.changes(),
            verifications: self.verifications().waiting(),
            rooms: 0,
        };
        if let Some(client) = &client {
            let encryption = client.encryption();
            self.look_at_owners(client).await;
            status.device = client.device_id().map(ToString::to_string);
            status.fingerprint = encryption.ed25519_key().await;
            let device = encryption.get_own_device().await.ok().flatten();
            let keys = encryption.cross_signing_status().await.is_some_and(|status| status.is_complete());
            status.signed = keys && device.is_some_and(|device| device.is_cross_signed_by_owner());
            status.backup = encryption.backups().are_enabled().await;
            let owners = self.owners(client).await.into_iter();
            status.owners = owners.map(|(user, identity)| Owner { user, identity }).collect();
            status.rooms = client.joined_rooms().len();
            let storage = encryption.recovery().state();
            if storage == matrix_sdk::encryption::recovery::RecoveryState::Enabled {
                status.recovery_key = "shown";
            }
        }
        if self.is_unshown()? {
            status.recovery_key = "unshown";
        }
        if self.stage()? != Stage::Settled {
            status.recovery_key = "changing";
        }
        status.conditions = self.conditions().list();
        // What is signed here by an identity that the homeserver did not take is signed for nobody.
        let is_refused = |word| matches!(word, Word::IdentityMissing | Word::PasswordNeeded);
        status.signed &= !status.conditions.iter().any(|condition| is_refused(condition.word));
        status.connected = !status.conditions.iter().any(|condition| Word::silences(condition.word));
        status.ok = status.conditions.is_empty();
        Ok(status)
    }

    /// The owners, with what is known of them here.
    pub(super) async fn owners(&self, client: &Client) -> Vec<(String, Identity)> {
        let mut owners = Vec::new();
        for owner in &self.config().owners {
            let Ok(user) = UserId::parse(owner) else { continue };
            let known = client.encryption().get_user_identity(&user).await.ok().flatten();
            let identity = known.map_or(Identity::Unknown, |identity| {
                if identity.has_verification_violation() {
                    Identity::Changed
                } else if identity.is_verified() {
                    Identity::Verified
                } else {
                    Identity::Unverified
                }
            });
            owners.push((owner.clone(), identity));
        }
        owners
    }
}

//! How far it is proved who sent an event.
//!
//! What the SDK says about a Megolm session is frozen when its key arrives: a person who is verified afterwards would
//! stay unverified until his client takes a new one. So the session only has to say whose device it came from, without
//! having passed through other hands, and what that device is worth is looked up as it is now. The device's key must
//! be the one that the session came from: a device that took a known name proves nothing.

use matrix_sdk::Client;
use matrix_sdk::deserialized_responses::{
    AlgorithmInfo, EncryptionInfo, VerificationLevel, VerificationState,
};
use matrix_sdk::ruma::{DeviceId, OwnedDeviceId, UserId};

use crate::incoming::Trust;

/// What is known about an encrypted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent link of the proof")]
struct Evidence {
    /// The session came straight from the sender's own device.
    is_direct: bool,
    /// The device as it is known now has the very key that the session came from.
    is_same_key: bool,
    /// Its owner signed the device.
    is_signed: bool,
    /// An operator verified that the owner is who he says, and his identity did not change since.
    is_verified: bool,
}

/// Decides; what cannot be looked up is not proved.
pub(super) async fn prove(client: &Client, sender: &UserId, info: Option<&EncryptionInfo>) -> Trust {
    let Some(info) = info else { return Trust::Plain };
    let Some(id) = info.sender_device.clone() else { return Trust::Unverified(nameless()) };
    let evidence = look_up(client, sender, &id, info).await;
    judge(id, evidence)
}

async fn look_up(client: &Client, sender: &UserId, id: &DeviceId, info: &EncryptionInfo) -> Evidence {
    let encryption = client.encryption();
    let device = encryption.get_device(sender, id).await.ok().flatten();
    let identity = encryption.get_user_identity(sender).await.ok().flatten();
    let AlgorithmInfo::MegolmV1AesSha2 { curve25519_key, .. } = &info.algorithm_info else {
        return Evidence { is_direct: false, is_same_key: false, is_signed: false, is_verified: false };
    };
    let key = device.as_ref().and_then(|device| device.curve25519_key());
    Evidence {
        is_direct: is_direct(sender, info),
        is_same_key: key.is_some_and(|key| key.to_base64() == *curve25519_key),
        is_signed: device.is_some_and(|device| device.is_cross_signed_by_owner()),
        is_verified: identity
            .is_some_and(|identity| identity.is_verified() && !identity.has_verification_violation()),
    }
}

/// Whether the session came from a device of the sender and from nobody else: neither forwarded, nor out of a backup,
/// where anybody who knows the public half of its key can put one.
fn is_direct(sender: &UserId, info: &EncryptionInfo) -> bool {
    let is_unknown = matches!(
        info.verification_state,
        VerificationState::Unverified(
            VerificationLevel::None(_)
                | VerificationLevel::MismatchedSender
                | VerificationLevel::UnsignedDevice
        )
    );
    info.sender == sender && info.forwarder.is_none() && !is_unknown
}

fn judge(device: OwnedDeviceId, evidence: Evidence) -> Trust {
    match evidence {
        Evidence { is_direct: true, is_same_key: true, is_signed: true, is_verified: true } => {
            Trust::Verified(device)
        }
        Evidence { is_direct: true, is_same_key: true, is_signed: true, is_verified: false } => {
            Trust::CrossSigned(device)
        }
        _ => Trust::Unverified(device),
    }
}

/// A device that nobody knows.
fn nameless() -> OwnedDeviceId {
    OwnedDeviceId::from("?")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use matrix_sdk::deserialized_responses::{DeviceLinkProblem, ForwarderInfo};
    use matrix_sdk::ruma::{device_id, user_id};

    use super::*;

    #[test]
    fn only_the_whole_chain_proves_a_person() {
        let device = device_id!("D").to_owned();
        for bits in 0..16_u8 {
            let evidence = Evidence {
                is_direct: bits & 1 != 0,
                is_same_key: bits & 2 != 0,
                is_signed: bits & 4 != 0,
                is_verified: bits & 8 != 0,
            };
            let expected = match bits {
                15 => Trust::Verified(device.clone()),
                7 => Trust::CrossSigned(device.clone()),
                _ => Trust::Unverified(device.clone()),
            };
            assert_eq!(judge(device.clone(), evidence), expected, "{evidence:?}");
        }
    }

    #[test]
    fn a_session_through_other_hands_is_not_direct() {
        let ann = user_id!("@ann:home.org");
        let info = |state| EncryptionInfo {
            sender: ann.to_owned(),
            sender_device: Some(device_id!("D").to_owned()),
            forwarder: None,
            algorithm_info: AlgorithmInfo::MegolmV1AesSha2 {
                curve25519_key: String::new(),
                sender_claimed_keys: BTreeMap::new(),
                session_id: None,
            },
            verification_state: state,
        };
        assert!(is_direct(ann, &info(VerificationState::Verified)));
        // Frozen before he was verified: what he is now decides.
        let frozen = VerificationState::Unverified(VerificationLevel::UnverifiedIdentity);
        assert!(is_direct(ann, &info(frozen)));
        for level in [
            VerificationLevel::None(DeviceLinkProblem::InsecureSource),
            VerificationLevel::None(DeviceLinkProblem::MissingDevice),
            VerificationLevel::MismatchedSender,
            VerificationLevel::UnsignedDevice,
        ] {
            assert!(!is_direct(ann, &info(VerificationState::Unverified(level.clone()))), "{level:?}");
        }
        let mut forwarded = info(VerificationState::Verified);
        forwarded.forwarder = Some(ForwarderInfo {
            user_id: user_id!("@bob:home.org").to_owned(),
            device_id: device_id!("E").to_owned(),
        });
        assert!(!is_direct(ann, &forwarded));
        assert!(!is_direct(user_id!("@eve:home.org"), &info(VerificationState::Verified)));
    }
}

//! Which rooms are talked in, and whose invitations are accepted. Pure.

use matrix_sdk::ruma::{RoomId, UserId};
use testudo::config::Matrixd;

use crate::authorship::{Standing, standing};
use crate::controls::Controls;

/// What becomes of a room that we are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is talked in.
    Talk,
    /// It is not one of the configured rooms: nothing that happens in it is looked at.
    Ignore,
    /// It is not encrypted and not named as one that need not be: it is told so once and left.
    Leave,
}

/// What becomes of a room.
pub(super) fn admit(config: &Matrixd, room: &RoomId, is_encrypted: bool) -> Admission {
    if !is_listed(config, room) {
        Admission::Ignore
    } else if is_encrypted || may_be_clear(config, room) {
        Admission::Talk
    } else {
        Admission::Leave
    }
}

/// Whether words may go to a room that is not encrypted.
pub(super) fn may_be_clear(config: &Matrixd, room: &RoomId) -> bool {
    config.unencrypted_rooms.iter().any(|named| named == room.as_str())
}

/// Whether an invitation is accepted: from an owner, into a room that is not excluded. The others are declined. That
/// it was an owner only the homeserver says, which gains nothing by it: who speaks in the room is proved again.
pub(super) fn accepts(config: &Matrixd, controls: &Controls, room: &RoomId, inviter: &UserId) -> bool {
    let is_owner = standing(config, inviter) == Standing::Owner;
    is_listed(config, room) && (is_owner || !controls.invitation)
}

fn is_listed(config: &Matrixd, room: &RoomId) -> bool {
    let named = |list: &[String]| list.iter().any(|named| named == room.as_str());
    let is_ours =
        [&config.owner_room, &config.audit_room].into_iter().flatten().any(|named| named == room.as_str());
    config.rooms.is_empty() || named(&config.rooms) || is_ours
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{room_id, user_id};

    use super::*;

    fn config() -> Matrixd {
        Matrixd {
            owners: vec!["@ann:home.org".into()],
            members: vec!["@bob:home.org".into()],
            unencrypted_rooms: vec!["!clear:home.org".into()],
            ..Matrixd::default()
        }
    }

    #[test]
    fn a_room_in_the_clear_is_left_unless_it_is_named() {
        assert_eq!(admit(&config(), room_id!("!a:home.org"), true), Admission::Talk);
        assert_eq!(admit(&config(), room_id!("!a:home.org"), false), Admission::Leave);
        assert_eq!(admit(&config(), room_id!("!clear:home.org"), false), Admission::Talk);
    }

    #[test]
    fn a_list_of_rooms_excludes_all_others_but_our_own() {
        let config = Matrixd {
            rooms: vec!["!a:home.org".into()],
            audit_room: Some("!audit:home.org".into()),
            ..config()
        };
        let ann = user_id!("@ann:home.org");
        for (room, is_listed) in [
            (room_id!("!a:home.org"), true),
            (room_id!("!audit:home.org"), true),
            (room_id!("!b:home.org"), false),
        ] {
            let expected = if is_listed { Admission::Talk } else { Admission::Ignore };
            assert_eq!(admit(&config, room, true), expected);
            assert_eq!(accepts(&config, &Controls::all(), room, ann), is_listed);
        }
    }

    #[test]
    fn only_an_owner_invites() {
        let room = room_id!("!a:home.org");
        for (inviter, is_accepted) in [
            (user_id!("@ann:home.org"), true),
            (user_id!("@Ann:home.org"), false),
            (user_id!("@ann:evil.net"), false),
            (user_id!("@bob:home.org"), false),
        ] {
            assert_eq!(accepts(&config(), &Controls::all(), room, inviter), is_accepted, "{inviter}");
        }
        assert!(!accepts(&Matrixd::default(), &Controls::all(), room, user_id!("@ann:home.org")));
        let without = Controls { invitation: false, ..Controls::all() };
        assert!(
            accepts(&config(), &without, room, user_id!("@bob:home.org")),
            "the control is what declines"
        );
    }
}

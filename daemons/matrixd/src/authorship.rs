//! Who somebody is to us: decided from the configuration and the proof that came with the event, and nothing else.
//!
//! A display name says nothing, and neither does a power level: the homeserver has both in its hand.

use matrix_sdk::ruma::{OwnedUserId, RoomId, UserId};
use testudo::config::Matrixd;
use testudo::observation::Author;

use crate::incoming::Trust;

/// Who somebody is to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// An owner of the appliance.
    Owner,
    /// A known person who is not an owner.
    Member,
    /// Somebody of another network, whose bridge speaks for him.
    Bridged,
    /// Anybody else; he is not heard.
    Stranger,
}

/// The standing of a user id, whatever its proof: the lists are read in one place, for the agent's daemon too.
pub fn standing(config: &Matrixd, user: &UserId) -> Standing {
    match config.author(user.as_str()) {
        Author::Owner => Standing::Owner,
        Author::Member => Standing::Member,
        Author::Bridged => Standing::Bridged,
        Author::Stranger => Standing::Stranger,
    }
}

/// Whether what came with this proof may answer a question or command something: only from an owner's own device.
pub fn may_answer(config: &Matrixd, user: &UserId, trust: &Trust) -> bool {
    standing(config, user) == Standing::Owner && matches!(trust, Trust::Verified(_))
}

/// Why somebody must not hear what is said in an encrypted room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objection {
    /// He is on no list.
    Stranger,
    /// A bridge speaks for him, and nobody said that bridged people are to be in this room.
    Bridged,
    /// He has another identity than the one that he is known by.
    Identity,
}

/// Somebody who is in an encrypted room and must not hear what is said there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwelcome {
    /// Who.
    pub user: OwnedUserId,
    /// Why.
    pub objection: Objection,
}

/// Those of the people in an encrypted room whom the lists do not let hear what is said there; `own` is ourselves. A
/// pattern covers names that anybody can make up at that homeserver, so it counts in the rooms that are named for it.
pub fn unwelcome(config: &Matrixd, own: &UserId, room: &RoomId, people: &[OwnedUserId]) -> Vec<Unwelcome> {
    let may_be_bridged = config.bridged_rooms.iter().any(|named| named == room.as_str());
    let objection = |user: &UserId| match standing(config, user) {
        Standing::Stranger => Some(Objection::Stranger),
        Standing::Bridged if !may_be_bridged => Some(Objection::Bridged),
        Standing::Owner | Standing::Member | Standing::Bridged => None,
    };
    let others = people.iter().filter(|user| **user != own);
    others.filter_map(|user| Some(Unwelcome { user: user.clone(), objection: objection(user)? })).collect()
}

/// Whether people are owners and ourselves, and nobody else; at least one of them is an owner.
pub fn are_owners_alone(config: &Matrixd, own: &UserId, people: &[OwnedUserId]) -> bool {
    let is_owner = |user: &UserId| standing(config, user) == Standing::Owner;
    people.iter().all(|user| user == own || is_owner(user)) && people.iter().any(|user| is_owner(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use matrix_sdk::ruma::{device_id, room_id, user_id};

    fn people(names: &[&str]) -> Vec<OwnedUserId> {
        names.iter().map(|name| UserId::parse(name).unwrap()).collect()
    }

    #[test]
    fn who_is_on_no_list_is_unwelcome_and_who_is_behind_a_bridge_but_where_he_is_expected() {
        let own = user_id!("@testudo:home.org");
        let all = ["@testudo:home.org", "@ann:home.org", "@bob:home.org", "@signal_7:home.org"];
        let config = Matrixd { bridged_rooms: vec!["!far:home.org".into()], ..config() };
        let of = |room: &RoomId, names: &[&str]| -> Vec<(String, Objection)> {
            let found = unwelcome(&config, own, room, &people(names)).into_iter();
            found.map(|one| (one.user.to_string(), one.objection)).collect()
        };
        assert_eq!(of(room_id!("!far:home.org"), &all), []);
        let bridged = ("@signal_7:home.org".to_owned(), Objection::Bridged);
        for room in
            [room_id!("!near:home.org"), room_id!("!far:home.org.evil.net"), room_id!("!Far:home.org")]
        {
            assert_eq!(of(room, &all), std::slice::from_ref(&bridged), "{room}");
        }
        for stranger in ["@Ann:home.org", "@ann:evil.net", "@testudo:evil.net", "@signal_:evil.net"] {
            let with = [&all[..], &[stranger]].concat();
            assert_eq!(of(room_id!("!far:home.org"), &with), [(stranger.to_owned(), Objection::Stranger)]);
        }
    }

    #[test]
    fn owners_are_alone_where_nobody_else_is() {
        let own = user_id!("@testudo:home.org");
        for (names, expected) in [
            (&["@testudo:home.org", "@ann:home.org"][..], true),
            (&["@ann:home.org"], true),
            (&["@testudo:home.org"], false),
            (&[], false),
            (&["@testudo:home.org", "@ann:home.org", "@bob:home.org"], false),
            (&["@testudo:home.org", "@ann:home.org", "@signal_7:home.org"], false),
            (&["@testudo:home.org", "@ann:home.org", "@ann:evil.net"], false),
        ] {
            assert_eq!(are_owners_alone(&config(), own, &people(names)), expected, "{names:?}");
        }
    }

    fn config() -> Matrixd {
        Matrixd {
            owners: vec!["@ann:home.org".into()],
            members: vec!["@bob:home.org".into()],
            bridged: vec!["@signal_*:home.org".into()],
            ..Matrixd::default()
        }
    }

    #[test]
    fn a_list_says_who_somebody_is() {
        for (user, expected) in [
            ("@ann:home.org", Standing::Owner),
            ("@ann:home.org.evil.net", Standing::Stranger),
            ("@Ann:home.org", Standing::Stranger),
            ("@bob:home.org", Standing::Member),
            ("@signal_7:home.org", Standing::Bridged),
            ("@signal_7:evil.net", Standing::Stranger),
            ("@xsignal_7:home.org", Standing::Stranger),
        ] {
            assert_eq!(standing(&config(), <&UserId>::try_from(user).unwrap()), expected, "{user}");
        }
    }

    #[test]
    fn only_an_owners_verified_device_answers() {
        let device = device_id!("D").to_owned();
        let ann = <&UserId>::try_from("@ann:home.org").unwrap();
        let bob = <&UserId>::try_from("@bob:home.org").unwrap();
        assert!(may_answer(&config(), ann, &Trust::Verified(device.clone())));
        for trust in [Trust::Plain, Trust::Unverified(device.clone()), Trust::CrossSigned(device.clone())] {
            assert!(!may_answer(&config(), ann, &trust), "{trust:?}");
        }
        assert!(!may_answer(&config(), bob, &Trust::Verified(device)));
    }
}

//! Who somebody is to us: decided from the configuration and the proof that came with the event, and nothing else.
//!
//! A display name says nothing, and neither does a power level: the homeserver has both in its hand.

use matrix_sdk::ruma::{OwnedUserId, UserId};
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

/// Those of some people who are on no list; `own` is ourselves. What is said where one of them is, is said to him, too.
pub fn strangers(config: &Matrixd, own: &UserId, people: &[OwnedUserId]) -> Vec<OwnedUserId> {
    let is_stranger = |user: &&OwnedUserId| **user != own && standing(config, user) == Standing::Stranger;
    people.iter().filter(is_stranger).cloned().collect()
}

/// Whether people are owners and ourselves, and nobody else; at least one of them is an owner.
pub fn are_owners_alone(config: &Matrixd, own: &UserId, people: &[OwnedUserId]) -> bool {
    let is_owner = |user: &UserId| standing(config, user) == Standing::Owner;
    people.iter().all(|user| user == own || is_owner(user)) && people.iter().any(|user| is_owner(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use matrix_sdk::ruma::{device_id, user_id};

    fn people(names: &[&str]) -> Vec<OwnedUserId> {
        names.iter().map(|name| UserId::parse(name).unwrap()).collect()
    }

    #[test]
    fn who_is_on_no_list_is_a_stranger_and_we_are_none() {
        let own = user_id!("@testudo:home.org");
        let all = ["@testudo:home.org", "@ann:home.org", "@bob:home.org", "@signal_7:home.org"];
        assert!(strangers(&config(), own, &people(&all)).is_empty());
        for stranger in ["@Ann:home.org", "@ann:evil.net", "@testudo:evil.net", "@signal_:evil.net"] {
            let with = people(&[&all[..], &[stranger]].concat());
            assert_eq!(strangers(&config(), own, &with), people(&[stranger]), "{stranger}");
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

//! Who said something, as it is told to the agent: never more than the proof that came with it makes him.
//!
//! | standing | verified | cross-signed, unverified | not encrypted |
//! |---|---|---|---|
//! | owner | owner | member | stranger; member where the homeserver is trusted |
//! | member | member | member | stranger; member where the homeserver is trusted |
//! | bridged | bridged | bridged | bridged |
//!
//! What is not encrypted may be the homeserver's invention. What a bridge brings is never more than the bridge's word.

use testudo::config::Matrixd;
use testudo::observation::Author;

use crate::agent::Speaker;
use crate::authorship::{Standing, standing};
use crate::incoming::{Origin, Trust};

/// Who it is to the agent; none who is not heard.
pub fn speaker(config: &Matrixd, origin: &Origin) -> Option<Speaker> {
    let is_vouched = !matches!(origin.trust, Trust::Plain) || config.trust_homeserver;
    let author = match standing(config, &origin.sender) {
        Standing::Owner if matches!(origin.trust, Trust::Verified(_)) => Author::Owner,
        Standing::Owner | Standing::Member if is_vouched => Author::Member,
        Standing::Owner | Standing::Member => Author::Stranger,
        Standing::Bridged => Author::Bridged,
        Standing::Stranger => return None,
    };
    Some(Speaker { author, id: origin.sender.to_string() })
}

/// What an owner is told who is heard as less: why, and what helps.
pub fn remark(config: &Matrixd, origin: &Origin) -> Option<&'static str> {
    if standing(config, &origin.sender) != Standing::Owner {
        return None;
    }
    match origin.trust {
        Trust::Verified(_) => None,
        Trust::CrossSigned(_) => Some(
            "I take what you say as a member's: nobody verified that you are you. On the appliance, \
             `testudoctl matrix verify` does it.",
        ),
        Trust::Unverified(_) => Some(
            "I take what you say as a member's: this device of yours is not verified. Verify it with another device \
             of yours, or with your recovery key.",
        ),
        Trust::Plain => Some(
            "What you say here is not encrypted, so the homeserver may have made it up: I do not take it as an \
             owner's, and nothing can be approved here.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matrix_sdk::ruma::{UserId, device_id, owned_event_id, owned_room_id};

    fn author(user: &str, trust: Trust, trust_homeserver: bool) -> Option<Author> {
        let config = Matrixd {
            owners: vec!["@ann:home.org".into()],
            members: vec!["@bob:home.org".into()],
            bridged: vec!["@irc_*:home.org".into()],
            trust_homeserver,
            ..Matrixd::default()
        };
        let origin = Origin {
            room: owned_room_id!("!r:home.org"),
            event: owned_event_id!("$e"),
            sender: UserId::parse(user).unwrap(),
            trust,
            sent_ms: 0,
        };
        speaker(&config, &origin).map(|speaker| speaker.author)
    }

    #[test]
    fn nobody_is_more_than_he_proved() {
        let device = device_id!("D").to_owned();
        for (user, trust, expected) in [
            ("@ann:home.org", Trust::Verified(device.clone()), Some(Author::Owner)),
            ("@ann:home.org", Trust::CrossSigned(device.clone()), Some(Author::Member)),
            ("@ann:home.org", Trust::Unverified(device.clone()), Some(Author::Member)),
            ("@ann:home.org", Trust::Plain, Some(Author::Stranger)),
            ("@bob:home.org", Trust::Verified(device.clone()), Some(Author::Member)),
            ("@bob:home.org", Trust::Plain, Some(Author::Stranger)),
            ("@irc_x:home.org", Trust::Plain, Some(Author::Bridged)),
            ("@irc_x:home.org", Trust::Verified(device.clone()), Some(Author::Bridged)),
            ("@eve:evil.net", Trust::Verified(device), None),
        ] {
            assert_eq!(author(user, trust.clone(), false), expected, "{user} {trust:?}");
        }
        assert_eq!(author("@ann:home.org", Trust::Plain, true), Some(Author::Member));
    }
}

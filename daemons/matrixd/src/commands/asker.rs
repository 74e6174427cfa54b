//! Who gives a command, and which ones he may. Pure.

use testudo::command::{Command, Rights};
use testudo::config::Matrixd;

use crate::authorship::{Standing, standing};
use crate::controls::Controls;
use crate::incoming::{Origin, Trust};

/// Who gives a command, as far as that is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// An owner, from a device of his that is verified.
    Owner,
    /// Somebody who says from another device that he is an owner.
    Unproved,
    /// A member.
    Member,
    /// Anybody else, or a member whose words the homeserver may have invented: there is no answer.
    Nobody,
}

impl Asker {
    /// Who an event is from.
    pub fn of(config: &Matrixd, controls: Controls, origin: &Origin) -> Self {
        let is_device = match origin.trust {
            Trust::Verified(_) => true,
            Trust::Unverified(_) | Trust::CrossSigned(_) => !controls.device,
            Trust::Plain => !controls.device && !controls.encryption,
        };
        // In a room that need not be encrypted, members are heard as the homeserver has them.
        let is_plain_room = config.unencrypted_rooms.iter().any(|room| room == origin.room.as_str());
        let is_heard = is_plain_room || origin.trust != Trust::Plain || !controls.encryption;
        match standing(config, &origin.sender) {
            Standing::Owner if is_device => Self::Owner,
            Standing::Owner if is_heard => Self::Unproved,
            Standing::Member if !controls.sender && is_device => Self::Owner,
            Standing::Member if is_heard => Self::Member,
            Standing::Owner | Standing::Member | Standing::Bridged | Standing::Stranger => Self::Nobody,
        }
    }

    /// What he may.
    pub const fn rights(self) -> Rights {
        match self {
            Self::Owner => Rights::Owner,
            Self::Unproved | Self::Member | Self::Nobody => Rights::Member,
        }
    }

    /// Why he may not give this command; none when he may.
    pub fn refusal(self, command: &Command) -> Option<&'static str> {
        let wanted = command.entry().map_or(Rights::Owner, |entry| entry.rights);
        match (self, wanted) {
            (Self::Nobody, _) => Some("You are not on the list."),
            (Self::Owner, _) | (_, Rights::Member) => None,
            (Self::Unproved, Rights::Owner) => Some(
                "That is done for a verified device of an owner only, and this one is not verified: \
                 `testudoctl matrix verify` at the machine does it. `/help` lists what there is without.",
            ),
            (Self::Member, Rights::Owner) => {
                Some("That is for owners only. `/help` lists what there is for you.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorship::may_answer;
    use crate::commands::tests::{config, origin};
    use matrix_sdk::ruma::{OwnedDeviceId, device_id};
    use testudo::command::table::TABLE;
    use testudo::command::{Channel, Line, read};

    const PEOPLE: [&str; 4] = ["@ann:home.org", "@bob:home.org", "@signal_1:home.org", "@eve:evil.net"];

    fn device() -> OwnedDeviceId {
        device_id!("D").to_owned()
    }

    fn proofs() -> [Trust; 4] {
        [Trust::Verified(device()), Trust::CrossSigned(device()), Trust::Unverified(device()), Trust::Plain]
    }

    #[test]
    fn who_somebody_is_hangs_on_the_list_and_on_the_proof() {
        use Asker::{Member, Nobody, Owner, Unproved};
        for (user, expected) in [
            (PEOPLE[0], [Owner, Unproved, Unproved, Nobody]),
            (PEOPLE[1], [Member, Member, Member, Nobody]),
            (PEOPLE[2], [Nobody; 4]),
            (PEOPLE[3], [Nobody; 4]),
        ] {
            let found = proofs().map(|trust| Asker::of(&config(), Controls::all(), &origin(user, trust)));
            assert_eq!(found, expected, "{user}");
        }
    }

    #[test]
    fn an_owner_is_who_may_answer_and_nobody_else() {
        for user in PEOPLE {
            for trust in proofs() {
                let origin = origin(user, trust);
                let owner = Asker::of(&config(), Controls::all(), &origin) == Asker::Owner;
                assert_eq!(owner, may_answer(&config(), &origin.sender, &origin.trust), "{origin:?}");
            }
        }
    }

    #[test]
    fn in_a_room_that_is_not_encrypted_nobody_is_an_owner_and_members_are_heard() {
        let mut config = config();
        config.unencrypted_rooms = vec!["!room:home.org".into()];
        let asker = |user| Asker::of(&config, Controls::all(), &origin(user, Trust::Plain));
        assert_eq!(PEOPLE.map(asker), [Asker::Unproved, Asker::Member, Asker::Nobody, Asker::Nobody]);
    }

    /// Rights × commands: the whole table.
    #[test]
    fn each_command_is_for_those_in_the_table() {
        for entry in &TABLE {
            let Some(usage) = entry.matrix else { continue };
            let line =
                format!("/{} {}", entry.name, usage.arguments).replace(['[', ']'], "").replace("NUMBER", "1");
            let Line::Command(command) = read(&line, Channel::Matrix) else { panic!("{line}") };
            let member = matches!(entry.name, "help" | "status" | "stop" | "new");
            for (asker, may) in [
                (Asker::Owner, true),
                (Asker::Unproved, member),
                (Asker::Member, member),
                (Asker::Nobody, false),
            ] {
                assert_eq!(asker.refusal(&command).is_none(), may, "{asker:?} {line}");
            }
        }
    }

    #[cfg(feature = "ablation")]
    #[test]
    fn without_a_control_the_wrong_ones_command() {
        for (control, user, trust) in [
            ("sender", PEOPLE[1], Trust::Verified(device())),
            ("device", PEOPLE[0], Trust::Unverified(device())),
        ] {
            let origin = origin(user, trust);
            assert_ne!(Asker::of(&config(), Controls::all(), &origin), Asker::Owner, "{control}");
            let without = Controls::without(control).unwrap();
            assert_eq!(Asker::of(&config(), without, &origin), Asker::Owner, "{control}");
        }
    }
}

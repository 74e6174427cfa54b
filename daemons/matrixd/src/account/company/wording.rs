//! What is said of people who must not hear something: in the room, in the status, in the outbox. Pure.
//!
//! Who reads that somebody has another identity must know what that can mean and what it cannot: it is the one moment at
//! which a homeserver that listens in can be seen.

use std::collections::BTreeMap;

use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId};

use crate::approval::rendering::defused;
use crate::authorship::{Objection, Unwelcome};
use crate::conversation::plain;
use crate::outgoing::Text;
use crate::trust::condition::Word;

/// Most people that are named; the others are counted.
const NAMED: usize = 5;
/// Every reason, in the order in which they are said.
const ALL: [Objection; 3] = [Objection::Stranger, Objection::Bridged, Objection::Identity];

/// Why something is not said now.
pub(in crate::account) fn cause(found: &[Unwelcome]) -> String {
    let one = |objection, people: &[OwnedUserId]| match objection {
        Objection::Stranger => format!("{} in the room and on no list", are(people)),
        Objection::Bridged => {
            format!("{} in the room, behind a bridge, and it is none of `bridged_rooms`", are(people))
        }
        Objection::Identity => format!("{} in the room with another identity than before", are(people)),
    };
    joined(found, one, "; ")
}

/// What the room is told. It is nothing of any session: everybody can read it.
pub(super) fn notice(found: &[Unwelcome]) -> Text {
    let what = |objection, people: &[OwnedUserId]| match objection {
        Objection::Stranger => format!("{} in this room and on none of my lists.", are(people)),
        Objection::Bridged => format!(
            "{} in this room, behind a bridge, and nobody told me that bridged people are expected here.",
            are(people)
        ),
        Objection::Identity => {
            format!("{} in this room with another identity than the one that I know.", are(people))
        }
    };
    let help = |objection, _: &[OwnedUserId]| match objection {
        Objection::Stranger => {
            "Remove them, or have an operator add them to the lists of [matrixd].".to_owned()
        }
        Objection::Bridged => {
            "Remove them, or have an operator name this room in `bridged_rooms`.".to_owned()
        }
        Objection::Identity => {
            "Nobody gets another identity by a new device, or by leaving: whoever reset his own \
                                tells an operator so, in person, who verifies or accepts it."
                .to_owned()
        }
    };
    let body = format!(
        "{} So I say nothing here until that has changed; what I have to say waits. {} This notice is not encrypted, \
         so take nobody's word for it: `testudoctl matrix status` says the same.",
        joined(found, what, " "),
        joined(found, help, " "),
    );
    Text { body: defused(&plain::harmless(&body)), notice: true, ..Text::default() }
}

/// What the status says by each of its words; none where everything is well.
pub(super) fn sentences(seen: &BTreeMap<OwnedRoomId, Vec<Unwelcome>>) -> [(Word, Option<String>); 3] {
    let rooms = |objection| {
        let rooms = seen.iter().map(|(room, found)| (room, of(found, objection)));
        let rooms = rooms.filter(|(_, people)| !people.is_empty());
        let rooms: Vec<String> = rooms.map(|(room, people)| format!("in {room} {}", are(&people))).collect();
        (!rooms.is_empty()).then(|| rooms.join(", "))
    };
    let stranger = rooms(Objection::Stranger).map(|rooms| {
        format!(
            "nothing is said where somebody of no list would hear it: {rooms}; remove them from the room, or add them \
             to `members` or `bridged`"
        )
    });
    let bridged = rooms(Objection::Bridged).map(|rooms| {
        format!(
            "nothing is said in an encrypted room where somebody behind a bridge would hear it and none is expected: \
             {rooms}; remove them from the room, or name it in `bridged_rooms`"
        )
    });
    let identity = rooms(Objection::Identity).map(|rooms| {
        format!(
            "nothing is said where somebody has another identity than the one that was known: {rooms}; that does not \
             come of a new device, of who leaves, or of a new key of a room: either they reset their identity, as \
             clients offer to who lost every device or the recovery key, or the homeserver made one up to read along; \
             ask them on another way than this homeserver; if they did, `testudoctl matrix verify USER`, or \
             `testudoctl matrix accept-identity USER` without comparing; if not, remove them from the room"
        )
    });
    [(Word::StrangerInRoom, stranger), (Word::BridgedInRoom, bridged), (Word::IdentityChanged, identity)]
}

fn of(found: &[Unwelcome], objection: Objection) -> Vec<OwnedUserId> {
    found.iter().filter(|one| one.objection == objection).map(|one| one.user.clone()).collect()
}

/// A sentence for each reason that there is.
fn joined(found: &[Unwelcome], say: impl Fn(Objection, &[OwnedUserId]) -> String, between: &str) -> String {
    let said = ALL.into_iter().map(|objection| (objection, of(found, objection)));
    let said = said.filter(|(_, people)| !people.is_empty());
    said.map(|(objection, people)| say(objection, &people)).collect::<Vec<_>>().join(between)
}

/// Names people, such as "@a:x and 3 others are".
fn are(people: &[OwnedUserId]) -> String {
    let mut named: Vec<String> = people.iter().take(NAMED).map(ToString::to_string).collect();
    let others = people.len().saturating_sub(NAMED);
    if others > 0 {
        named.push(format!("{others} others"));
    }
    let verb = if people.len() == 1 { "is" } else { "are" };
    match named.split_last() {
        Some((last, [])) => format!("{last} {verb}"),
        Some((last, first)) => format!("{} and {last} {verb}", first.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk::ruma::{UserId, owned_room_id};

    use super::*;

    fn people(count: usize) -> Vec<OwnedUserId> {
        (0..count).map(|number| UserId::parse(format!("@u{number}:x")).unwrap()).collect()
    }

    fn found(count: usize, objection: Objection) -> Vec<Unwelcome> {
        people(count).into_iter().map(|user| Unwelcome { user, objection }).collect()
    }

    #[test]
    fn a_few_are_named_and_the_others_are_counted() {
        for (count, expected) in [
            (1, "@u0:x is"),
            (2, "@u0:x and @u1:x are"),
            (5, "@u0:x, @u1:x, @u2:x, @u3:x and @u4:x are"),
            (9, "@u0:x, @u1:x, @u2:x, @u3:x, @u4:x and 4 others are"),
        ] {
            assert_eq!(are(&people(count)), expected);
        }
    }

    #[test]
    fn the_notice_says_who_why_and_what_helps_and_rings_at_nobodys() {
        for (objection, parts) in [
            (Objection::Stranger, ["on none of my lists", "Remove them", "lists of [matrixd]"]),
            (Objection::Bridged, ["behind a bridge", "Remove them", "`bridged_rooms`"]),
            (Objection::Identity, ["another identity", "new device", "verifies or accepts"]),
        ] {
            let notice = notice(&found(1, objection));
            for part in parts.into_iter().chain(["@u0:x is in this room", "testudoctl matrix status"]) {
                assert!(notice.body.contains(part), "{part}: {}", notice.body);
            }
            assert!(notice.notice && notice.mentions.is_empty() && notice.html.is_none());
        }
    }

    #[test]
    fn every_reason_has_its_own_word_and_names_every_room() {
        let mut seen = BTreeMap::from([(owned_room_id!("!good:x"), Vec::new())]);
        assert!(sentences(&seen).iter().all(|(_, sentence)| sentence.is_none()));
        seen.extend([
            (owned_room_id!("!a:x"), found(1, Objection::Stranger)),
            (owned_room_id!("!b:x"), found(2, Objection::Stranger)),
            (owned_room_id!("!c:x"), found(1, Objection::Identity)),
        ]);
        let [(_, stranger), (_, bridged), (_, identity)] = sentences(&seen);
        let stranger = stranger.unwrap();
        assert!(stranger.contains("in !a:x @u0:x is, in !b:x @u0:x and @u1:x are;"), "{stranger}");
        assert_eq!(bridged, None);
        let identity = identity.unwrap();
        for part in
            [": in !c:x @u0:x is;", "new device", "reset", "homeserver made one up", "accept-identity"]
        {
            assert!(identity.contains(part), "{part}: {identity}");
        }
    }

    #[test]
    fn somebody_else_with_another_reason_is_named_beside() {
        let mut both = found(1, Objection::Stranger);
        both.push(Unwelcome { user: UserId::parse("@bob:x").unwrap(), objection: Objection::Identity });
        assert_eq!(
            cause(&both),
            "@u0:x is in the room and on no list; @bob:x is in the room with another identity than before"
        );
    }
}

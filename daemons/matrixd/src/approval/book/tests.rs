use matrix_sdk::ruma::{event_id, owned_event_id, room_id, user_id};

use super::*;
use crate::approval::judging::tests::prompt;
use crate::approval::prompt::End;

fn book() -> (tempfile::TempDir, Book) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("matrixd.db"), &[7; 32]).unwrap();
    (directory, Book::new(store).unwrap())
}

#[test]
fn a_prompt_is_found_by_its_events_its_approval_and_its_code_once_it_ended() {
    let (_directory, book) = book();
    let open = prompt();
    book.keep(&open).unwrap();
    assert_eq!(book.open().unwrap(), std::slice::from_ref(&open));
    assert!(book.waits_in(room_id!("!home:home.org")).unwrap());
    let ended = Prompt { end: Some(End::Denied), file: Some(owned_event_id!("$file")), ..open };
    book.keep(&ended).unwrap();
    assert!(book.open().unwrap().is_empty() && !book.waits_in(room_id!("!home:home.org")).unwrap());
    for (event, approval, code, expected) in [
        (Some(event_id!("$prompt")), None, None, true),
        (Some(event_id!("$file")), None, None, true),
        (None, Some("a-7"), None, true),
        (None, None, Some("K7QM"), true),
        (Some(event_id!("$other")), Some("a-8"), Some("K7QN"), false),
        (None, None, None, false),
    ] {
        let code = code.and_then(Code::parse);
        let found = book.candidates(event, approval, code.as_ref()).unwrap();
        assert_eq!(!found.is_empty(), expected, "{event:?} {approval:?}");
    }
    assert!(book.concerns(event_id!("$file")).unwrap() && !book.concerns(event_id!("$other")).unwrap());
}

#[test]
fn an_answer_is_claimed_once_and_its_result_is_kept() {
    let (_directory, book) = book();
    let (event, ann) = (event_id!("$1"), user_id!("@ann:home.org"));
    assert_eq!(book.claimed(event).unwrap(), Claim::Unknown);
    assert!(book.claim(event, "k", ann, 1).unwrap());
    assert!(!book.claim(event, "k", ann, 2).unwrap());
    assert_eq!(book.claimed(event).unwrap(), Claim::Open { prompt: "k".into() });
    book.conclude(event, "approved").unwrap();
    assert_eq!(book.claimed(event).unwrap(), Claim::Done);
    assert!(book.concerns(event).unwrap());
    assert!(!book.was_taken_back("k", ann).unwrap());
    // A moderator, or a homeserver, takes nothing of hers back.
    assert!(!book.take_back(event, user_id!("@mod:home.org")).unwrap());
    assert!(!book.was_taken_back("k", ann).unwrap());
    assert!(book.take_back(event, ann).unwrap() && !book.take_back(event_id!("$2"), ann).unwrap());
    assert!(book.was_taken_back("k", ann).unwrap() && !book.was_taken_back("other", ann).unwrap());
}

#[test]
fn the_code_of_an_open_prompt_is_nowhere_in_clear() {
    let (directory, book) = book();
    let code = "K7QM";
    book.keep(&prompt()).unwrap();
    let files = std::fs::read_dir(directory.path()).unwrap();
    for file in files.map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(4).any(|window| window == code.as_bytes()), "{}", file.display());
    }
}

#[test]
fn what_is_long_over_is_forgotten_and_what_is_open_is_not() {
    let (_directory, book) = book();
    let old = Prompt { key: "old".into(), end: Some(End::Expired), asked_ms: 0, ..prompt() };
    let open = Prompt { key: "open".into(), asked_ms: 0, ..prompt() };
    book.keep(&old).unwrap();
    book.keep(&open).unwrap();
    book.claim(event_id!("$1"), "old", user_id!("@ann:home.org"), 0).unwrap();
    book.refuse("old", user_id!("@bob:home.org"), "sender").unwrap();
    book.forget(KEPT_MS + 1).unwrap();
    assert_eq!(book.of("a-7").unwrap(), [open]);
    assert_eq!(book.claimed(event_id!("$1")).unwrap(), Claim::Unknown);
}

#[test]
fn refusals_are_counted_for_each_person_and_reason() {
    let (_directory, book) = book();
    let bob = user_id!("@bob:home.org");
    assert!(book.refuse("k", bob, "sender").unwrap());
    assert!(!book.refuse("k", bob, "sender").unwrap());
    assert!(book.refuse("k", bob, "place").unwrap());
    assert!(book.refuse("other", bob, "sender").unwrap());
    assert_eq!(book.repeated("k").unwrap(), [("@bob:home.org".into(), "sender".into(), 1)]);
}

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use testudo_sandbox::memfd;

use super::*;

fn found(bytes: &[u8]) -> Sealed {
    Sealed::of(memfd::sealed(c"given", bytes).unwrap(), bytes.len() as u64).unwrap()
}

/// A file that is said to have this size.
fn sized(size: u64) -> Sealed {
    Sealed { length: size, ..found(b"x") }
}

/// The files of all sessions, and what time it is there.
struct Stage {
    given: Given,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        Self { given: Given::default(), now: Instant::now() }
    }

    fn give(&self, session: &str, size: u64) -> Result<GivenFile, FullError> {
        self.given.keep(session, "a", sized(size), self.now)
    }

    fn fetch(&self, session: &str, file: &GivenFile) -> bool {
        self.given.fetch(session, &file.id, self.now).is_ok()
    }

    /// Whether it is there, without fetching it.
    fn has(&self, file: &GivenFile) -> bool {
        self.given.lock().iter().any(|kept| kept.file.id == file.id)
    }

    fn bytes(&self) -> u64 {
        self.given.lock().iter().map(|kept| kept.file.size).sum()
    }
}

#[test]
fn a_file_is_fetched_as_it_was_and_by_its_session_alone() {
    let (given, now) = (Given::default(), Instant::now());
    let file = given.keep("s", "../out/report.pdf", found(b"abc"), now).unwrap();
    assert_eq!((file.name.as_str(), file.mime.as_str(), file.size), ("report.pdf", "application/pdf", 3));
    assert_eq!(file.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for _ in 0..2 {
        let content = given.fetch("s", &file.id, now).unwrap();
        assert_eq!(memfd::read_sealed(content, 3).unwrap(), b"abc");
    }
    for (session, id) in [("t", file.id.as_str()), ("s", "f-1"), ("s", ""), ("", file.id.as_str())] {
        assert!(matches!(given.fetch(session, id, now), Err(GivenError::Unknown)), "{session} {id}");
    }
    let other = given.keep("t", "a", found(b""), now).unwrap();
    given.forget("s");
    assert!(given.fetch("s", &file.id, now).is_err() && given.fetch("t", &other.id, now).is_ok());
}

#[test]
fn what_is_kept_and_handed_out_is_the_memory_that_came_and_no_copy() {
    let (given, now) = (Given::default(), Instant::now());
    let theirs = File::from(memfd::sealed(c"theirs", b"abc").unwrap());
    let found = Sealed::of(theirs.try_clone().unwrap().into(), 3).unwrap();
    let file = given.keep("s", "a", found, now).unwrap();
    let handed_out = File::from(given.fetch("s", &file.id, now).unwrap());
    assert_eq!(handed_out.metadata().unwrap().ino(), theirs.metadata().unwrap().ino());
}

#[test]
fn what_nobody_has_fetched_makes_no_room_and_the_call_is_told_so() {
    let stage = Stage::new();
    let files: Vec<_> = (0..MOST_FILES).map(|_| stage.give("s", 1).unwrap()).collect();
    assert_eq!(stage.give("s", 1), Err(FullError::Session));
    assert!(files.iter().all(|file| stage.has(file)), "none of them had to go");
    assert!(stage.give("t", 1).is_ok(), "another session has its own");
    let text = FullError::Session.to_string();
    assert!(text.contains("32 files or 48 MiB") && text.contains("testudoctl file"), "{text}");

    let large: Vec<_> = (0..3).map(|_| stage.give("u", 16 << 20).unwrap()).collect();
    assert_eq!(stage.give("u", 1), Err(FullError::Session));
    assert!(large.iter().all(|file| stage.has(file)));
}

#[test]
fn what_people_have_makes_room_the_oldest_first_and_no_more_than_needed() {
    let mut stage = Stage::new();
    let files: Vec<_> = (0..3).map(|_| stage.give("s", 16 << 20).unwrap()).collect();
    assert!(stage.fetch("s", &files[2]) && stage.fetch("s", &files[1]));
    assert_eq!(
        stage.give("s", 1),
        Err(FullError::Session),
        "who fetched them may die and fetch them once more"
    );
    stage.now += PASSING_ON;
    stage.give("s", 1).unwrap();
    assert_eq!(files.iter().map(|file| stage.has(file)).collect::<Vec<_>>(), [true, false, true]);
    // What is refused in the end has cost nothing.
    assert_eq!(stage.give("s", 40 << 20), Err(FullError::Session));
    assert!(stage.has(&files[2]));
    assert!(stage.fetch("s", &files[2]));
    assert_eq!(stage.give("s", 16 << 20), Err(FullError::Session), "it was fetched again just now");
}

#[test]
fn a_flood_of_some_sessions_takes_nothing_from_another() {
    let mut stage = Stage::new();
    let mine = stage.give("mine", 1 << 20).unwrap();
    let mut flood = 0;
    for number in 0..40 {
        let session = format!("s-{}", number % 10);
        flood += usize::from(stage.give(&session, 16 << 20).is_ok());
        assert!(stage.bytes() <= MOST_TOGETHER);
    }
    assert_eq!(flood, 11, "what is left of the room of all");
    assert!(stage.has(&mine));
    assert_eq!(stage.give("mine", 16 << 20), Err(FullError::Together));
    // One of them is in hands that have it for long enough, and makes room.
    let theirs = stage.given.lock().iter().find(|kept| kept.session == "s-3").unwrap().file.clone();
    assert!(stage.fetch("s-3", &theirs));
    stage.now += PASSING_ON;
    stage.give("mine", 16 << 20).unwrap();
    assert!(stage.has(&mine) && !stage.has(&theirs));
}

#[test]
fn however_small_they_are_their_descriptors_stay_few() {
    let stage = Stage::new();
    let all = MOST_FILES_TOGETHER;
    let given = (0..2 * all).filter(|number| stage.give(&format!("s-{}", number % 64), 0).is_ok()).count();
    assert_eq!((given, stage.given.lock().len()), (all, all));
    stage.given.forget("s-0");
    assert!(stage.give("s-0", 0).is_ok());
}

#[test]
fn a_file_is_forgotten_a_day_after_it_was_given_and_an_hour_after_it_was_fetched() {
    let mut stage = Stage::new();
    let (fetched, left) = (stage.give("s", 1).unwrap(), stage.give("s", 1).unwrap());
    let began = stage.now;
    let still = |stage: &Stage| {
        stage.given.forget_old(stage.now);
        [stage.has(&fetched), stage.has(&left)]
    };
    assert!(stage.fetch("s", &fetched));
    stage.now = began + Duration::from_mins(59);
    assert_eq!(still(&stage), [true, true]);
    assert!(stage.fetch("s", &fetched), "which counts again");
    stage.now += FETCHED;
    assert!(!stage.fetch("s", &fetched), "also before anybody looked");
    assert_eq!(still(&stage), [false, true]);
    stage.now = began + Duration::from_hours(23);
    assert_eq!(still(&stage), [false, true]);
    stage.now = began + UNFETCHED;
    assert_eq!(still(&stage), [false, false]);
}

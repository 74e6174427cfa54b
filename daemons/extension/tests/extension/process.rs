//! The process on its socket, by the frames of the protocol.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use sha2::{Digest, Sha256};
use testudo::extension::{Facts, MAX_FRAME, Opinion, Reply, Request, Stance};

use super::activator::Activator;
use super::{body, components, facts};

/// Our side of a connection.
struct Peer(BufReader<UnixStream>);

impl Peer {
    fn connect(activator: &Activator) -> Self {
        Self(BufReader::new(UnixStream::connect(activator.socket()).unwrap()))
    }

    fn reply(&mut self) -> Option<Reply> {
        let mut text = Vec::new();
        self.0.read_until(0, &mut text).unwrap();
        (!text.is_empty()).then(|| serde_json::from_slice(text.strip_suffix(&[0]).unwrap()).unwrap())
    }

    fn hello(&mut self) -> Vec<(String, String)> {
        let Some(Reply::Hello { components }) = self.reply() else { panic!("no hello") };
        components.into_iter().map(|component| (component.name, component.sha256)).collect()
    }

    fn ask(&mut self, id: u64, facts: Facts) {
        let mut text = serde_json::to_vec(&Request::Evaluate { id, facts }).unwrap();
        text.push(0);
        self.raw(&text);
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn opinion(&mut self) -> (u64, Opinion) {
        let Some(Reply::Opinion { id, opinion }) = self.reply() else { panic!("no opinion") };
        (id, opinion)
    }
}

#[test]
fn it_says_what_it_loaded_and_ends_with_the_connection() {
    let (_directory, paths) = components(&[("b", body::ASK), ("a", body::PASS)]);
    let activator = Activator::new(&paths);
    for start in 1..=2 {
        let mut peer = Peer::connect(&activator);
        let hash = |index: usize| hex::encode(Sha256::digest(std::fs::read(&paths[index]).unwrap()));
        assert_eq!(peer.hello(), [("b".into(), hash(0)), ("a".into(), hash(1))]);
        drop(peer);
        assert_eq!(activator.ended().code(), Some(0), "{}", activator.log());
        assert_eq!(activator.starts(), start);
    }
}

#[test]
fn every_component_answers_every_request() {
    let (_directory, paths) = components(&[("ask", body::ASK), ("echo", &body::echo(body::field::SESSION))]);
    let activator = Activator::new(&paths);
    let mut peer = Peer::connect(&activator);
    peer.hello();
    // More at once than may be under way.
    for id in 0..100 {
        peer.ask(id, Facts { session: format!("s-{id}"), ..facts() });
    }
    let mut answers = BTreeMap::new();
    for _ in 0..200 {
        let (id, opinion) = peer.opinion();
        answers.insert((id, opinion.component), opinion.reason);
    }
    assert_eq!(answers.len(), 200);
    for id in 0..100 {
        assert_eq!(answers[&(id, "ask".to_owned())], "why.");
        assert_eq!(answers[&(id, "echo".to_owned())], format!("s-{id}"));
    }
}

#[test]
fn what_fails_in_one_component_is_no_matter_of_the_others() {
    let bodies = [("trap", body::TRAP), ("hog", body::HOG), ("loop", body::LOOP), ("ask", body::ASK)];
    let (_directory, paths) = components(&bodies);
    let activator = Activator::new(&paths);
    let mut peer = Peer::connect(&activator);
    peer.hello();
    for round in 0..3 {
        peer.ask(round, facts());
        let answers: BTreeMap<_, _> =
            (0..4).map(|_| peer.opinion().1).map(|opinion| (opinion.component, opinion.stance)).collect();
        let expected = [
            ("ask".to_owned(), Stance::Ask),
            ("hog".to_owned(), Stance::Deny),
            ("loop".to_owned(), Stance::Deny),
            ("trap".to_owned(), Stance::Deny),
        ];
        assert_eq!(answers, BTreeMap::from(expected));
    }
    assert_eq!(activator.starts(), 1);
}

#[test]
fn a_component_that_cannot_be_loaded_is_reported_to_both_sides() {
    let (directory, mut paths) = components(&[("good", body::ASK)]);
    let greedy = directory.path().join("greedy.wasm");
    let text = r#"(component (import "wasi:cli/environment@0.2.0" (instance)))"#;
    std::fs::write(&greedy, wat::parse_str(text).unwrap()).unwrap();
    paths.push(greedy.clone());
    let activator = Activator::new(&paths);
    let mut peer = Peer::connect(&activator);
    let reason = format!(
        "cannot load the extension {}: it imports wasi:cli/environment@0.2.0, and an extension gets no imports",
        greedy.display()
    );
    assert_eq!(peer.reply(), Some(Reply::Refused { reason: reason.clone() }));
    assert_eq!(peer.reply(), None);
    assert_eq!(activator.ended().code(), Some(78));
    assert!(activator.log().contains(&reason), "{}", activator.log());
}

#[test]
fn a_bad_configuration_ends_it_with_78() {
    let activator = Activator::new(&["relative.wasm".into()]);
    let peer = Peer::connect(&activator);
    assert_eq!(activator.ended().code(), Some(78));
    drop(peer);
    assert!(activator.log().contains("testudo.toml:2:15: expected an absolute path"), "{}", activator.log());
}

#[test]
fn whoever_breaks_the_protocol_is_hung_up_on() {
    let (_directory, paths) = components(&[("ask", body::ASK)]);
    let activator = Activator::new(&paths);
    let facts = serde_json::to_string(&facts()).unwrap();
    let wrong = [
        "garbage".to_owned(),
        String::new(),
        "{}".to_owned(),
        "[".repeat(100_000),
        format!(r#"{{"evaluate":{{"id":-1,"facts":{facts}}}}}"#),
        format!(r#"{{"evaluate":{{"id":1,"facts":{facts},"trust":true}}}}"#),
        format!(r#"{{"evaluate":{{"id":1,"facts":{}}}}}"#, facts.replace("\"tool\"", "\"toll\"")),
        "\u{7f}".to_owned(),
    ];
    for text in wrong {
        let mut peer = Peer::connect(&activator);
        peer.hello();
        peer.raw(text.as_bytes());
        peer.raw(&[0]);
        assert_eq!(peer.reply(), None, "{text:.80}");
        assert_eq!(activator.ended().code(), Some(1), "{text:.80}");
    }
    assert!(activator.log().contains("extension stopped: cannot take the request"), "{}", activator.log());
}

#[test]
fn an_endless_frame_is_given_up() {
    let (_directory, paths) = components(&[("ask", body::ASK)]);
    let activator = Activator::new(&paths);
    let mut peer = Peer::connect(&activator);
    peer.hello();
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    while peer.0.get_mut().write_all(&piece).is_ok() {
        sent += piece.len();
        assert!(sent < MAX_FRAME * 2, "it takes everything");
    }
    assert_eq!(activator.ended().code(), Some(1));
}

#[test]
fn no_memory_of_it_is_both_made_and_executed() {
    let (_directory, paths) = components(&[("ask", body::ASK)]);
    let activator = Activator::new(&paths);
    let mut peer = Peer::connect(&activator);
    peer.hello();
    peer.ask(1, facts());
    assert_eq!(peer.opinion().1.stance, Stance::Ask);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", activator.pid())).unwrap();
    let executed: Vec<&str> = maps
        .lines()
        .filter(|line| line.split_whitespace().nth(1).unwrap().contains('x'))
        .map(|line| line.split_whitespace().nth(5).unwrap_or("anonymous"))
        .collect();
    assert!(executed.iter().any(|file| file.ends_with("/testudo-extension")), "{maps}");
    assert!(executed.iter().all(|file| file.starts_with('/') || file.starts_with("[v")), "{maps}");
}

#[test]
fn without_a_socket_it_does_not_start() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_testudo-extension")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot take the socket from the service manager"), "{said}");
}

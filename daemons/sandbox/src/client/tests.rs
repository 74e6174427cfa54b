//! A runner that says and hands over more than it was asked for.

use std::thread;

use super::*;
use crate::protocol::{Limits, Program};

/// What the client makes of replies that come whatever it asks, each with so many descriptors.
fn told(run: &Run, replies: Vec<(Reply, usize)>) -> Result<Outcome, ClientError> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let runner = thread::spawn(move || {
        let mut connection = Connection::new(theirs);
        connection.receive().unwrap();
        for (reply, count) in replies {
            let bulk: Vec<_> = (0..count).map(|_| memfd::sealed(c"bulk", b"").unwrap()).collect();
            let bulk: Vec<_> = bulk.iter().map(AsFd::as_fd).collect();
            // It may have been hung up on.
            if connection.send(&reply, &bulk).is_err() {
                break;
            }
        }
    });
    let outcome = Instance::from_stream(ours).run(run);
    runner.join().unwrap();
    outcome
}

fn streaming(output_bytes: u64) -> Run {
    let program = Program::Exec { argv: vec!["true".to_owned()], cwd: None };
    let limits = Limits { output_bytes, ..Limits::default() };
    Run { stream: true, limits, ..Run::new("c", program) }
}

fn piece(seq: u64, text: &str) -> Reply {
    Reply::Output { call: "c".to_owned(), seq, error: false, text: text.to_owned() }
}

fn done() -> Reply {
    Reply::Done(Done {
        call: "c".to_owned(),
        exit: Some(0),
        signal: None,
        timed_out: false,
        output_truncated: false,
        duration_us: 1,
        peak_memory: None,
        stdout_len: 0,
        stderr_len: 0,
        changes: Proposed::Nothing,
    })
}

#[test]
fn descriptors_do_not_gather_while_a_call_prints() {
    assert!(told(&streaming(9), vec![(piece(0, "a"), 0), (done(), 2)]).is_ok());
    let early = vec![(piece(0, "a"), 2), (done(), 0)];
    assert!(told(&streaming(9), early).is_ok(), "the kernel may give them with earlier bytes");
    let many = (0..100).map(|seq| (piece(seq, ""), 4)).chain([(done(), 2)]).collect();
    assert!(matches!(told(&streaming(9), many), Err(ClientError::Unexpected(_) | ClientError::Wire(_))));
}

#[test]
fn what_is_told_of_a_call_is_no_longer_than_it_may_print() {
    let limit = 9 + usize::try_from(NOTE).unwrap();
    let longest = "x".repeat(3 * limit);
    assert!(told(&streaming(9), vec![(piece(0, &longest), 0), (done(), 2)]).is_ok());
    let more = vec![(piece(0, &longest), 0), (piece(1, "x"), 0), (done(), 2)];
    assert!(matches!(told(&streaming(9), more), Err(ClientError::Unexpected(_))));
}

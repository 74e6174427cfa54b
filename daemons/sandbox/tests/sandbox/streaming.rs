//! Output that is told while a call runs.

use std::time::{Duration, Instant};

use crate::launch::{Place, shell, text};
use testudo_sandbox::client::Piece;
use testudo_sandbox::protocol::{Limits, Run};

#[test]
fn a_call_is_heard_while_it_runs_and_its_result_has_everything() {
    let mut runner = Place::new().zygote();
    // It goes on only when what it printed was heard, for which it is given this long.
    let run = Run {
        stream: true,
        ..shell("echo first; echo oops >&2; sleep 1; printf 'l\\303\\251'; sleep 0.3; echo last")
    };
    let mut heard: Vec<(Piece, Instant)> = Vec::new();
    let outcome = runner.instance.run_with(&run, &mut |piece| heard.push((piece, Instant::now()))).unwrap();
    let ended = Instant::now();
    assert_eq!(text(&outcome.stdout), "first\nl\u{e9}last");
    let of = |error: bool| -> String {
        heard.iter().filter(|(piece, _)| piece.error == error).map(|(piece, _)| piece.text.as_str()).collect()
    };
    assert!(of(false).starts_with("first\nl\u{e9}"), "{heard:?}");
    assert_eq!(of(true), "oops\n");
    assert!(ended - heard[0].1 > Duration::from_millis(500), "heard while it ran");
}

#[test]
fn without_the_wish_nothing_is_told_and_many_pieces_are_gathered() {
    let mut runner = Place::new().zygote();
    let mut heard = 0;
    let script = "for i in $(seq 2000); do echo line $i; done";
    runner.instance.run_with(&shell(script), &mut |_| heard += 1).unwrap();
    assert_eq!(heard, 0);
    let run = Run { stream: true, ..shell(script) };
    let outcome = runner.instance.run_with(&run, &mut |_| heard += 1).unwrap();
    assert_eq!(text(&outcome.stdout).lines().count(), 2000);
    assert!(heard < 40, "{heard} pieces");
}

#[test]
fn a_client_that_does_not_listen_does_not_hold_the_call_up() {
    let mut runner = Place::new().zygote();
    let limits = Limits { wall_ms: 20_000, output_bytes: 32 * 1024 * 1024, ..Limits::default() };
    let run = Run { stream: true, limits, ..shell("head -c 16000000 /dev/zero | tr '\\0' x; echo done >&2") };
    let mut first = true;
    let outcome = runner
        .instance
        .run_with(&run, &mut |_| {
            // Deaf for longer than the call takes.
            if std::mem::take(&mut first) {
                std::thread::sleep(Duration::from_secs(2));
            }
        })
        .unwrap();
    assert_eq!((outcome.stdout.len(), text(&outcome.stderr)), (16_000_000, "done".to_owned()));
    assert!(outcome.done.duration_us < 2_000_000, "{:?}", outcome.done);
}

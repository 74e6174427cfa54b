//! How long the opinion of a component takes, from `policyd`'s side of the socket:
//! `cargo run --release -p testudo-extension --example latency COMPONENT.wasm`, after a build of the process itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement stops at the first surprise"
)]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use testudo::action::{Action, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::identity::Principal;
use testudo::{config, extension::Stance};
use testudo_policyd::extension::Extension;

/// Evaluations that are measured, after as many that are not.
const ROUNDS: usize = 5000;

fn main() {
    let component = PathBuf::from(std::env::args().nth(1).unwrap()).canonicalize().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (socket, config) = (directory.path().join("socket"), directory.path().join("testudo.toml"));
    std::fs::write(&config, format!("[extension]\ncomponents = [\"{}\"]\n", component.display())).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let program = std::env::current_exe().unwrap().with_file_name("../testudo-extension");
    let mut process = Command::new("/bin/sh")
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --config \"$1\""])
        .args([&program, &config])
        .stdin(OwnedFd::from(listener))
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let components = config::Extension { components: vec![component] };
        let extension = Extension::configured(&components, &socket, Arc::new(Instant::now)).unwrap();
        let began = Instant::now();
        extension.warm().await;
        println!("start, load, hello: {:?}", began.elapsed());
        for changes in [0, 10, 50, 100, 1000, 20_000] {
            measure(&extension, changes).await;
        }
    });
    process.wait().unwrap();
}

async fn measure(extension: &Extension, changes: usize) {
    let judged = judged(changes);
    let rounds = if changes > 10 { ROUNDS / 50 } else { ROUNDS };
    let mut times: Vec<Duration> = Vec::with_capacity(rounds);
    let mut denied = 0;
    for round in 0..rounds * 2 {
        let began = Instant::now();
        let opinions = extension.opinions(&judged).await;
        if round >= rounds {
            times.push(began.elapsed());
            denied += usize::from(opinions[0].stance == Stance::Deny);
        }
    }
    times.sort_unstable();
    let (p50, p99) = (times[rounds / 2], times[rounds * 99 / 100]);
    println!("{changes:>6} changes: p50 {p50:?}, p99 {p99:?}, denied {denied} of {rounds}");
}

fn judged(changes: usize) -> Judged {
    let action = Action {
        tool: "shell.run".into(),
        arguments: serde_json::json!({"command": "make -j2 all && cp -r build/out ../release", "cwd": "src"}),
        effect: Effect::Write,
        phase: Phase::Apply,
        session: "main".into(),
        requester: Principal::Operator("alice".into()),
        change_set: Some("0".repeat(64)),
    };
    let change = |n| ChangeSummary {
        path: format!("src/component/file-{n}.rs"),
        kind: "modify".into(),
        size: 1000,
        mode: Some(0o644),
        sha256: None,
        target: None,
        ..ChangeSummary::default()
    };
    Judged { changes: (0..changes).map(change).collect(), ..Judged::new(action, "c-1") }
}

//! How many durable records per second the writer keeps, by the number of callers that wait at once.
//!
//! `cargo run --release -p testudo-auditd --example append_rate [DIRECTORY]`; the directory, the current one by
//! default, decides which disk is measured.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use testudo::record::Entry;
use testudo_auditd::archive::Archive;
use testudo_auditd::store::{self, Store};
use testudo_auditd::walk::Expected;
use testudo_auditd::writer::Writer;
use tokio::task::JoinSet;

const EACH: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("{:>8} {:>12} {:>10} {:>10}", "callers", "records/s", "p50", "p99");
    for callers in [1, 16, 64, 256] {
        let directory = tempfile::tempdir_in(&place)?;
        let (store, _) = Store::open(directory.path(), Timestamp::now())?;
        let (writer, thread) = Writer::start(store, Box::new(Timestamp::now))?;
        let start = Instant::now();
        let mut latencies = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for caller in 0..callers {
                tasks.spawn(call(writer.clone(), caller));
            }
            tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>()
        });
        let elapsed = start.elapsed();
        let tip = writer.tip();
        runtime.block_on(writer.stop());
        let _ = thread.join();
        latencies.sort_unstable();
        let at = |part: usize| latencies.get(latencies.len() * part / 100).copied().unwrap_or_default();
        let rate = latencies.len() as u128 * 1000 / elapsed.as_millis().max(1);
        println!("{callers:>8} {rate:>12} {:>8}µs {:>8}µs", at(50).as_micros(), at(99).as_micros());
        let start = Instant::now();
        let found =
            Archive::at(&directory.path().join(store::FILE)).verify(Expected::AtLeast(tip))?.verification;
        println!("         verified {} records in {:?}: {}", found.records, start.elapsed(), found.ok);
    }
    Ok(())
}

/// Appends one record after the other, each of about 500 bytes, and returns how long each took.
async fn call(writer: Writer, caller: usize) -> Vec<Duration> {
    let end = Instant::now() + EACH;
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let entry = Entry::new("call.finished")
            .session("main")
            .call(&format!("c-{caller}-{}", latencies.len()), "fs.read")
            .decision("allow")
            .with("stage", 6)
            .with("requester", "agentd")
            .with("digest", "0123456789abcdef".repeat(4))
            .with("duration_ms", 3);
        let start = Instant::now();
        if writer.append("toold", entry).await.is_ok() {
            latencies.push(start.elapsed());
        }
    }
    latencies
}

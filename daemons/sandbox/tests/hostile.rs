//! What a sandbox says is hostile: its readers hold for the fuzzer's corpus and for whatever is made of it at random.
//!
//! The same properties as the fuzzer's, without one: for so many rounds, from one seed, always the same.
#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

#[expect(
    unreachable_pub,
    reason = "the fuzzer's targets are crates of their own, from which these must be seen"
)]
#[path = "../../../fuzz/src/properties.rs"]
mod properties;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The inputs that are kept for a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has a corpus");
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One of the corpus with some bytes changed, taken out, or put in from another.
fn changed(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let pick = prop::sample::select(corpus);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..8);
    (pick.clone(), pick, edits).prop_map(|(mut bytes, other, edits)| {
        for (at, byte, edit) in edits {
            let at = if bytes.is_empty() { 0 } else { at.index(bytes.len()) };
            match edit {
                0 if !bytes.is_empty() => bytes.splice(at..=at, [byte]).for_each(drop),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                _ => {
                    let from = usize::from(byte) * other.len() / 256;
                    let piece = other.iter().skip(from).take(40);
                    bytes.splice(at..at, piece.copied());
                }
            }
        }
        bytes
    })
}

fn holds(target: &str, rounds: u32, property: fn(&[u8])) {
    let corpus = corpus(target);
    for bytes in &corpus {
        property(bytes);
    }
    let config = Config { cases: rounds, failure_persistence: None, ..Config::default() };
    let seed = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(config, seed);
    let bytes = prop_oneof![8 => changed(corpus), 1 => prop::collection::vec(any::<u8>(), 0..400)];
    runner
        .run(&bytes, |bytes| {
            property(&bytes);
            Ok(())
        })
        .unwrap();
}

#[test]
fn frames() {
    holds("frames", 20_000, properties::frames);
}

#[test]
fn answers() {
    holds("answers", 10_000, properties::answers);
}

#[test]
fn manifests() {
    holds("manifest", 20_000, properties::manifest);
}

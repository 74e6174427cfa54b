//! `matrixd` with one control taken out: the proof that the control, and nothing else, stops an attack.
//!
//! `testudo-ablated-matrixd --without CONTROL`. The controls are a constructor of the library behind the feature
//! `ablation`, which release builds refuse; the shipped program has no such switch. It is no part of
//! `testudo-ablated`, so that what does without Matrix need not link it.
#![recursion_limit = "256"]

use std::process::ExitCode;

use testudo_matrixd::controls::Controls;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, control] = arguments.as_slice() else { return usage() };
    let Some(controls) = Controls::without(control).filter(|_| flag == "--without") else { return usage() };
    testudo::daemon::run_with("matrixd", None, |config, lifecycle| {
        testudo_matrixd::serving::serve(config, lifecycle, controls)
    })
}

fn usage() -> ExitCode {
    eprintln!("Usage: testudo-ablated-matrixd --without CONTROL");
    ExitCode::from(2)
}

//! `testudo-try`: a whole appliance for as long as one command runs, which is the chat if none is named.
//!
//! [`options`] is the command line, [`model`] which language model is used, [`matrix`] a homeserver to talk on, [`session`] what happens. Everything that it
//! says goes to standard error: standard output belongs to the command.

mod catalogue;
mod elevation;
mod matrix;
mod model;
mod options;
mod screen;
mod session;

use std::process::ExitCode;

use clap::Parser;

use options::Options;

fn main() -> ExitCode {
    let options = Options::parse();
    if !nix::unistd::geteuid().is_root() {
        let error = elevation::again_as_root();
        eprintln!("testudo-try: {error:#}");
        return ExitCode::FAILURE;
    }
    match session::run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("testudo-try: {error:#}");
            ExitCode::FAILURE
        }
    }
}

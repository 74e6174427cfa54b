//! A daemon or a sandbox with one control taken out: the proof that the control, and nothing else, stops an attack.
//!
//! `testudo-ablated [ARGUMENTS OF THE SHIPPED PROGRAM] --program NAME --without CONTROL`. The controls are constructors
//! of the libraries behind the feature `ablation`, which release builds refuse; the shipped programs have no such switch.

use std::path::PathBuf;
use std::process::ExitCode;

use testudo_sandbox::apply::Place;
use testudo_sandbox::layers::{Layer, Layers};
use testudo_sandbox::template::Template;
use testudo_sandbox::zygote::{self, Deployment};

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(program), Some(control)) =
        (take(&mut arguments, "--program"), take(&mut arguments, "--without"))
    else {
        eprintln!("Usage: testudo-ablated … --program NAME --without CONTROL");
        return ExitCode::from(2);
    };
    match program.as_str() {
        "policyd" => match testudo_policyd::controls::Controls::without(&control) {
            Some(controls) => testudo::daemon::run_with("policyd", None, |config, lifecycle| {
                testudo_policyd::serve::serve(config, lifecycle, controls)
            }),
            None => unknown(&control),
        },
        "toold" => match testudo_toold::controls::Controls::without(&control) {
            Some(controls) => testudo::daemon::run_with("toold", None, |config, lifecycle| {
                testudo_toold::service::serve(config, lifecycle, controls)
            }),
            None => unknown(&control),
        },
        "egressd" => match testudo_egressd::controls::Controls::without(&control) {
            Some(controls) => testudo::daemon::run_with("egressd", None, |config, lifecycle| {
                testudo_egressd::service::serve(config, lifecycle, controls)
            }),
            None => unknown(&control),
        },
        "sandbox" => sandbox(&mut arguments, &control),
        "apply" => apply(&mut arguments),
        _ => unknown(&program),
    }
}

fn sandbox(arguments: &mut Vec<String>, control: &str) -> ExitCode {
    let layers: Option<Vec<Layer>> = control.split(',').map(layer).collect();
    let (Some(layers), Some(workspace), Some(scratch)) =
        (layers, take(arguments, "--workspace"), take(arguments, "--scratch"))
    else {
        return unknown(control);
    };
    let Some(template) = take(arguments, "--template").and_then(|name| Template::of_name(&name)) else {
        return unknown("--template");
    };
    let Ok(connection) = testudo_sandbox::activation::connection(None) else { return ExitCode::FAILURE };
    let deployment = Deployment {
        workspace: PathBuf::from(workspace),
        scratch: PathBuf::from(scratch),
        programs: vec![PathBuf::from("/usr")],
        template,
        egress: take(arguments, "--egress").map(PathBuf::from),
        tool_root: None,
    };
    match zygote::serve(connection, deployment, Layers::without(&layers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("<3>{error}");
            ExitCode::FAILURE
        }
    }
}

/// The apply runner as it is shipped, but that it is killed at the step that a file in the workspace names, once.
fn apply(arguments: &mut Vec<String>) -> ExitCode {
    let (Some(workspace), history) = (take(arguments, "--workspace"), take(arguments, "--history")) else {
        return unknown("apply");
    };
    let Ok(connection) = testudo_sandbox::activation::connection(None) else { return ExitCode::FAILURE };
    let mut place = Place::new(PathBuf::from(workspace), history.map(PathBuf::from));
    place.on_step = || {
        let file = "/run/workspace/.testudo/end-after";
        let left = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok());
        match left {
            None => {}
            Some(0) => {
                let _ = std::fs::remove_file(file);
                let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
            }
            Some(left) => drop(std::fs::write(file, (left - 1).to_string())),
        }
    };
    match testudo_sandbox::apply::serve(connection, &place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("<3>{error}");
            ExitCode::FAILURE
        }
    }
}

fn layer(name: &str) -> Option<Layer> {
    Some(match name {
        "own-root" => Layer::OwnRoot,
        "read-only-root" => Layer::ReadOnlyRoot,
        "proposals" => Layer::Proposals,
        "pid-namespace" => Layer::PidNamespace,
        "ipc-namespace" => Layer::IpcNamespace,
        "uts-namespace" => Layer::UtsNamespace,
        "empty-network" => Layer::EmptyNetwork,
        "landlock" => Layer::Landlock,
        "seccomp" => Layer::Seccomp,
        "privileges" => Layer::Privileges,
        "descriptors" => Layer::Descriptors,
        "resource-limits" => Layer::ResourceLimits,
        "output-limit" => Layer::OutputLimit,
        "wall-limit" => Layer::WallLimit,
        "scratch-isolation" => Layer::ScratchIsolation,
        "hidden-reaper" => Layer::HiddenReaper,
        _ => return None,
    })
}

/// Takes `flag VALUE` out of the arguments.
fn take(arguments: &mut Vec<String>, flag: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    if at + 1 >= arguments.len() {
        return None;
    }
    arguments.remove(at);
    Some(arguments.remove(at))
}

fn unknown(name: &str) -> ExitCode {
    eprintln!("testudo-ablated: there is no control or program `{name}`");
    ExitCode::from(2)
}

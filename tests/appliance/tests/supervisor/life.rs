//! Starting, healing and stopping of services.

use testudo_appliance::{Appliance, State};

use super::{plan, start};

#[test]
fn start_returns_when_everything_is_ready() {
    let appliance = start(plan());
    for status in appliance.status().unwrap() {
        assert_eq!((status.state, status.restarts), (State::Ready, 0), "{status:?}");
    }
    assert_eq!(appliance.status_of("healthy").unwrap().status_text, "Serving as testudo-healthy");
    assert!(!appliance.ready_after().is_zero());
    appliance.stop().unwrap();
}

#[test]
fn a_killed_service_comes_back_as_another_process() {
    let appliance = start(plan());
    let before = appliance.pid_of("healthy").unwrap();
    appliance.kill9("healthy").unwrap();
    appliance.wait_ready("healthy").unwrap();
    assert_ne!(appliance.pid_of("healthy").unwrap(), before);
    assert_eq!(appliance.status_of("healthy").unwrap().restarts, 1);
    let starts = std::fs::read_to_string(appliance.state_dir().join("lib/healthy/starts")).unwrap();
    assert_eq!(starts.lines().count(), 2);
    assert_eq!(appliance.status_of("other").unwrap().restarts, 0, "others are left alone");
}

#[test]
fn a_wedged_service_is_found_by_its_watchdog() {
    let mut plan = plan();
    plan.target = "wedged.target".into();
    let appliance = start(plan);
    appliance.wait_restarts("wedged", 1).unwrap();
    let outcome = appliance.status_of("wedged").unwrap().outcome;
    // While it runs again the outcome of the last run is forgotten; both moments are possible here.
    assert!(outcome.is_none_or(|outcome| outcome.contains("watchdog")));
    appliance.wait_ready("wedged").unwrap();
}

#[test]
fn a_bad_configuration_is_reported_at_once_with_what_the_daemon_said() {
    let mut plan = plan();
    plan.target = "misconfigured.target".into();
    let error = Appliance::start(plan).unwrap_err().to_string();
    assert!(error.starts_with("cannot start misconfigured: exited with status 78\n"), "{error}");
    assert!(error.contains("testudo.toml:1:1: unknown table `nonsense`"), "{error}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut plan = plan();
    plan.binaries.clear();
    plan.target = "absent.target".into();
    let error = Appliance::start(plan).unwrap_err().to_string();
    assert!(error.contains("testudo-nowhere: No such file or directory"), "{error}");
}

#[test]
fn services_stop_start_and_restart_as_asked() {
    let appliance = start(plan());
    appliance.stop_unit("other").unwrap();
    assert_eq!(appliance.status_of("other").unwrap().state, State::Stopped);
    assert!(appliance.pid_of("other").is_err() && appliance.kill9("other").is_err());
    appliance.start_unit("other").unwrap();
    let before = appliance.pid_of("other").unwrap();
    appliance.restart_unit("other").unwrap();
    assert_ne!(appliance.pid_of("other").unwrap(), before);
    assert_eq!(appliance.status_of("other").unwrap().restarts, 0, "an asked-for restart is no failure");
    assert!(appliance.stop_unit("nobody").unwrap_err().to_string().contains("nobody"));
}

#[test]
fn a_binary_of_the_plan_takes_the_place_of_the_unit_s() {
    let mut plan = plan();
    plan.binaries.insert("healthy".into(), "/usr/bin/env".into());
    // `env serve -i` fails; what matters is that it was run.
    let error = Appliance::start(plan).unwrap_err().to_string();
    assert!(error.contains("healthy: /usr/bin/env"), "{error}");
}

#[test]
fn a_bus_that_leaves_out_rules_is_no_bus() {
    let copy = tempfile::tempdir().unwrap();
    let copied =
        std::process::Command::new("cp").arg("-r").arg(super::repo()).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let repo = copy.path().join("repo");
    let rule = "<busconfig><policy context=\"default\"><deny send_member=\"X\"/></policy></busconfig>";
    std::fs::write(repo.join("units/dbus-1/system.d/broken.conf"), rule).unwrap();
    let error =
        Appliance::start(testudo_appliance::Plan::from_repo(&repo, super::bin_dir()).unwrap()).unwrap_err();
    assert!(error.to_string().starts_with("cannot start dbus: left out rules of its policy"), "{error}");
    assert!(error.to_string().contains("broken.conf"), "{error}");
}

#[test]
fn a_plan_has_the_last_word_on_what_a_service_finds() {
    let mut plan = plan();
    plan.variable("healthy", "LANG", "C").variable("healthy", "ADDED", "x");
    let appliance = start(plan);
    let environment = |unit: &str| {
        let pid = appliance.pid_of(unit).unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap()
    };
    let sets = |unit: &str, set: &str| environment(unit).split('\0').any(|one| one == set);
    assert!(sets("healthy", "LANG=C") && sets("healthy", "ADDED=x"));
    assert!(
        sets("other", "LANG=C.UTF-8") && !environment("other").contains("ADDED"),
        "others are left alone"
    );
}

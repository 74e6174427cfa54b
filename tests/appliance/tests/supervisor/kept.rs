//! State that is kept.

use std::fs;

use testudo_appliance::{Appliance, Plan};

use super::{in_instance, plan, start};

fn keeping(folder: &std::path::Path) -> Plan {
    let mut plan = plan();
    plan.keep = Some(folder.to_path_buf());
    plan
}

#[test]
fn a_second_run_finds_what_the_first_one_left() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("kept");
    let appliance = start(keeping(&folder));
    in_instance(&appliance, "writer", "echo x > /ws/f");
    appliance.stop().unwrap();
    let appliance = start(keeping(&folder));
    assert_eq!(in_instance(&appliance, "box", "cat /ws/f"), "x\n");
    let starts = fs::read_to_string(folder.join("lib/healthy/starts")).unwrap();
    assert_eq!(starts.lines().count(), 2);
}

#[test]
fn two_appliances_do_not_share_a_state() {
    let folder = tempfile::tempdir().unwrap();
    let appliance = start(keeping(folder.path()));
    let error = Appliance::start(keeping(folder.path())).unwrap_err().to_string();
    assert!(error.contains("another appliance is running on it"), "{error}");
    appliance.stop().unwrap();
    start(keeping(folder.path()));
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let before = fs::metadata(folder.path()).unwrap().permissions();
    let error = Appliance::start(keeping(folder.path())).unwrap_err().to_string();
    assert!(error.contains("it is not empty"), "{error}");
    assert_eq!(fs::metadata(folder.path()).unwrap().permissions(), before);
}

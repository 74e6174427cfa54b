//! Whose files the appliance makes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use super::{in_instance, plan, start};

#[test]
fn what_is_made_in_a_folder_of_the_user_s_belongs_to_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "the owner's").unwrap();
    fs::set_permissions(folder.path().join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("secret")] {
        chown(path, Some(1234), Some(1235)).unwrap();
    }
    let mut plan = plan();
    plan.workspace = Some(folder.path().to_path_buf());
    let appliance = start(plan);
    assert_eq!(appliance.workspace(), folder.path());
    assert_eq!(in_instance(&appliance, "box", "cat /ws/secret"), "the owner's");
    assert_eq!(
        in_instance(&appliance, "writer", "mkdir /ws/d && echo x > /ws/d/f && stat -c %U /ws/d/f"),
        "testudo-work\n"
    );
    appliance.stop().unwrap();
    for made in ["d", "d/f"] {
        let made = fs::metadata(folder.path().join(made)).unwrap();
        assert_eq!((made.uid(), made.gid()), (1234, 1235));
    }
    assert_eq!(fs::read_to_string(folder.path().join("d/f")).unwrap(), "x\n");
}

#[test]
fn a_fresh_workspace_is_the_human_s() {
    let mut plan = plan();
    (plan.human.uid, plan.human.gid) = (4321, 4322);
    let appliance = start(plan);
    in_instance(&appliance, "writer", "echo x > /ws/f");
    for path in [appliance.workspace().to_path_buf(), appliance.workspace().join("f"), appliance.tmp_dir()] {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (4321, 4322), "{}", path.display());
    }
}

#[test]
fn the_human_is_an_operator_in_the_private_group() {
    let mut plan = plan();
    (plan.human.uid, plan.human.gid) = (4321, 4322);
    let appliance = start(plan);
    let seen = appliance
        .run_as("testudo-healthy", "/usr/bin/getent")
        .unwrap()
        .args(["group", "testudo"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&seen.stdout).trim().ends_with(":uid-4321"), "{seen:?}");
    let groups = appliance.run_as_human("/usr/bin/id").unwrap().arg("-G").output().unwrap();
    let group = String::from_utf8_lossy(&seen.stdout).split(':').nth(2).unwrap().to_owned();
    assert!(String::from_utf8_lossy(&groups.stdout).split_whitespace().any(|g| g == group), "{groups:?}");
}

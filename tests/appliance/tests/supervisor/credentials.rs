//! Secrets and state of a service are its own.

use std::process::Output;

use testudo_appliance::{Appliance, Plan};

use super::{plan, start};

const NAME: &str = "testudo.healthy.key";

fn as_user(appliance: &Appliance, user: &str, command: &str) -> Output {
    appliance.run_as(user, "/bin/sh").unwrap().args(["-c", command]).output().unwrap()
}

fn with_credential() -> Plan {
    let mut plan = plan();
    plan.credential("healthy", NAME, "s3cret");
    plan
}

#[test]
fn a_credential_is_for_its_service_alone() {
    let appliance = start(with_credential());
    let read = format!("cat /run/credentials/testudo-healthy.service/{NAME}");
    let own = as_user(&appliance, "testudo-healthy", &read);
    assert_eq!(String::from_utf8_lossy(&own.stdout), "s3cret");
    for user in ["testudo-other", "testudo-work", "testudo-bus", "nobody"] {
        let other = as_user(&appliance, user, &read);
        assert!(!other.status.success() && other.stdout.is_empty(), "{user}: {other:?}");
    }
    let mode = as_user(
        &appliance,
        "testudo-healthy",
        &format!("stat -c %a /run/credentials/testudo-healthy.service/{NAME}"),
    );
    assert_eq!(String::from_utf8_lossy(&mode.stdout), "400\n");
}

#[test]
fn a_credential_is_in_no_environment_and_in_no_file_of_the_machine() {
    let appliance = start(with_credential());
    let environment =
        std::fs::read(format!("/proc/{}/environ", appliance.pid_of("healthy").unwrap())).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        !environment.contains("s3cret") && environment.contains("CREDENTIALS_DIRECTORY=/run/credentials/")
    );
    let base = appliance.run_dir().parent().unwrap().to_path_buf();
    let found = std::process::Command::new("grep").args(["-r", "s3cret"]).arg(base).output().unwrap();
    assert!(found.stdout.is_empty(), "{found:?}");
}

#[test]
fn a_credential_that_the_unit_does_not_import_is_refused() {
    let mut plan = plan();
    plan.credential("other", "testudo.other.key", "x");
    let error = Appliance::start(plan).unwrap_err().to_string();
    assert!(error.contains("testudo-other.service") && error.contains("ImportCredential"), "{error}");
}

#[test]
fn state_is_for_its_service_alone_and_the_machine_s_folders_for_nobody() {
    let appliance = start(plan());
    let list = "ls /var/lib/testudo/healthy";
    assert!(as_user(&appliance, "testudo-healthy", list).status.success());
    assert!(!as_user(&appliance, "testudo-other", list).status.success());
    let home = as_user(&appliance, "testudo-healthy", "ls -d /home /root /mnt");
    assert!(!home.status.success() && home.stdout.is_empty(), "{home:?}");
}

#[test]
fn the_accounts_exist_inside_only() {
    let appliance = start(plan());
    assert_eq!(as_user(&appliance, "testudo-healthy", "id -un").stdout, b"testudo-healthy\n");
    assert_eq!(as_user(&appliance, "testudo-healthy", "id -Gn").stdout, b"testudo-healthy testudo-daemons\n");
    assert!(!std::fs::read_to_string("/etc/passwd").unwrap().contains("testudo-healthy"));
}

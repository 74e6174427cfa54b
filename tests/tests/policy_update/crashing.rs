//! What breaks in the middle of a change, or is found broken at the start.

use std::path::Path;

use serde_json::json;
use testudo_tests::{text, wait};

use crate::place::{Place, deny};

#[test]
fn killed_while_the_file_is_written_the_old_policy_stays() {
    let place = Place::start();
    let first = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&first, &[]).status, 0);
    let second = place.submit("mine", &deny("quiet", "echo"));
    // Opening a pipe that nobody reads blocks, so this is where policyd stands when it is killed.
    let pipe = place.on_shelf("mine.toml.new");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(pipe.parent().unwrap()).unwrap());
    std::os::unix::fs::chown(&pipe, Some(owner), None).unwrap();
    let approving = place.scene.ctl_start(&["approve", &text(&second, "approval")]);
    wait("the write", || {
        place
            .scene
            .recorded("policy.amended", |record| record["detail"]["base"] == second["base"])
            .then_some(())
    });
    place.restart();
    assert_ne!(approving.finish().status, 0);
    assert_eq!(place.echo(), "allow");
    assert_eq!(text(&place.scene.call("time.now", &json!({})), "verdict"), "deny");
    assert_eq!(place.origin("mine").as_deref(), Some("amended"));
    assert!(!pipe.exists(), "what was unfinished is cleared away");
    // The yes is used up; nothing installs it later.
    let late = place.approve_as("root", &second, "o:");
    assert_eq!(late.status, 1, "{late:?}");
    // The way is free for another one.
    let third = place.submit("mine", &deny("quiet", "echo"));
    assert_eq!(place.approve(&third, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

#[test]
fn killed_at_any_moment_the_policy_is_the_old_one_or_the_new_one() {
    let place = Place::start();
    for round in 0..6u64 {
        let report = place.submit(&format!("mine-{round}"), &deny(&format!("quiet-{round}"), "time.now"));
        let name = text(&report, "name");
        let approving = place.scene.ctl_start(&["approve", &text(&report, "approval")]);
        // Whichever moment this is, the outcome must be one of two.
        std::thread::sleep(std::time::Duration::from_millis(round * 12));
        place.restart();
        let said = approving.finish();
        let in_force = place.origin(&name);
        assert!(matches!(in_force.as_deref(), None | Some("amended")), "{in_force:?}");
        let amended = place.scene.recorded("policy.amended", |record| record["detail"]["name"] == name);
        assert!(in_force.is_none() || amended, "what is in force was recorded before");
        assert!(said.status != 0 || in_force.is_some(), "who was told yes has it: {said:?}");
        assert_eq!(place.files()["troubles"], json!([]));
        if let Some(question) = place.question(&text(&report, "approval")) {
            assert_eq!(place.scene.ctl(&["deny", &text(&question, "id")]).status, 0);
        }
    }
}

#[test]
fn a_question_about_the_policy_outlives_policyd() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    place.restart();
    assert_eq!(place.approve(&report, &[]).status, 0);
    assert_eq!(place.echo(), "deny");
}

fn damage(path: &Path) {
    let whole = std::fs::read(path).unwrap();
    std::fs::write(path, &whole[..whole.len() / 2]).unwrap();
}

#[test]
fn a_damaged_file_falls_back_to_the_last_good_one_and_says_so() {
    let place = Place::start();
    for text in [deny("quiet", "echo"), deny("quiet", "time.now")] {
        let report = place.submit("mine", &text);
        assert_eq!(place.approve(&report, &[]).status, 0);
    }
    assert_eq!(place.echo(), "allow");
    place.scene.appliance.stop_unit("policyd").unwrap();
    damage(&place.on_shelf("mine.toml"));
    place.scene.appliance.start_unit("policyd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("deny", Some("last-good")));
    assert!(place.files()["troubles"][0].as_str().unwrap().contains("its last good text is in force"));
    assert!(place.scene.appliance.log("policyd").contains("the amendment mine is damaged"));
    let mended = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&mended, &[]).status, 0);
    place.restart();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("allow", Some("amended")));
    assert_eq!(place.files()["troubles"], json!([]));
}

#[test]
fn without_any_good_text_everything_is_denied_until_it_is_mended() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&report, &[]).status, 0);
    place.scene.appliance.stop_unit("policyd").unwrap();
    damage(&place.on_shelf("mine.toml"));
    place.scene.appliance.start_unit("policyd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine").as_deref()), ("deny", Some("unreadable")));
    let mended = place.submit("mine", &deny("quiet", "time.now"));
    assert_eq!(place.approve(&mended, &[]).status, 0);
    assert_eq!(place.echo(), "allow");
}

#[test]
fn what_cannot_be_recorded_does_not_change_the_policy() {
    let place = Place::start();
    let report = place.submit("mine", &deny("quiet", "echo"));
    let digest = text(&place.question(&text(&report, "approval")).unwrap(), "digest");
    place.scene.appliance.stop_unit("auditd").unwrap();
    let (id, digest) = (format!("s:{}", text(&report, "approval")), format!("s:{digest}"));
    let said = place.scene.as_user("root", "Policy1", "Approve", &[&id, &digest, "o:"]);
    assert_eq!(said.status, 1, "{said:?}");
    place.scene.appliance.start_unit("auditd").unwrap();
    assert_eq!((place.echo().as_str(), place.origin("mine")), ("allow", None));
}

//! What decides after a start: all declared files, and of each amendment its text, its last good one, or a denial.

use testudo::action::{Action, Effect, Judged, Phase};
use testudo::identity::{Daemon, Principal};
use testudo::verdict::Verdict;
use testudo_policy::replay;

use super::*;

struct Place {
    folder: tempfile::TempDir,
    shelf: Shelf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(&folder.path().join("policy")).unwrap();
        std::fs::write(folder.path().join("base.toml"), rule("base", "allow", "echo")).unwrap();
        Self { folder, shelf }
    }

    fn load(&self, amendments: Amendments) -> (InForce, Vec<Trouble>) {
        InForce::load(&[self.folder.path().join("base.toml")], &self.shelf, amendments).unwrap()
    }

    fn damage(&self, file: &str) {
        std::fs::write(self.folder.path().join("policy").join(file), "[[rule]]\n").unwrap();
    }
}

fn rule(name: &str, action: &str, tool: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\naction = \"{action}\"\nmatch = {{ tool = \"{tool}\" }}\n")
}

fn says(rules: &InForce, tool: &str) -> Verdict {
    let action = Action {
        tool: tool.into(),
        arguments: serde_json::json!({}),
        effect: Effect::Read,
        phase: Phase::Call,
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        change_set: None,
    };
    replay::outcome(&rules.set, &Judged::new(action, "c-1")).verdict
}

#[test]
fn an_added_file_decides_beside_the_declared_ones_and_lifts_nothing() {
    let place = Place::new();
    place.shelf.put("base", Some(&rule("mine", "deny", "echo"))).unwrap();
    place.shelf.put("more", Some(&rule("more", "allow", "other"))).unwrap();
    let (rules, troubles) = place.load(Amendments::Add);
    assert_eq!(troubles, []);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Deny, Verdict::Allow));
    assert_eq!(rules.files().count(), 3);
}

#[test]
fn a_file_takes_the_place_of_a_declared_one_only_where_it_may() {
    let place = Place::new();
    place.shelf.put("base", Some(&rule("mine", "allow", "other"))).unwrap();
    let (rules, _) = place.load(Amendments::Replace);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Deny, Verdict::Allow));
    let (rules, _) = place.load(Amendments::Add);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Allow, Verdict::Allow));
    let (rules, troubles) = place.load(Amendments::None);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Allow, Verdict::Deny));
    assert!(troubles[0].text.contains("policyd.amendments is \"none\""), "{troubles:?}");
}

#[test]
fn a_damaged_amendment_falls_back_to_its_last_good_text() {
    let place = Place::new();
    place.shelf.put("mine", Some(&rule("mine", "deny", "echo"))).unwrap();
    place.shelf.put("mine", Some(&rule("mine", "allow", "other"))).unwrap();
    place.damage("mine.toml");
    let (rules, troubles) = place.load(Amendments::Add);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Deny, Verdict::Deny));
    assert_eq!(rules.amendment("mine").unwrap().origin, Origin::LastGood);
    assert!(troubles[0].text.contains("its last good text is in force"), "{troubles:?}");
}

#[test]
fn without_a_last_good_text_everything_is_denied() {
    let place = Place::new();
    place.shelf.put("mine", Some(&rule("mine", "deny", "echo"))).unwrap();
    place.damage("mine.toml");
    let (rules, troubles) = place.load(Amendments::Add);
    assert_eq!((says(&rules, "echo"), says(&rules, "other")), (Verdict::Deny, Verdict::Deny));
    assert!(troubles[0].text.contains("everything is denied"), "{troubles:?}");
    // Also where the last one is damaged, too.
    place.damage("mine.toml.last");
    let (rules, _) = place.load(Amendments::Add);
    assert_eq!(rules.amendment("mine").unwrap().origin, Origin::Unreadable);
    assert_eq!(says(&rules, "echo"), Verdict::Deny);
}

#[test]
fn an_amendment_that_was_taken_out_is_not_in_force() {
    let place = Place::new();
    place.shelf.put("mine", Some(&rule("mine", "deny", "echo"))).unwrap();
    place.shelf.put("mine", None).unwrap();
    let (rules, troubles) = place.load(Amendments::Add);
    assert_eq!((says(&rules, "echo"), troubles.len()), (Verdict::Allow, 0));
}

#[test]
fn mistakes_of_all_declared_files_are_shown_at_once() {
    let place = Place::new();
    let wrong = place.folder.path().join("wrong.toml");
    std::fs::write(&wrong, "[[rule]]\nname = 3\n").unwrap();
    let missing = place.folder.path().join("missing.toml");
    let Err(DaemonError::Config(text)) = InForce::load(&[wrong, missing], &place.shelf, Amendments::Add)
    else {
        panic!("it was taken");
    };
    assert!(text.contains("wrong.toml:2:8") && text.contains("missing.toml"), "{text}");
}

#[test]
fn the_digest_names_exactly_the_texts_in_force() {
    let place = Place::new();
    let (before, _) = place.load(Amendments::Add);
    place.shelf.put("mine", Some("# nothing\n")).unwrap();
    let (after, _) = place.load(Amendments::Add);
    assert_ne!(before.digest, after.digest);
    assert_eq!(after.with("mine", None).digest, before.digest);
}

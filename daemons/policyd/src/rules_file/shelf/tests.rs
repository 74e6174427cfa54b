//! What lies on the shelf is old or new and never anything else, and what is not whole is not used.

use proptest::prelude::*;

use super::*;

fn shelf() -> (tempfile::TempDir, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(folder.path()).unwrap();
    (folder, shelf)
}

fn current(shelf: &Shelf) -> Option<String> {
    shelf.current("mine").unwrap().map(Result::unwrap)
}

fn last(shelf: &Shelf) -> Option<String> {
    shelf.last("mine").unwrap().map(Result::unwrap)
}

#[test]
fn what_was_in_force_is_kept_as_the_last_good_one() {
    let (_folder, shelf) = shelf();
    assert_eq!((current(&shelf), last(&shelf)), (None, None));
    shelf.put("mine", Some("one")).unwrap();
    assert_eq!((current(&shelf).as_deref(), last(&shelf)), (Some("one"), None));
    shelf.put("mine", Some("two\n")).unwrap();
    assert_eq!((current(&shelf).as_deref(), last(&shelf).as_deref()), (Some("two\n"), Some("one")));
    shelf.put("mine", None).unwrap();
    assert_eq!((current(&shelf), last(&shelf).as_deref()), (None, Some("two\n")));
    assert_eq!(shelf.names().unwrap().into_iter().collect::<Vec<_>>(), ["mine"]);
}

#[test]
fn what_is_damaged_is_told_from_what_is_absent() {
    let (folder, shelf) = shelf();
    shelf.put("mine", Some("[[rule]]\nname = \"a\"\n")).unwrap();
    let path = folder.path().join("mine.toml");
    let whole = fs::read_to_string(&path).unwrap();
    let damages: [Vec<u8>; 6] = [
        Vec::new(),
        b"[[rule]]\nname = \"a\"\n".to_vec(),
        whole.replace("\"a\"", "\"b\"").into_bytes(),
        whole.as_bytes()[1..].to_vec(),
        whole.as_bytes()[..whole.len() - 1].to_vec(),
        b"\xff\xfe".to_vec(),
    ];
    for damage in damages {
        fs::write(&path, &damage).unwrap();
        let found = shelf.current("mine").unwrap();
        assert!(matches!(found, Some(Err(ShelfError::Damaged { .. }))), "{damage:?}: {found:?}");
    }
    // What is damaged is no good one, so it does not become the last one.
    shelf.put("mine", Some("new")).unwrap();
    assert_eq!((current(&shelf).as_deref(), last(&shelf)), (Some("new"), None));
}

#[test]
fn a_change_that_stops_at_any_step_leaves_the_old_text() {
    // A folder in the way of each file that a change touches, in their order, stops it there; also for root.
    for obstacle in ["mine.toml.last.new", "mine.toml.last", "mine.toml.new"] {
        let (folder, shelf) = shelf();
        shelf.put("mine", Some("old")).unwrap();
        let obstacle = folder.path().join(obstacle);
        fs::create_dir(&obstacle).unwrap();
        assert!(shelf.put("mine", Some("new")).is_err(), "{obstacle:?}");
        fs::remove_dir(&obstacle).unwrap();
        let reopened = Shelf::open(folder.path()).unwrap();
        assert_eq!(current(&reopened).as_deref(), Some("old"), "{obstacle:?}");
        let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(left.into_iter().all(|name| !name.to_string_lossy().ends_with(".new")), "{obstacle:?}");
    }
}

#[test]
fn what_a_crash_left_unfinished_is_cleared_away() {
    let (folder, shelf) = shelf();
    shelf.put("mine", Some("old")).unwrap();
    fs::write(folder.path().join("mine.toml.new"), "torn").unwrap();
    let reopened = Shelf::open(folder.path()).unwrap();
    assert_eq!(current(&reopened).as_deref(), Some("old"));
    assert!(!folder.path().join("mine.toml.new").exists());
}

#[test]
fn a_proposal_is_what_was_proposed_or_nothing() {
    let (folder, shelf) = shelf();
    let (one, two) = (shelf.propose("one").unwrap(), shelf.propose("two").unwrap());
    assert_eq!(shelf.proposed(&one).unwrap(), "one");
    fs::write(folder.path().join(format!("{one}.proposed")), "two").unwrap();
    assert!(shelf.proposed(&one).unwrap_err().to_string().contains("not what was proposed"));
    shelf.forget_proposals_but(&BTreeSet::from([two.clone()])).unwrap();
    assert!(shelf.proposed(&one).unwrap_err().to_string().contains("not there any more"));
    assert_eq!(shelf.proposed(&two).unwrap(), "two");
    assert!(shelf.names().unwrap().is_empty(), "a proposal is no amendment");
}

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(text in "(.|\n){0,80}") {
        prop_assert_eq!(unseal("t", &sealed(&text)).unwrap(), text);
    }

    #[test]
    fn no_other_text_has_the_seal(text in "[a-z\n# ]{0,40}", cut in 0usize..120) {
        let whole = sealed(&text);
        let cut = cut.min(whole.len() - 1);
        prop_assert!(unseal("t", &whole[..cut]).is_err());
    }
}

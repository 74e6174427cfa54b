use super::*;
use proptest::prelude::*;

#[test]
fn nothing_is_a_whole_configuration() {
    let config = parse("t", "").unwrap();
    assert_eq!((config.agentd.max_turns, config.agentd.daily_tokens), (25, None));
    assert_eq!(config.modeld.provider, Provider::Rehearsal);
    assert_eq!(config.policyd.approval_ttl, Duration::from_mins(5));
    assert_eq!((config.policyd.amendments, config.policyd.amend_by), (Amendments::Add, Weight::Reply));
}

#[test]
fn all_mistakes_are_shown_at_once_with_their_places() {
    let text = "[agentd]\nmax_turn = 3\n[policyd]\napproval_ttl = \"5\"\n[toold]\nburst = \"x\"\n[auditdd]\n";
    let shown = parse("testudo.toml", text).unwrap_err().to_string();
    for expected in [
        "testudo.toml:2:1: unknown key `max_turn`: did you mean `max_turns`?\n  max_turn = 3\n  ^~~~~~~~",
        "testudo.toml:4:16: unknown unit ``: use ms, s, m or h",
        "testudo.toml:6:9: expected an integer",
        "testudo.toml:7:2: unknown table `auditdd`",
    ] {
        assert!(shown.contains(expected), "{expected}\nnot in\n{shown}");
    }
}

#[test]
fn a_budget_is_a_number_of_tokens_that_lets_something_be_said() {
    assert_eq!(parse("t", "[agentd]\ndaily_tokens = 200_000\n").unwrap().agentd.daily_tokens, Some(200_000));
    for wrong in ["0", "-1", "4294967296", "\"200k\""] {
        let shown = parse("t", &format!("[agentd]\ndaily_tokens = {wrong}\n")).unwrap_err().to_string();
        assert!(shown.starts_with("t:2:16: expected "), "{wrong}: {shown}");
    }
}

#[test]
fn a_provider_says_what_it_lacks() {
    let shown = parse("t", "[modeld]\nprovider = \"openai\"\n").unwrap_err().to_string();
    assert!(shown.contains("t:1:1: `base_url` is missing"), "{shown}");
    assert!(shown.contains("`model` is missing"), "{shown}");
    let shown = parse("t", "[modeld]\nmodel = \"x\"\n").unwrap_err().to_string();
    assert!(shown.contains("t:2:9: `model` has no effect"), "{shown}");
}

#[test]
fn components_have_names_of_their_own() {
    let config = parse("t", "[extension]\ncomponents = [\"/a/x.wasm\", \"/a/y.wasm\"]\n").unwrap();
    assert_eq!(config.extension.components, [Path::new("/a/x.wasm"), Path::new("/a/y.wasm")]);
    for wrong in ["[\"/a/x.wasm\", \"/b/x.wasm\"]", "\"/\"", "[\"x.wasm\"]", "1"] {
        let shown = parse("t", &format!("[extension]\ncomponents = {wrong}\n")).unwrap_err().to_string();
        assert!(shown.starts_with("t:2:1"), "{wrong}: {shown}");
    }
    let many: Vec<String> = (0..=MOST_COMPONENTS).map(|n| format!("\"/{n}.wasm\"")).collect();
    let shown = parse("t", &format!("[extension]\ncomponents = [{}]\n", many.join(","))).unwrap_err();
    assert!(shown.to_string().contains("more than 16"), "{shown}");
}

#[test]
fn a_policy_is_not_changed_by_what_a_server_can_forge() {
    let config = parse("t", "[policyd]\namendments = \"none\"\namend_by = \"local\"\n").unwrap();
    assert_eq!((config.policyd.amendments, config.policyd.amend_by), (Amendments::None, Weight::Local));
    let shown = parse("t", "[policyd]\namend_by = \"reaction\"\n").unwrap_err().to_string();
    assert!(shown.contains("t:2:12: expected one of reply, otp, local"), "{shown}");
}

#[test]
fn broken_toml_has_a_place_too() {
    let shown = parse("t", "[agentd\nmax_turns = \n").unwrap_err().to_string();
    assert!(shown.starts_with("t:1:"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in "(.|\n){0,200}") {
        let _ = parse("t", &text);
    }

    #[test]
    fn almost_right_text_is_taken_or_refused(
        table in "(agentd|modeld|policyd|toold|extension|x)", key in "[a-z_]{1,12}|max_turns|rules|burst", value in "[0-9]{1,30}|\"[a-z0-9]{0,9}\"|\\[\\]|true"
    ) {
        let _ = parse("t", &format!("[{table}]\n{key} = {value}\n"));
    }
}

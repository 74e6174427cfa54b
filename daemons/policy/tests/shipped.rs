//! The shipped policies against their cases, which are data beside them.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use std::fs;
use std::path::Path;

use testudo_policy::index::RuleSet;
use testudo_policy::{cases, rule};

/// Each policy file with its cases.
fn shipped() -> Vec<(String, RuleSet, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut found = Vec::new();
    let examples = fs::read_dir(folder.join("examples")).unwrap();
    for entry in fs::read_dir(folder).unwrap().chain(examples) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".cases.toml") else { continue };
        let file = format!("{stem}.toml");
        let (policy, warnings) =
            rule::parse(&file, &fs::read_to_string(path.with_file_name(&file)).unwrap()).unwrap();
        assert_eq!(warnings, [], "{file}");
        found.push((name, RuleSet::new([policy]), fs::read_to_string(&path).unwrap()));
    }
    for must in ["default.cases.toml", "auto-merge.cases.toml"] {
        assert!(found.iter().any(|(name, ..)| name == must), "{must}");
    }
    found
}

#[test]
fn the_shipped_policy_says_what_its_cases_say() {
    for (name, rules, text) in shipped() {
        let report = cases::run(&name, &text, &rules).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let wrong: Vec<String> = report.wrong.iter().map(|wrong| wrong.finding.to_string()).collect();
        assert!(report.is_right(), "{}", wrong.join("\n"));
        assert!(report.cases >= rules.len(), "{name} has fewer cases than its policy has rules");
        assert_eq!(report.idle, Vec::<String>::new(), "no case of {name} is about these rules");
    }
}

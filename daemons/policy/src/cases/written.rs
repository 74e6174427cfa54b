//! Cases as they are written: each key, and the action that they make.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};
use testudo::action::{Action, Bearer, Effect, Judged, Phase};
use testudo::change::ChangeSummary;
use testudo::config::reader::{Document, Table, Value};
use testudo::declaration::Role;
use testudo::diagnostic::Diagnostics;
use testudo::flow::{Finding, Origin};
use testudo::identity::{Daemon, Principal};
use testudo::label::{Labels, Source};
use testudo::verdict::{Verdict, Weight};

use super::Case;
use crate::provenance::FINDINGS;
use crate::writer::Writer;

/// Reads all cases.
///
/// # Errors
/// All mistakes of the file.
pub(super) fn read(document: &Document<'_>) -> Result<Vec<Case>, Diagnostics> {
    let root = document.root();
    let tables = root.tables("case");
    if tables.is_empty() {
        root.require("case", "a file of cases has at least one, written as [[case]]");
    }
    let mut cases: Vec<Case> = Vec::new();
    for table in tables {
        let Some(case) = one(&table) else { continue };
        if cases.iter().any(|other| other.name == case.name) {
            table.refuse("name", "is taken by an earlier case of this file");
        }
        cases.push(case);
    }
    root.finish();
    document.conclude()?;
    Ok(cases)
}

fn one(table: &Table<'_>) -> Option<Case> {
    for (key, remedy) in [
        ("name", "what the case shows, in a few words"),
        ("tool", "the name of a tool"),
        ("effect", "what a call of it does, such as \"read\""),
        ("expect", "\"allow\", \"ask\" or \"deny\""),
    ] {
        if table.value(key).is_none() {
            table.require(key, remedy);
        }
    }
    let name = table.string("name");
    let place = table.value("expect").map_or_else(|| table.span(), Value::span);
    let judged = judged(table);
    let expect = table.word("expect", &["allow", "ask", "deny"]).map(|word| match word.as_str() {
        "allow" => Verdict::Allow,
        "ask" => Verdict::Ask,
        _ => Verdict::Deny,
    });
    let rules = table.strings("rules").map(BTreeSet::from_iter);
    let approve_by = chosen(table, "approve_by", &Weight::ALL, Weight::word);
    table.finish();
    Some(Case { name: name?, judged: judged?, expect: expect?, place, rules, approve_by })
}

/// The action of a case, with everything around it.
fn judged(table: &Table<'_>) -> Option<Judged> {
    let tool = table.string("tool");
    let effects = each(table, "effect", &Effect::ALL, Effect::word);
    let phase = chosen(table, "phase", &[Phase::Call, Phase::Apply], Phase::word).unwrap_or(Phase::Call);
    let session = table.string("session").unwrap_or_else(|| "main".to_owned());
    let requester = match table.string("requester").as_deref() {
        None | Some("agentd") => Principal::Daemon(Daemon::Agentd),
        Some("operator") => Principal::Operator("root".to_owned()),
        Some(other) => match other.strip_prefix("operator:") {
            Some(name) => Principal::Operator(name.to_owned()),
            None => {
                table.refuse("requester", "takes `agentd`, `operator` and `operator:NAME`");
                return None;
            }
        },
    };
    let paths = table.strings("paths").unwrap_or_default();
    let size = table.size("size").unwrap_or(1);
    let like = like(table, size);
    let arguments = arguments(table, phase, &paths);
    let roles = pairs(table, "roles", &Role::ALL, Role::word);
    let origins = pairs(table, "origins", &Origin::ALL, Origin::word);
    let findings = table.strings("findings").unwrap_or_default();
    for word in findings.iter().filter(|word| !FINDINGS.contains(&word.as_str())) {
        table.refuse("findings", &format!("has no finding `{word}`"));
    }
    let taint = taint(table);
    let sandboxed = table.boolean("sandboxed").unwrap_or_default();

    // Of several effects the first is the one that the phase has.
    let effects = effects?;
    let effect = *effects.first()?;
    let mut judged = Judged::new(
        Action {
            tool: tool?,
            arguments: Json::Object(arguments?),
            effect,
            phase,
            session,
            requester,
            change_set: (phase == Phase::Apply).then(|| "0".repeat(64)),
        },
        "case",
    );
    judged.declaration.effects = effects.into_iter().collect();
    judged.declaration.arguments = roles?.into_iter().collect();
    judged.flow.origins = origins?.into_iter().collect();
    judged.flow.findings = findings.into_iter().map(|word| Finding { text: word.clone(), word }).collect();
    judged.taint = taint;
    judged.bearer = sandboxed.then(|| Bearer {
        unit: "testudo-sandbox-workshop@case.service".to_owned(),
        invocation: "0".repeat(32),
    });
    if phase == Phase::Apply {
        judged.changes = paths.into_iter().map(|path| ChangeSummary { path, ..like.clone() }).collect();
    }
    Some(judged)
}

/// The arguments as given; in the phase of the call the paths are among them.
fn arguments(table: &Table<'_>, phase: Phase, paths: &[String]) -> Option<Map<String, Json>> {
    let mut arguments = match table.value("arguments") {
        None => Map::new(),
        Some(value) => match value.json()? {
            Json::Object(fields) => fields,
            _ => return value.refuse("expected a table of arguments"),
        },
    };
    let path = match paths {
        [] => return Some(arguments),
        _ if phase == Phase::Apply => return Some(arguments),
        [one] => Json::from(one.as_str()),
        many => many.iter().map(String::as_str).collect(),
    };
    arguments.insert("path".to_owned(), path);
    Some(arguments)
}

/// What every change of a case is like but for its path: a new plain file of one line, unless it is said otherwise.
fn like(table: &Table<'_>, size: u64) -> ChangeSummary {
    let kinds = ["add", "modify", "delete", "mkdir", "rmdir", "symlink", "mode", "rename"];
    let kind = table.word("kind", &kinds).unwrap_or_else(|| "add".to_owned());
    let executable = table.boolean("executable").unwrap_or_default();
    let binary = table.boolean("binary").unwrap_or_default();
    let lines = table.integer("lines", 0..=1_000_000).map_or(1, u64::from);
    let repository = table.boolean("repository").unwrap_or_default();
    let is_file = matches!(kind.as_str(), "add" | "modify" | "rename");
    ChangeSummary {
        size,
        mode: Some(if executable { 0o755 } else { 0o644 }),
        sha256: is_file.then(|| "0".repeat(64)),
        lines: (!binary).then_some(lines),
        repository: repository.then(|| ".".to_owned()),
        from: table.string("from"),
        kind,
        ..ChangeSummary::default()
    }
}

fn taint(table: &Table<'_>) -> Labels {
    let words = table.strings("taint").unwrap_or_default();
    for word in &words {
        if Writer::read(word).is_none() {
            table.refuse("taint", &format!("has no source `{word}`"));
        }
    }
    Labels {
        sources: words.iter().map(|word| Source::of_word(word)).collect(),
        private: table.boolean("private").unwrap_or_default(),
    }
}

/// One of a few things by its word.
fn chosen<T: Copy>(
    table: &Table<'_>,
    key: &'static str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Option<T> {
    let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    let given = table.word(key, &words)?;
    all.iter().copied().find(|one| word(*one) == given)
}

/// Some of a few things by their words, in the order given.
fn each<T: Copy>(
    table: &Table<'_>,
    key: &'static str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Option<Vec<T>> {
    let found = table.value(key)?.each().into_iter().map(|value| of_word(value, all, &word));
    found.collect::<Vec<Option<T>>>().into_iter().collect()
}

/// A table from free names to a few things; an absent one is empty.
fn pairs<T: Copy>(
    table: &Table<'_>,
    key: &'static str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Option<Vec<(String, T)>> {
    let Some(value) = table.value(key) else { return Some(Vec::new()) };
    let found = value
        .table(key)?
        .entries()
        .into_iter()
        .map(|(name, value)| Some((name, of_word(value, all, &word)?)));
    found.collect::<Vec<Option<_>>>().into_iter().collect()
}

fn of_word<T: Copy>(value: Value<'_>, all: &[T], word: impl Fn(T) -> &'static str) -> Option<T> {
    let given = value.string()?;
    let found = all.iter().copied().find(|one| word(*one) == given);
    found.or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| word(*one)).collect();
        value.refuse(&format!("`{given}` is none of {}", known.join(", ")))
    })
}

//! Conditions as they are written: each key, its words, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};

use testudo::action::{Effect, Phase};
use testudo::config::reader::{Table, Value, suggestion};
use testudo::declaration::Role;
use testudo::flow::Origin;

use super::{ANY_FINDING, Condition, Which};
use crate::change;
use crate::outward::Outward;
use crate::pattern::Patterns;
use crate::provenance::FINDINGS;
use crate::tag::is_requester;
use crate::writer::{WORDS, Writer};

impl Condition {
    /// Reads a table; what is wrong with it is noted and read as absent.
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let effects: Vec<&str> = Effect::ALL.iter().map(|effect| effect.word()).collect();
        let condition = Self {
            tools: free(table, "tool"),
            effects: words(table, "effect", &effects).map(|words| {
                Effect::ALL.into_iter().filter(|effect| words.contains(effect.word())).collect()
            }),
            phases: words(table, "phase", &[Phase::Call.word(), Phase::Apply.word()]),
            sessions: free(table, "session"),
            requesters: read(table, "requester", |word| {
                is_requester(word)
                    .then(|| word.to_owned())
                    .ok_or_else(|| unknown("requester", word, &["agentd", "operator", "operator:NAME"]))
            }),
            paths: paths(table),
            destinations: read(table, "destination", |word| {
                Outward::parse(word).map_err(|error| error.to_string())
            }),
            listed: table.boolean("listed"),
            flow: findings(table),
            origins: origins(table),
            taint: read(table, "taint", |word| {
                Writer::read(word).ok_or_else(|| unknown("source", word, &WORDS))
            }),
            private: table.boolean("private"),
            tags: free(table, "tag"),
            max_lines: change::max_lines(table),
            changes: words(table, "change", &change::known()),
        };
        table.finish();
        condition
    }

    /// The tags that it names.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flatten().map(String::as_str)
    }
}

/// Words that nobody has a list of.
fn free(table: &Table<'_>, key: &'static str) -> Option<BTreeSet<String>> {
    read(table, key, |word| Ok(word.to_owned()))
}

/// Words of findings, or the one that stands for all of them.
fn findings(table: &Table<'_>) -> Option<BTreeSet<String>> {
    let known: Vec<&str> = FINDINGS.iter().copied().chain([ANY_FINDING]).collect();
    words(table, "flow", &known)
}

/// Words of a list.
fn words(table: &Table<'_>, key: &'static str, known: &[&str]) -> Option<BTreeSet<String>> {
    read(
        table,
        key,
        |word| {
            if known.contains(&word) { Ok(word.to_owned()) } else { Err(unknown(key, word, known)) }
        },
    )
}

fn read<T: Ord>(
    table: &Table<'_>,
    key: &'static str,
    one: impl Fn(&str) -> Result<T, String>,
) -> Option<BTreeSet<T>> {
    let value = table.value(key)?;
    let set = set(value, one)?;
    if set.is_empty() {
        value.warn(format!("an empty `{key}` list matches nothing, so this condition never holds"));
    }
    Some(set)
}

fn set<T: Ord>(value: Value<'_>, one: impl Fn(&str) -> Result<T, String>) -> Option<BTreeSet<T>> {
    // Not by collecting into an Option, which would show only the first mistake of a list.
    let words: Vec<Option<T>> = value
        .each()
        .into_iter()
        .map(|value| one(&value.string()?).map_err(|error| value.refuse::<()>(&error)).ok())
        .collect();
    words.into_iter().collect()
}

fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let hint = suggestion(word, known.iter().copied());
    if hint.is_empty() {
        return format!("unknown {what} `{word}`: use {}", known.join(", "));
    }
    format!("unknown {what} `{word}`{hint}")
}

/// One list for all arguments, or a table of them by role or by name.
fn origins(table: &Table<'_>) -> Option<BTreeMap<Which, BTreeSet<Origin>>> {
    let value = table.value("origin")?;
    let one = |word: &str| {
        let known = Origin::ALL.map(Origin::word);
        Origin::ALL
            .into_iter()
            .find(|origin| origin.word() == word)
            .ok_or_else(|| unknown("origin", word, &known))
    };
    let lists: Vec<(Which, Value<'_>)> = if value.is_table() {
        let entries = value.table("origin")?.entries();
        for (key, value) in &entries {
            let hint = suggestion(key, Role::ALL.iter().map(|role| role.word()));
            if !hint.is_empty() && Role::ALL.iter().all(|role| role.word() != key) {
                value.warn(format!("`{key}` is taken for the name of an argument{hint}"));
            }
        }
        entries.into_iter().map(|(key, value)| (Which::Named(key), value)).collect()
    } else {
        vec![(Which::All, value)]
    };
    let read: Vec<Option<(Which, BTreeSet<Origin>)>> =
        lists.into_iter().map(|(which, value)| Some((which, set(value, one)?))).collect();
    let read: BTreeMap<_, _> = read.into_iter().collect::<Option<_>>()?;
    if read.is_empty() || read.values().any(BTreeSet::is_empty) {
        value.warn("an empty `origin` matches nothing, so this condition never holds".to_owned());
    }
    Some(read)
}

fn paths(table: &Table<'_>) -> Option<Patterns> {
    let value = table.value("path")?;
    let texts = value.strings()?.into_iter().collect();
    let patterns = match Patterns::compile(texts) {
        Ok(patterns) => patterns,
        Err(error) => {
            // Each by itself, to show which it was; together they fail only by being too much.
            let alone = value.each().into_iter().filter_map(|value| {
                let error = Patterns::compile(value.string().into_iter().collect()).err()?;
                value.refuse::<()>(&error.to_string())
            });
            alone.for_each(drop);
            return value.refuse(&error.to_string());
        }
    };
    if patterns.is_empty() {
        value.warn("an empty `path` list matches nothing, so this condition never holds".to_owned());
    } else if patterns.only_excludes() {
        value.warn(
            "a `path` list of exclusions alone matches nothing, so this condition never holds".to_owned(),
        );
    }
    Some(patterns)
}

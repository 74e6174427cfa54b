//! Reads TOML by hand instead of by `serde`, so that every mistake of a file is found in one run and has a place.
//!
//! A [`Table`] is asked for its keys one by one; each wrong value is noted and read as absent. What was not asked
//! for is unknown: [`Table::finish`] notes it with the nearest known key. [`Document::conclude`] gives the verdict.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::quantity;

/// Most findings of one severity that are kept: the place of each costs a walk through the text, and nobody reads more.
const MOST_FINDINGS: usize = 100;

/// A parsed file and the mistakes found in it so far.
pub struct Document<'t> {
    file: &'t str,
    text: &'t str,
    root: Spanned<DeTable<'t>>,
    found: RefCell<Vec<Diagnostic>>,
}

impl<'t> Document<'t> {
    /// Parses `text`; mistakes of syntax are noted and the rest is read all the same.
    pub fn parse(file: &'t str, text: &'t str) -> Self {
        let (root, errors) = DeTable::parse_recoverable(text);
        let document = Self { file, text, root, found: RefCell::default() };
        for error in errors {
            document.note(Severity::Error, error.span().unwrap_or(0..0), error.message().to_owned());
        }
        document
    }

    /// The top-level table.
    pub fn root(&self) -> Table<'_> {
        Table {
            document: self,
            name: "",
            span: 0..0,
            entries: Some(self.root.get_ref()),
            asked: RefCell::default(),
        }
    }

    /// Notes a finding at a range of bytes; of each severity the first hundred are kept.
    pub fn note(&self, severity: Severity, span: Range<usize>, message: String) {
        let mut found = self.found.borrow_mut();
        if found.iter().filter(|other| other.severity == severity).count() < MOST_FINDINGS {
            found.push(Diagnostic::at(severity, self.file, self.text, span, message));
        }
    }

    /// The warnings, if there are no errors.
    ///
    /// # Errors
    /// All findings in the order of their places, if one of them is an error.
    pub fn conclude(&self) -> Result<Vec<Diagnostic>, Diagnostics> {
        let mut found = self.found.take();
        found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        found.dedup();
        if found.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
            return Err(Diagnostics(found));
        }
        Ok(found)
    }
}

/// One table of a document, or the absence of one.
pub struct Table<'d> {
    document: &'d Document<'d>,
    name: &'d str,
    span: Range<usize>,
    entries: Option<&'d DeTable<'d>>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with its place.
#[derive(Clone, Copy)]
pub struct Value<'d> {
    document: &'d Document<'d>,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Table<'d> {
    /// The value at `key`, of any type.
    pub fn value(&self, key: &'static str) -> Option<Value<'d>> {
        self.asked.borrow_mut().push(key);
        let value = self.entries?.get(key)?;
        Some(Value { document: self.document, value })
    }

    /// The table at `key`; an absent one reads as empty.
    #[must_use = "a table that is not read finds no mistakes"]
    pub fn table(&self, key: &'static str) -> Table<'d> {
        let absent = Table {
            document: self.document,
            name: key,
            span: 0..0,
            entries: None,
            asked: RefCell::default(),
        };
        self.value(key).and_then(|value| value.table(key)).unwrap_or(absent)
    }

    /// The tables of the array at `key`, written as `[[key]]`.
    pub fn tables(&self, key: &'static str) -> Vec<Table<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.value.get_ref().as_array() else {
            value.refuse::<()>(&format!("expected tables, written as [[{key}]]"));
            return Vec::new();
        };
        items.iter().filter_map(|item| Value { document: self.document, value: item }.table(key)).collect()
    }

    /// An integer within bounds.
    pub fn integer(&self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let value = self.value(key)?;
        let Some(integer) = value.value.get_ref().as_integer() else {
            return value.refuse("expected an integer");
        };
        match u32::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if bounds.contains(&number) => Some(number),
            _ => value.refuse(&format!("expected {} to {}", bounds.start(), bounds.end())),
        }
    }

    /// A boolean.
    pub fn boolean(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        value.value.get_ref().as_bool().or_else(|| value.refuse("expected true or false"))
    }

    /// A string.
    pub fn string(&self, key: &'static str) -> Option<String> {
        self.value(key)?.string()
    }

    /// A string, or a list of them.
    pub fn strings(&self, key: &'static str) -> Option<Vec<String>> {
        self.value(key)?.strings()
    }

    /// One of a few words.
    pub fn word(&self, key: &'static str, words: &[&str]) -> Option<String> {
        let value = self.value(key)?;
        let word = value.string()?;
        if words.contains(&word.as_str()) {
            return Some(word);
        }
        value.refuse(&format!(
            "expected one of {}{}",
            words.join(", "),
            suggestion(&word, words.iter().copied())
        ))
    }

    /// A duration, such as `"5m"`.
    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        let value = self.value(key)?;
        quantity::duration(&value.string()?).map_err(|error| value.refuse::<()>(&error.to_string())).ok()
    }

    /// A size in bytes, such as `"1MiB"`.
    pub fn size(&self, key: &'static str) -> Option<u64> {
        let value = self.value(key)?;
        quantity::size(&value.string()?).map_err(|error| value.refuse::<()>(&error.to_string())).ok()
    }

    /// An absolute path.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.value(key)?.path()
    }

    /// A list of absolute paths, or one.
    pub fn paths(&self, key: &'static str) -> Option<Vec<PathBuf>> {
        self.value(key)?.each().into_iter().map(Value::path).collect()
    }

    /// All keys with their values, for a table whose keys are free.
    pub fn entries(&self) -> Vec<(String, Value<'d>)> {
        let entries = self.entries.into_iter().flatten();
        entries
            .map(|(key, value)| (key.get_ref().to_string(), Value { document: self.document, value }))
            .collect()
    }

    /// Notes that `key` is missing; `remedy` says what it would be.
    pub fn require(&self, key: &str, remedy: &str) {
        self.document.note(Severity::Error, self.span.clone(), format!("`{key}` is missing: {remedy}"));
    }

    /// What [`Self::require`] would note, for who finds out only later that `key` is needed.
    pub fn missing(&self, key: &str, remedy: &str) -> Diagnostic {
        let message = format!("`{key}` is missing: {remedy}");
        Diagnostic::at(Severity::Error, self.document.file, self.document.text, self.span.clone(), message)
    }

    /// Notes that the value at `key` cannot be.
    pub fn refuse(&self, key: &'static str, why: &str) {
        let span = self.value(key).map_or_else(|| self.span.clone(), |value| value.value.span());
        self.document.note(Severity::Error, span, format!("`{key}` {why}"));
    }

    /// Notes something that is probably not meant.
    pub fn warn(&self, why: String) {
        self.document.note(Severity::Warning, self.span.clone(), why);
    }

    /// Where the table begins.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Notes every key that nobody asked for.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        let Some(table) = self.entries else { return };
        for (key, value) in table {
            let key_text: &Cow<'_, str> = key.get_ref();
            if asked.contains(&key_text.as_ref()) {
                continue;
            }
            let what = if value.get_ref().is_table() && self.name.is_empty() { "table" } else { "key" };
            let hint = suggestion(key_text, asked.iter().copied());
            self.document.note(Severity::Error, key.span(), format!("unknown {what} `{key_text}`{hint}"));
        }
    }
}

impl<'d> Value<'d> {
    /// Its place.
    pub fn span(self) -> Range<usize> {
        self.value.span()
    }

    /// The string that it is.
    pub fn string(self) -> Option<String> {
        match self.value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => self.refuse("expected a string in quotes"),
        }
    }

    /// The strings that it is: one, or a list.
    pub fn strings(self) -> Option<Vec<String>> {
        self.each().into_iter().map(Self::string).collect()
    }

    /// The table that it is.
    pub fn table(self, name: &'d str) -> Option<Table<'d>> {
        let Some(table) = self.value.get_ref().as_table() else {
            return self.refuse(&format!("expected a table, written as [{name}]"));
        };
        Some(Table {
            document: self.document,
            name,
            span: self.value.span(),
            entries: Some(table),
            asked: RefCell::default(),
        })
    }

    /// Itself, or the items if it is a list.
    pub fn each(self) -> Vec<Self> {
        match self.value.get_ref().as_array() {
            Some(items) => items.iter().map(|value| Value { document: self.document, value }).collect(),
            None => vec![self],
        }
    }

    /// It as JSON. A number that JSON does not have, and a date, is refused.
    pub fn json(self) -> Option<serde_json::Value> {
        use serde_json::Value as Json;
        let inner = |value| Value { document: self.document, value };
        match self.value.get_ref() {
            DeValue::String(text) => Some(Json::String(text.to_string())),
            DeValue::Boolean(truth) => Some(Json::Bool(*truth)),
            DeValue::Array(items) => items.iter().map(|item| inner(item).json()).collect(),
            DeValue::Table(table) => table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), inner(value).json()?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Some(number.into()),
                Err(_) => self.refuse("this number is too large"),
            },
            DeValue::Float(number) => match number.as_str().parse().map(serde_json::Number::from_f64) {
                Ok(Some(number)) => Some(Json::Number(number)),
                _ => self.refuse("this is no number of JSON"),
            },
            DeValue::Datetime(_) => self.refuse("write a date as a string"),
        }
    }

    /// Whether it is a table.
    pub fn is_table(self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Notes something about it that is probably not meant.
    pub fn warn(self, why: String) {
        self.document.note(Severity::Warning, self.value.span(), why);
    }

    fn path(self) -> Option<PathBuf> {
        let path = PathBuf::from(self.string()?);
        if path.is_absolute() { Some(path) } else { self.refuse("expected an absolute path") }
    }

    /// Notes that it cannot be, and reads as absent.
    pub fn refuse<T>(self, why: &str) -> Option<T> {
        self.document.note(Severity::Error, self.value.span(), why.to_owned());
        None
    }
}

/// `: did you mean …?`, when something known is near enough; otherwise nothing.
pub fn suggestion<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|word| (strsim::damerau_levenshtein(given, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map_or_else(String::new, |(_, word)| format!(": did you mean `{word}`?"))
}

//! The rules in force: the files that the configuration declares, and amendments that people approved.
//!
//! ```text
//!  declared (read-only) ─┐
//!                        ├─▶ InForce: one set, one digest; never changed, only exchanged as a whole
//!  amendments (Shelf) ───┘
//! ```
//! An amendment that cannot be read falls back to its last good text. Where there is none either, everything is
//! denied until somebody repairs it: what the lost rules forbade must not become allowed by losing them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use testudo::canonical;
use testudo::config::Amendments;
use testudo::daemon::DaemonError;
use testudo_policy::index::RuleSet;
use testudo_policy::rule::{self, Policy};

use shelf::{Shelf, ShelfError};

pub mod book;
pub mod shelf;

/// Stands in for an amendment of which nothing can be read.
const DENY_ALL: &str = "[[rule]]\nname = \"unreadable-amendment\"\nmatch = {}\naction = \"deny\"\n\
    reason = \"an amendment of the policy cannot be read and has no last good text: update or revert it\"\n";

/// Where a file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The configuration names it.
    Declared,
    /// People approved it.
    Amended,
    /// The last good text of an amendment that is damaged.
    LastGood,
    /// Nothing of the amendment can be read; everything is denied.
    Unreadable,
}

impl Origin {
    /// The word used in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Amended => "amended",
            Self::LastGood => "last-good",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something wrong with what policyd keeps about rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// An amendment is not what people approved.
    pub is_damage: bool,
    /// In a sentence.
    pub text: String,
}

/// One file in force.
#[derive(Debug, Clone)]
pub struct RulesFile {
    /// Its file name without `.toml`.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
    /// Where it lies.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
    /// The same, read.
    pub policy: Policy,
}

impl RulesFile {
    /// The digest of its text.
    pub fn digest(&self) -> String {
        digest(&self.text)
    }
}

/// The digest of the text of a policy file, in lower-case hexadecimal.
pub fn digest(text: &str) -> String {
    canonical::digest("testudo.policy-file.v1", text)
}

/// All that decides, of one moment.
#[derive(Debug, Clone)]
pub struct InForce {
    declared: Vec<RulesFile>,
    amended: Vec<RulesFile>,
    amendments: Amendments,
    /// The compiled rules.
    pub set: RuleSet,
    /// Over the names and texts of all files.
    pub digest: String,
}

impl InForce {
    /// Reads the declared files and the amendments, and says what was wrong with the latter.
    ///
    /// # Errors
    /// When a declared file is missing or has mistakes; all of them are shown at once.
    pub fn load(
        declared: &[PathBuf],
        shelf: &Shelf,
        amendments: Amendments,
    ) -> Result<(Self, Vec<Trouble>), DaemonError> {
        let declared = read_declared(declared)?;
        let mut troubles = Vec::new();
        let names = shelf.names().map_err(DaemonError::failed)?;
        let mut amended = Vec::new();
        for name in names {
            if amendments == Amendments::None {
                let text = format!(
                    "the amendment {name} is not in force: policyd.amendments is \"none\", so the declared files alone decide"
                );
                troubles.push(Trouble { is_damage: false, text });
                continue;
            }
            amended.extend(restore(shelf, &name, &mut troubles).map_err(DaemonError::failed)?);
        }
        Ok((Self::of(declared, amended, amendments), troubles))
    }

    fn of(declared: Vec<RulesFile>, amended: Vec<RulesFile>, amendments: Amendments) -> Self {
        let mut in_force =
            Self { declared, amended, amendments, set: RuleSet::default(), digest: String::new() };
        in_force.set = in_force.files().map(|file| file.policy.clone()).collect();
        let named: Vec<String> =
            in_force.files().map(|file| format!("{} {}", file.name, file.digest())).collect();
        in_force.digest = canonical::digest("testudo.policy.v1", &named.join("\n"));
        in_force
    }

    /// The files that decide: a declared one is out of force where an amendment took its place.
    pub fn files(&self) -> impl Iterator<Item = &RulesFile> {
        let replaced: BTreeSet<&str> = match self.amendments {
            Amendments::Replace => self.amended.iter().map(|file| file.name.as_str()).collect(),
            Amendments::Add | Amendments::None => BTreeSet::new(),
        };
        let declared = self.declared.iter().filter(move |file| !replaced.contains(file.name.as_str()));
        declared.chain(&self.amended)
    }

    /// Whether the configuration names a file of this name.
    pub fn is_declared(&self, name: &str) -> bool {
        self.declared.iter().any(|file| file.name == name)
    }

    /// The file of this name that decides, an amendment first.
    pub fn file(&self, name: &str) -> Option<&RulesFile> {
        let amended = self.amended.iter().find(|file| file.name == name);
        amended.or_else(|| self.files().find(|file| file.name == name))
    }

    /// The amendment of this name.
    pub fn amendment(&self, name: &str) -> Option<&RulesFile> {
        self.amended.iter().find(|file| file.name == name)
    }

    /// How many amendments are in force.
    pub fn amendment_count(&self) -> usize {
        self.amended.len()
    }

    /// The same with one amendment exchanged, added, or (with none) taken out.
    #[must_use]
    pub fn with(&self, name: &str, amendment: Option<RulesFile>) -> Self {
        let mut amended: Vec<RulesFile> =
            self.amended.iter().filter(|file| file.name != name).cloned().chain(amendment).collect();
        amended.sort_by(|a, b| a.name.cmp(&b.name));
        Self::of(self.declared.clone(), amended, self.amendments)
    }

    /// How many rules decide.
    pub fn rule_count(&self) -> usize {
        self.set.len()
    }
}

/// Reads all declared files; the mistakes of all of them are shown at once.
fn read_declared(paths: &[PathBuf]) -> Result<Vec<RulesFile>, DaemonError> {
    let mut files = Vec::new();
    let mut mistakes = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                mistakes.push(format!("cannot read the policy {shown}: {error}"));
                continue;
            }
        };
        match rule::parse(&shown, &text) {
            Ok((policy, warnings)) => {
                for warning in warnings {
                    tracing::warn!("{warning}");
                }
                let name = stem(path);
                files.push(RulesFile { name, origin: Origin::Declared, path: path.clone(), text, policy });
            }
            Err(diagnostics) => mistakes.push(diagnostics.to_string()),
        }
    }
    if mistakes.is_empty() { Ok(files) } else { Err(DaemonError::Config(mistakes.join("\n"))) }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// An amendment from the shelf, or its last good text, or a denial of everything; nothing when it was taken out.
fn restore(shelf: &Shelf, name: &str, troubles: &mut Vec<Trouble>) -> Result<Option<RulesFile>, ShelfError> {
    let path = shelf.path(name);
    let read = |text: Option<Result<String, ShelfError>>| -> Option<Result<(String, Policy), String>> {
        Some(text?.map_err(|error| error.to_string()).and_then(|text| {
            match rule::parse(&path.display().to_string(), &text) {
                Ok((policy, _)) => Ok((text, policy)),
                Err(mistakes) => Err(mistakes.to_string()),
            }
        }))
    };
    let file = |origin, (text, policy)| RulesFile {
        name: name.to_owned(),
        origin,
        path: path.clone(),
        text,
        policy,
    };
    let damage = match read(shelf.current(name)?) {
        None => return Ok(None),
        Some(Ok(whole)) => return Ok(Some(file(Origin::Amended, whole))),
        Some(Err(damage)) => damage,
    };
    if let Some(Ok(whole)) = read(shelf.last(name)?) {
        let text = format!("the amendment {name} is damaged, so its last good text is in force: {damage}");
        troubles.push(Trouble { is_damage: true, text });
        return Ok(Some(file(Origin::LastGood, whole)));
    }
    let text = format!(
        "the amendment {name} is damaged and has no last good text, so everything is denied: {damage}"
    );
    troubles.push(Trouble { is_damage: true, text });
    let denial = rule::parse("deny-all", DENY_ALL).map(|(policy, _)| policy);
    // Written above, and read by a test.
    let policy = denial.map_err(|mistakes| ShelfError::damaged(name, &mistakes.to_string()))?;
    Ok(Some(file(Origin::Unreadable, (DENY_ALL.to_owned(), policy))))
}

#[cfg(test)]
mod tests;

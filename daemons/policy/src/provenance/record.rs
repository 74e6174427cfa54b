//! What the session has read, kept so that the origin of a value can be told: records, closed sets, words, links.
//!
//! Fields of a record are believed as far as the tool's declaration vouches for them. Where nothing is declared, a
//! result that is nothing but records is read as such, except from tools that give the content of a file or a
//! page, which anybody could have shaped like records; its fields then name things and people and vouch for nobody.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};
use testudo::action::Effect;
use testudo::declaration::{Declaration, RecordShape, Results, Role};
use testudo::label::{Labels, Source};

use super::lexicon;
use super::link;
use super::normal::folded;
use super::reading;
use super::said::Text;
use super::time;
use super::tool::{self, Named};

/// Most bytes of text that are kept for telling where a value was found.
const MOST_TEXT: usize = 2 * 1024 * 1024;
/// Most records that are kept.
const MOST_RECORDS: usize = 20_000;

/// How far the fields of a record can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// Found in text that looks like records.
    Inferred,
    /// The declaration vouches for its fields.
    Declared,
}

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) trust: Trust,
    /// What it is called: its kind and the things in the name of the tool that gave it.
    pub(super) kinds: Vec<String>,
    pub(super) name: Option<Text>,
    /// The name with blanks for its punctuation and without the ending of a file.
    pub(super) spaced: Option<Text>,
    pub(super) plain_name: String,
    pub(super) id: Option<String>,
    /// People that it names, other than the owner.
    pub(super) people: Vec<String>,
    pub(super) author: Option<String>,
    pub(super) amount: Option<f64>,
    /// The owner is among its people.
    pub(super) with_owner: bool,
    /// The owner wrote it, as the service vouches.
    pub(super) own: bool,
    /// It came in and was not written by the owner.
    pub(super) incoming: bool,
}

impl Record {
    /// Whether a mail: anybody can give it any name.
    pub(super) fn is_mail(&self) -> bool {
        self.kinds.iter().any(|kind| lexicon::names_thing("mail", kind)) && self.author.is_some()
    }
}

/// A link in what an authenticated member wrote.
#[derive(Debug, Clone)]
pub(super) struct MemberLink {
    pub(super) url: String,
    pub(super) author: Option<Text>,
    /// Where it was read: values of the call's arguments.
    pub(super) places: Vec<Text>,
}

/// Everything read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Store {
    pub(super) records: Vec<Record>,
    /// What the service or the operator keeps.
    pub(super) kept: HashSet<String>,
    /// Closed sets of names.
    pub(super) directory: HashSet<String>,
    /// People of records, with their fields vouched for.
    pub(super) people: HashSet<String>,
    /// Whom the owner wrote to, and contacts.
    pub(super) known: BTreeSet<String>,
    /// Stems of all words read.
    pub(super) words: HashSet<String>,
    /// Numbers and codes in what is kept.
    pub(super) dates: HashSet<(u8, u8)>,
    pub(super) links: Vec<MemberLink>,
    /// Ids of what was made in this session, with what it is.
    pub(super) made: Vec<(Vec<String>, String)>,
    texts: Vec<(String, BTreeSet<Source>)>,
    held: usize,
}

impl Store {
    /// Takes a result in.
    pub(super) fn take(
        &mut self,
        tool: &str,
        declaration: &Declaration,
        arguments: &Value,
        content: &Value,
        labels: &Labels,
        owner: &HashSet<String>,
    ) {
        let parsed = match content {
            Value::String(text) => reading::value(text),
            Value::Null => None,
            other => Some(other.clone()),
        };
        let text = match content {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => flat(other).join("\n"),
        };
        self.remember(&text, labels);
        let named = Named::of(tool);
        if let Some(id) = creates(declaration, &named).then(|| parsed.as_ref().and_then(made_id)).flatten() {
            self.made.push((named.things.clone(), id));
            return;
        }
        let reads =
            declaration.effects.iter().all(|effect| matches!(effect, Effect::Read | Effect::ReadExternal));
        if !reads {
            return;
        }
        let foreign = labels.sources.iter().any(Source::is_foreign);
        match declaration.results {
            Results::Catalogue | Results::Directory if !foreign => {
                self.keep(&text, parsed.as_ref(), declaration.results);
            }
            _ => {}
        }
        let contents = arguments_are_places(declaration, arguments)
            || declaration.effects.contains(&Effect::ReadExternal);
        let trust = match declaration.results {
            Results::Records | Results::Directory => Trust::Declared,
            Results::Unstated
                if !contents
                    && !labels.sources.iter().any(|source| {
                        matches!(source, Source::Web(_) | Source::Stranger | Source::Bridged)
                    }) =>
            {
                Trust::Inferred
            }
            _ => return,
        };
        let members = labels.sources.iter().all(|source| {
            matches!(source, Source::Member | Source::Owner | Source::Catalogue | Source::System)
        });
        for found in parsed.as_ref().map(objects).unwrap_or_default() {
            if self.records.len() >= MOST_RECORDS {
                break;
            }
            if members {
                self.member_links(found, arguments);
            }
            if declaration.records.is_empty() {
                let shape = inferred(found);
                self.add(found, &shape, trust, &named, owner);
            } else if let Some(shape) = declaration.records.iter().find(|shape| fits(found, shape)) {
                self.add(found, shape, trust, &named, owner);
            }
        }
    }

    /// Whether a value stands in text that somebody else could have written.
    pub(super) fn found(&self, value: &str) -> Option<&BTreeSet<Source>> {
        let value = folded(value);
        if value.is_empty() {
            return None;
        }
        self.texts.iter().rev().find(|(text, _)| text.contains(&value)).map(|(_, sources)| sources)
    }

    /// Goes on from another session.
    pub(super) fn absorb(&mut self, other: &Self) {
        self.words.extend(other.words.iter().cloned());
        self.texts.extend(other.texts.iter().cloned());
        self.dates.extend(&other.dates);
    }

    fn remember(&mut self, text: &str, labels: &Labels) {
        let plain = folded(text);
        let taken = Text::of(text);
        self.dates.extend(time::dates(&taken));
        for token in &taken.tokens {
            self.words.insert(lexicon::stem(token.base()));
            for part in token.text.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 2) {
                self.words.insert(lexicon::stem(part));
            }
        }
        self.held += plain.len();
        self.texts.push((plain, labels.sources.clone()));
        while self.held > MOST_TEXT && self.texts.len() > 1 {
            self.held -= self.texts.remove(0).0.len();
        }
    }

    fn keep(&mut self, text: &str, parsed: Option<&Value>, results: Results) {
        let mut values: Vec<String> = parsed.map(flat).unwrap_or_default();
        values.extend(text.split(['\n', ',']).map(str::to_owned));
        values.extend(text.split(['\n', ':', ',']).map(str::to_owned));
        for value in values {
            let value = folded(&value);
            if value.len() >= 2 {
                if results == Results::Directory {
                    self.directory.insert(value.clone());
                }
                self.kept.insert(value);
            }
        }
    }

    fn member_links(&mut self, found: &Map<String, Value>, arguments: &Value) {
        let author = ["sender", "author", "from", "user"].iter().find_map(|key| found.get(*key)?.as_str());
        let places: Vec<Text> = flat(arguments).iter().map(|place| Text::of(place)).collect();
        for value in found.values().filter_map(Value::as_str) {
            for url in link::links(value) {
                self.links.push(MemberLink {
                    url: folded(&url),
                    author: author.map(Text::of),
                    places: places.clone(),
                });
            }
        }
    }

    fn add(
        &mut self,
        found: &Map<String, Value>,
        shape: &RecordShape,
        trust: Trust,
        named: &Named,
        owner: &HashSet<String>,
    ) {
        let field = |key: &Option<String>| key.as_ref().and_then(|key| found.get(key)).and_then(scalar);
        let everybody: Vec<String> = shape
            .people
            .iter()
            .filter_map(|key| found.get(key))
            .flat_map(flat)
            .map(|person| folded(&person))
            .filter(|person| !person.is_empty())
            .collect();
        let author = field(&shape.author).map(|author| folded(&author));
        let by_owner = author.as_ref().is_some_and(|author| owner.contains(author));
        let nobody_else = shape.author.is_none()
            && !everybody.is_empty()
            && everybody.iter().all(|person| owner.contains(person));
        let with_owner = everybody.iter().any(|person| owner.contains(person));
        let people: Vec<String> = everybody.into_iter().filter(|person| !owner.contains(person)).collect();
        let name = field(&shape.name);
        let kinds: Vec<String> = named
            .things
            .iter()
            .cloned()
            .chain((!shape.kind.is_empty()).then(|| shape.kind.clone()))
            .collect();
        let record = Record {
            trust,
            plain_name: name.as_deref().map(folded).unwrap_or_default(),
            spaced: name.as_deref().map(spaced),
            name: name.as_deref().map(Text::of),
            id: field(&shape.id),
            own: trust == Trust::Declared && (by_owner || nobody_else),
            incoming: trust == Trust::Declared && author.is_some() && !by_owner,
            amount: field(&shape.amount).and_then(|amount| amount.parse().ok()),
            author,
            people,
            with_owner,
            kinds,
        };
        if trust == Trust::Declared {
            self.people.extend(record.people.iter().cloned());
            let contact = shape.id.as_ref().is_some_and(|id| shape.people.contains(id));
            if contact || (record.own && record.is_mail()) {
                self.known.extend(record.people.iter().cloned());
            }
        }
        self.records.push(record);
    }
}

/// All scalar values of a value, as text, and the names of its fields where they are not a record's.
pub(super) fn flat(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().flat_map(flat).collect(),
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| [vec![key.clone()], flat(value)].concat()).collect()
        }
        other => scalar(other).into_iter().collect(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn spaced(name: &str) -> Text {
    let stem =
        if tool::is_file_name(name) { name.rsplit_once('.').map_or(name, |(stem, _)| stem) } else { name };
    Text::of(&stem.replace(['_', '-', '.'], " "))
}

fn objects(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Array(list) => list.iter().flat_map(objects).collect(),
        Value::Object(map)
            if !map.is_empty() && map.values().all(|value| value.is_object() || value.is_array()) =>
        {
            map.values().flat_map(objects).collect()
        }
        Value::Object(map) => vec![map],
        _ => Vec::new(),
    }
}

fn fits(found: &Map<String, Value>, shape: &RecordShape) -> bool {
    [&shape.name, &shape.id, &shape.author, &shape.amount, &shape.text]
        .into_iter()
        .flatten()
        .all(|key| found.contains_key(key))
}

fn inferred(found: &Map<String, Value>) -> RecordShape {
    let first =
        |names: &[&str]| names.iter().find(|name| found.contains_key(**name)).map(|name| (*name).to_owned());
    RecordShape {
        kind: String::new(),
        name: first(&["title", "subject", "filename", "file_name", "name", "summary", "headline", "label"]),
        id: first(&[
            "id",
            "id_",
            "uid",
            "uuid",
            "event_id",
            "file_id",
            "message_id",
            "email_id",
            "key",
            "email",
        ]),
        people: [
            "participants",
            "attendees",
            "guests",
            "recipients",
            "recipient",
            "to",
            "cc",
            "bcc",
            "sender",
            "from",
            "owner",
            "author",
            "members",
            "shared_with",
            "email",
            "user",
            "assignee",
            "organizer",
        ]
        .iter()
        .filter(|name| found.contains_key(**name))
        .map(|name| (*name).to_owned())
        .collect(),
        author: first(&["sender", "from", "author"]),
        amount: first(&["amount", "total"]),
        text: None,
    }
}

fn creates(declaration: &Declaration, named: &Named) -> bool {
    declaration.creates
        || (declaration.effects.iter().all(|effect| *effect == Effect::Write)
            && named.verb.as_deref().is_some_and(|verb| matches!(verb, "create" | "new" | "make" | "draft")))
}

fn made_id(value: &Value) -> Option<String> {
    let map = value.as_object()?;
    ["id", "id_", "uid", "uuid", "event_id", "file_id"].iter().find_map(|key| map.get(*key).and_then(scalar))
}

/// Whether the call named a file or an address, so that its result is somebody's content.
fn arguments_are_places(declaration: &Declaration, arguments: &Value) -> bool {
    arguments.as_object().into_iter().flatten().any(|(name, _)| {
        matches!(tool::role(declaration, name), Role::Path | Role::Url)
            || tool::words(name).iter().any(|word| matches!(word.as_str(), "path" | "url" | "uri" | "link"))
    })
}

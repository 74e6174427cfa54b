//! What every question about a call needs: the session, the tool, and the requests of the owner that ask for it.

use serde_json::Value;
use testudo::action::Judged;
use testudo::declaration::{Declaration, Role};
use testudo::flow::Origin;

use super::Session;
use super::request::{Part, Request, part};
use super::said::{Span, Text};
use super::tool::{self, Asking, Named};

/// A call, seen from the session.
pub(super) struct View<'a> {
    pub(super) session: &'a Session,
    pub(super) declaration: &'a Declaration,
    pub(super) named: Named,
    /// Requests that ask for it.
    pub(super) asked: Vec<&'a Request>,
    /// Requests with its verb that do not name its thing.
    pub(super) half_asked: Vec<&'a Request>,
    /// Its arguments that say something, with their roles and single values.
    pub(super) given: Vec<(&'a str, Role, Vec<String>)>,
    /// Arguments that are neither a value nor a list of values.
    pub(super) nested: Vec<&'a str>,
}

/// Where one value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) origin: Origin,
    /// For people.
    pub(super) source: String,
    /// The owner wrote it, but not as this part of the call.
    pub(super) aside: bool,
}

impl Found {
    pub(super) fn new(origin: Origin, source: impl Into<String>) -> Self {
        Self { origin, source: source.into(), aside: false }
    }

    /// The owner wrote it, but not as this part of the call.
    pub(super) fn aside(source: impl Into<String>) -> Self {
        Self { origin: Origin::Known, source: source.into(), aside: true }
    }

    /// The owner wrote it.
    pub(super) fn said() -> Self {
        Self::new(Origin::Said, "you wrote it")
    }
}

impl<'a> View<'a> {
    /// Looks at a call.
    pub(super) fn new(session: &'a Session, judged: &'a Judged) -> Self {
        let declaration = &judged.declaration;
        let named = Named::of(&judged.action.tool);
        let (mut asked, mut half_asked) = (Vec::new(), Vec::new());
        for request in &session.requests {
            match tool::asking(&session.text, request, &named, declaration) {
                Some(Asking::Fully) => asked.push(request),
                Some(Asking::Verb) => half_asked.push(request),
                None => {}
            }
        }
        let given = judged
            .action
            .arguments
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), tool::role(declaration, name), values(value)))
            .filter(|(_, _, values)| !values.is_empty())
            .collect();
        let nested = judged
            .action
            .arguments
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, value)| {
                let role = tool::role(declaration, name);
                role != Role::Option && !is_flat(value, role == Role::Selector)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        Self { session, declaration, named, asked, half_asked, given, nested }
    }

    /// What the owner wrote.
    pub(super) const fn text(&self) -> &'a Text {
        &self.session.text
    }

    /// All values of arguments of one role.
    pub(super) fn of_role(&self, role: Role) -> impl Iterator<Item = &str> {
        self.given
            .iter()
            .filter(move |(_, other, _)| *other == role)
            .flat_map(|(_, _, values)| values.iter().map(String::as_str))
    }

    /// Mentions of a value that are not a part of something else in quotes.
    pub(super) fn mentions(&self, value: &Text) -> Vec<Span> {
        self.text().mentions(value).into_iter().filter(|span| self.stands_alone(*span)).collect()
    }

    fn stands_alone(&self, span: Span) -> bool {
        let quote = self.text().tokens.get(span.start).and_then(|token| token.quote);
        quote.and_then(|at| self.text().quotes.get(at)).is_none_or(|quote| quote.span == span)
    }

    /// Whether a mention is what a request that asks for the call is about.
    pub(super) fn is_goal(&self, span: Span) -> bool {
        self.asked.iter().any(|request| request.holds(span) && part(self.text(), request, span) == Part::Goal)
    }

    /// Whether a mention stands in a request that asks for the call.
    pub(super) fn is_asked(&self, span: Span) -> bool {
        self.asked.iter().any(|request| request.holds(span))
    }

    /// Whether one of these words stands in a request that asks for the call, outside of quotes.
    pub(super) fn asks_with(&self, words: &[&str]) -> bool {
        self.asked.iter().any(|request| self.has(request.whole(), words))
    }

    /// Whether one of these words stands in a span, outside of quotes.
    pub(super) fn has(&self, span: Span, words: &[&str]) -> bool {
        self.text().within(span).iter().any(|token| token.quote.is_none() && words.contains(&token.base()))
    }

    /// Where a value came from that the owner did not give and nothing keeps.
    pub(super) fn elsewhere(&self, value: &str) -> Found {
        match self.session.store.found(value) {
            Some(sources) => {
                let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
                Found::new(
                    Origin::Found,
                    format!("it stands in text from {}: others could have written it", names.join(", ")),
                )
            }
            None => Found::new(Origin::Made, "it stands nowhere: the model made it up"),
        }
    }
}

/// Whether a value is one value or a list of them; a reference may be an object with an id.
fn is_flat(value: &Value, reference: bool) -> bool {
    let single = |value: &Value| match value {
        Value::Array(_) => false,
        Value::Object(map) => reference && map.values().all(|inner| !inner.is_object() && !inner.is_array()),
        _ => true,
    };
    match value {
        Value::Array(list) => list.iter().all(single),
        other => single(other),
    }
}

/// The single values of an argument. What only says of which type a part is decides nothing.
pub(super) fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if text.trim().is_empty() => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(values).collect(),
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "type" | "kind"))
            .flat_map(|(_, value)| values(value))
            .collect(),
        other => vec![other.to_string()],
    }
}

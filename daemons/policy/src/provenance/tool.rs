//! What a tool's name and declaration say about asking for it, and which role an argument has that nobody declared.

use testudo::action::Effect;
use testudo::declaration::{Declaration, Role};

use super::lexicon;
use super::request::Request;
use super::said::Text;

/// The verb and the things in a tool's name.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    /// What it does.
    pub(super) verb: Option<String>,
    /// To what.
    pub(super) things: Vec<String>,
}

impl Named {
    /// Takes a name apart: `calendar.create_event`, `sendMoney`.
    pub(super) fn of(tool: &str) -> Self {
        let mut named = Self::default();
        for word in words(tool) {
            if named.verb.is_none() && lexicon::is_verb(&word) {
                named.verb = Some(word);
            } else if !lexicon::is_empty(&word) && !matches!(word.as_str(), "id" | "api" | "tool" | "direct")
            {
                named.things.push(word);
            }
        }
        named
    }

    /// Whether people call one of its things by this word.
    pub(super) fn has(&self, word: &str) -> bool {
        self.things.iter().any(|thing| lexicon::names_thing(word, thing))
    }
}

/// The words of a name in snake, kebab, dotted or camel case.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && small {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        } else {
            words.push(String::new());
        }
        small = c.is_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// How a request asks for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asking {
    /// The verb alone, which says too little without the thing.
    Verb,
    /// The verb and, where it needs one, the thing.
    Fully,
}

/// Whether a request asks for a tool.
pub(super) fn asking(
    text: &Text,
    request: &Request,
    named: &Named,
    declaration: &Declaration,
) -> Option<Asking> {
    let verb = text.tokens.get(request.verb)?.base();
    let clause = text.within(request.clause());
    let object: Vec<&str> = clause
        .iter()
        .skip(1)
        .take_while(|token| token.quote.is_none() && !ENDING_OBJECT.contains(&token.text.as_str()))
        .map(super::said::Token::base)
        .collect();
    if object.first().is_some_and(|first| matches!(*first, "me" | "us")) && TELLING.contains(&verb) {
        // What is told to the owner is the answer itself.
        return None;
    }
    let wanted = |word: &str| {
        if declaration.asked_by.is_empty() {
            named.verb.as_deref().map_or_else(
                || named.things.iter().any(|thing| thing == word),
                |known| lexicon::asks_for(word, known),
            )
        } else {
            declaration.asked_by.iter().any(|phrase| phrased(phrase, word, &object))
        }
    };
    let by_verb = wanted(verb);
    let by_noun = lexicon::is_light(verb)
        && object.iter().any(|noun| {
            wanted(noun) && lexicon::verb_of(noun).is_some() || lexicon::verb_of(noun).is_some_and(wanted)
        });
    if !by_verb && !by_noun {
        return None;
    }
    if declaration.effects.contains(&Effect::Spend)
        && verb == "send"
        && !clause.iter().any(|token| is_money(&token.text))
    {
        return None;
    }
    if !lexicon::is_generic(verb) && by_verb || named.things.is_empty() {
        return Some(Asking::Fully);
    }
    let known = |word: &str| named.has(word) || (named.has("file") && is_file_name(word));
    let made = lexicon::makes(verb)
        && named
            .verb
            .as_deref()
            .is_some_and(|known| matches!(known, "create" | "new" | "make" | "draft" | "schedule" | "write"));
    let known = |word: &str| {
        known(word)
            && (!matches!(word, "reservation" | "booking")
                || text
                    .tokens
                    .iter()
                    .any(|token| known(token.base()) && !matches!(token.base(), "reservation" | "booking")))
    };
    let there = if made {
        object.iter().any(|word| known(word))
    } else {
        clause.iter().any(|token| known(token.base()))
    };
    Some(if there { Asking::Fully } else { Asking::Verb })
}

const ENDING_OBJECT: &[&str] = &[
    "to",
    "of",
    "from",
    "for",
    "with",
    "in",
    "on",
    "at",
    "about",
    "by",
    "into",
    "named",
    "called",
    "titled",
    "that",
    "where",
    "which",
    "who",
    "based",
    "as",
    "saying",
    "containing",
    "and",
];
const TELLING: &[&str] =
    &["tell", "give", "show", "write", "notify", "inform", "answer", "send", "make", "get"];

/// Whether a phrase of a declaration starts with this word and goes on with the object.
fn phrased(phrase: &str, word: &str, object: &[&str]) -> bool {
    let phrase = phrase.to_lowercase();
    let mut words = phrase.split_whitespace();
    words.next() == Some(word) && words.zip(object).all(|(wanted, found)| wanted == *found)
}

fn is_money(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
        || matches!(
            word,
            "money"
                | "amount"
                | "payment"
                | "difference"
                | "refund"
                | "share"
                | "rent"
                | "bill"
                | "back"
                | "fee"
                | "sum"
                | "deposit"
                | "tip"
                | "euros"
                | "dollars"
                | "pounds"
                | "usd"
                | "eur"
                | "cash"
                | "salary"
                | "price"
        )
}

/// Whether a word looks like the name of a file.
pub(super) fn is_file_name(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty()
            && !stem.contains(['@', '/'])
            && (2..=5).contains(&ending.len())
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
            && ending.chars().any(|c| c.is_ascii_alphabetic())
            && !matches!(ending, "com" | "org" | "net" | "io" | "info" | "app" | "dev")
    })
}

/// The role of an argument: declared, or the strictest that its name allows.
pub(super) fn role(declaration: &Declaration, argument: &str) -> Role {
    declaration.arguments.get(argument).copied().unwrap_or_else(|| role_of_name(argument))
}

fn role_of_name(argument: &str) -> Role {
    let words = words(argument);
    let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let last = words.last().map(String::as_str);
    if any(&["url", "uri", "link", "href", "webhook", "host", "domain", "endpoint", "website"]) {
        Role::Url
    } else if any(&["amount", "price", "sum", "money", "quantity", "budget", "tip"]) {
        Role::Amount
    } else if matches!(last, Some("id" | "ids" | "uid" | "uuid" | "key" | "number")) {
        Role::Selector
    } else if any(&["password", "value", "setting", "pin", "credential", "street", "city", "phone"]) {
        Role::Value
    } else if any(&["command", "cmd", "script", "code", "program", "argv", "sql"]) {
        Role::Command
    } else if any(&["path", "dir", "cwd"]) {
        Role::Path
    } else if any(&[
        "body",
        "text",
        "content",
        "message",
        "description",
        "subject",
        "note",
        "notes",
        "comment",
        "summary",
        "memo",
        "html",
        "caption",
        "location",
        "attachment",
        "attachments",
    ]) {
        Role::Content
    } else if any(&[
        "date", "time", "day", "start", "end", "when", "until", "deadline", "due", "hour", "year", "month",
    ]) {
        Role::Time
    } else if any(&["title", "name", "filename", "label"])
        && !any(&["user", "username", "channel", "recipient"])
    {
        Role::Label
    } else if any(&[
        "limit",
        "offset",
        "page",
        "format",
        "mode",
        "sort",
        "order",
        "query",
        "filter",
        "permission",
        "permissions",
        "recurring",
        "flag",
        "verbose",
        "n",
        "max",
        "min",
        "count",
        "language",
        "unit",
        "units",
        "priority",
    ]) {
        Role::Option
    } else {
        // Whoever it is, it must be the owner who named them.
        Role::Destination
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::requests;
    use super::*;
    use std::collections::BTreeSet;

    fn asked(tool: &str, message: &str) -> Option<Asking> {
        let text = Text::of(message);
        let declaration =
            Declaration { effects: BTreeSet::from([Effect::Message]), ..Declaration::default() };
        requests(&text, 0).iter().filter_map(|one| asking(&text, one, &Named::of(tool), &declaration)).max()
    }

    #[test]
    fn names_are_taken_apart() {
        assert_eq!(words("calendar.createEvent_v2"), ["calendar", "create", "event", "v2"]);
        let named = Named::of("add_guest_to_group");
        assert_eq!(
            (named.verb.as_deref(), named.things),
            (Some("add"), vec!["guest".to_owned(), "group".to_owned()])
        );
    }

    #[test]
    fn a_request_asks_for_the_tools_it_means() {
        for (tool, message, expected) in [
            ("send_mail", "Please mail Ann the minutes", Some(Asking::Fully)),
            ("send_mail", "Read the email that I got", None),
            ("send_mail", "Tell me the price", None),
            ("create_event", "add an event to my calendar", Some(Asking::Fully)),
            ("create_event", "add ann@x.org to the 'Kick-off' event", Some(Asking::Verb)),
            ("book_hotel", "I want to stay there, make a reservation for me", Some(Asking::Fully)),
            ("book_hotel", "make a reservation for me", Some(Asking::Verb)),
            ("book_hotel", "book a table", Some(Asking::Verb)),
            ("remove_file", "delete report.docx", Some(Asking::Fully)),
            ("delete_mail", "delete report.docx", Some(Asking::Verb)),
            ("change_password", "update my address", Some(Asking::Verb)),
        ] {
            assert_eq!(asked(tool, message), expected, "{tool}: {message}");
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_a_destination() {
        assert_eq!(role_of_name("frobnicate"), Role::Destination);
        assert_eq!(role_of_name("user_email"), Role::Destination);
        assert_eq!(role_of_name("event_id"), Role::Selector);
        assert_eq!(role_of_name("start_time"), Role::Time);
    }
}

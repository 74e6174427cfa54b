//! Words of a declaration, read leniently: what is not known is taken as the strictest and warned about.

use testudo::action::Effect;
use testudo::declaration::{Results, Role};
use testudo::label::Source;

/// What labels say beyond who could have written something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// Who could have written it.
    Source(Source),
    /// Nobody else's business.
    Private,
    /// An identity number, a credential.
    Secret,
    /// A closed set of names that the service keeps.
    Directory,
}

/// An effect; an unknown one is taken as all that cannot be undone.
pub(super) fn effect(word: &str) -> (Effect, bool) {
    let plain = word.trim().to_lowercase().replace(['_', ' '], "-");
    let known = match plain.as_str() {
        "readexternal" | "external-read" | "fetch" => Some(Effect::ReadExternal),
        "send" | "share" | "publish" => Some(Effect::Message),
        "pay" | "buy" => Some(Effect::Spend),
        "delete" => Some(Effect::Destroy),
        plain => Effect::ALL.into_iter().find(|effect| effect.word() == plain),
    };
    (known.unwrap_or(Effect::Destroy), known.is_some())
}

/// A role; an unknown one is taken as a destination, which must be the owner's in every call.
pub(super) fn role(word: &str) -> (Role, bool) {
    let plain = word.trim().to_lowercase();
    let known = match plain.as_str() {
        "recipient" | "recipients" | "to" | "target" | "address" | "payee" | "dest" | "channel"
        | "person" | "account" | "party" => Some(Role::Destination),
        "body" | "text" | "message" | "subject" | "data" | "payload" => Some(Role::Content),
        "id" | "object" | "record" | "reference" | "item" => Some(Role::Selector),
        "money" | "sum" | "quantity" | "count" | "price" => Some(Role::Amount),
        "link" | "uri" | "host" => Some(Role::Url),
        "date" | "datetime" | "when" | "duration" => Some(Role::Time),
        "name" | "title" => Some(Role::Label),
        "setting" | "password" | "credential" => Some(Role::Value),
        "code" | "program" | "script" => Some(Role::Command),
        "file" | "folder" | "directory" => Some(Role::Path),
        "query" | "filter" | "flag" | "switch" | "limit" | "search" | "format" | "none" => Some(Role::Option),
        plain => Role::ALL.into_iter().find(|role| role.word() == plain),
    };
    (known.unwrap_or(Role::Destination), known.is_some())
}

/// A label; an unknown one is a stranger's.
pub(super) fn label(word: &str) -> (Label, bool) {
    let plain = word.trim();
    let label = match plain {
        "private" => Label::Private,
        "secret" => Label::Secret,
        "directory" => Label::Directory,
        other => Label::Source(Source::of_word(other)),
    };
    let known = plain == "stranger" || label != Label::Source(Source::Stranger);
    (label, known)
}

/// How results are read; an unknown word means text.
pub(super) fn results(word: &str) -> (Results, bool) {
    match word {
        "text" => (Results::Text, true),
        "records" => (Results::Records, true),
        "catalogue" => (Results::Catalogue, true),
        "directory" => (Results::Directory, true),
        _ => (Results::Text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_manual_is_known() {
        for one in Effect::ALL {
            assert_eq!(effect(one.word()), (one, true));
        }
        for one in Role::ALL {
            assert_eq!(role(one.word()), (one, true));
        }
        for word in ["owner", "member", "bridged", "stranger", "web:x.org", "mail", "file", "tool:x"] {
            assert!(label(word).1, "{word}");
        }
        for word in ["catalogue", "directory"] {
            assert!(label(word).1, "{word}");
        }
    }

    #[test]
    fn what_is_not_known_is_the_strictest() {
        assert_eq!(effect("frobnicate"), (Effect::Destroy, false));
        assert_eq!(role("frobnicate"), (Role::Destination, false));
        assert_eq!(label("frobnicate"), (Label::Source(Source::Stranger), false));
        assert_eq!(results("frobnicate"), (Results::Text, false));
    }
}

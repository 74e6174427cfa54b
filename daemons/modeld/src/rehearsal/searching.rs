//! Understands sentences that search, in files or for files.
//!
//! `search for TEXT in PLACE`, `grep TEXT PLACE`, `find the text 'TEXT' in *.rs` look into files;
//! `find files matching *.rs in PLACE`, `find *.toml files`, `where is Cargo.toml` look for files.
//! A place with a wildcard is a folder and a pattern for names.

use serde_json::{Map, Value};

use super::clause::Clause;
use super::sentence::{Place, Wish, place_of};
use super::token::{Kind, Token};

const IN: &[&str] = &["in", "inside", "within", "under", "through", "across"];
const TEXT: &[&str] = &[
    "for",
    "the",
    "a",
    "text",
    "word",
    "string",
    "pattern",
    "phrase",
    "regex",
    "expression",
    "occurrences",
    "of",
    "all",
    "lines",
    "with",
    "containing",
    "matching",
    "every",
];
const FILES: &[&str] =
    &["all", "the", "every", "any", "files", "file", "matching", "named", "called", "like", "for", "a"];

/// The search that `clause` asks for.
pub(crate) fn search(clause: Clause<'_>) -> Option<Wish> {
    if let Some(rest) =
        clause.after(&[&["find"], &["locate"], &["glob"], &["where", "is"], &["search", "for", "files"]])
    {
        return for_files(rest, clause.begins(&["glob"]))
            .or_else(|| clause.begins(&["find"]).then(|| in_files(rest))?);
    }
    in_files(clause.after(&[&["search"], &["grep"], &["look", "for"], &["rg"]])?)
}

/// People mean names anywhere below the place, unless they say `glob`, which takes over the pattern as it is.
fn for_files(rest: Clause<'_>, as_it_is: bool) -> Option<Wish> {
    let (what, place) = parted(rest)?;
    let said = what.tokens.iter().any(|token| token.is("files") || token.is("file"));
    let pattern = what.without_leading(FILES).without_trailing(FILES).single().filter(Token::names)?;
    let named = said || is_pattern(pattern.text) || (pattern.kind == Kind::Word && is_name(pattern.text));
    let title = format!("find files like {}", pattern.text);
    let path = match place {
        Place::Everywhere => None,
        Place::At(path) => Some(path),
    };
    let anywhere = !as_it_is && !pattern.text.contains('/');
    let like = Some(if anywhere { format!("**/{}", pattern.text) } else { pattern.text.to_owned() });
    named.then(|| Wish::new("search.glob", object([("pattern", like), ("path", path)]), title))
}

fn in_files(rest: Clause<'_>) -> Option<Wish> {
    // `search src for foo`
    let turned =
        rest.around_first(&["for"]).filter(|(place, _)| !place.tokens.iter().any(|token| token.is("in")));
    let (what, place) = match turned {
        Some((place, what)) => (what, place_of(place.without_leading(IN))?),
        None => parted(rest)?,
    };
    let bare = what.without_leading(TEXT);
    let (pattern, place) = match bare.tokens {
        // `grep foo src`
        [pattern, _] if place == Place::Everywhere && rest.tokens.len() == 2 => {
            (pattern, place_of(bare.part(1..))?)
        }
        [pattern] => (pattern, place),
        [] => (what.tokens.last()?, place),
        _ => return None,
    };
    if !pattern.names()
        || pattern.text.is_empty()
        || (pattern.kind == Kind::Word && pattern.text.starts_with('-'))
    {
        return None;
    }
    let (path, glob) = folder_and_pattern(place);
    let title = format!("search for {}", pattern.text);
    let text = pattern.text.to_owned();
    Some(Wish::new("search.grep", object([("pattern", Some(text)), ("path", path), ("glob", glob)]), title))
}

/// What is sought, and where: everything from the last "in" on.
fn parted(rest: Clause<'_>) -> Option<(Clause<'_>, Place)> {
    let Some((what, place)) = rest.around_last(IN) else { return Some((rest, Place::Everywhere)) };
    let place =
        place.without_trailing(&["files", "file"]).without_leading(&["all", "the", "files", "file", "any"]);
    Some((what, place_of(place)?))
}

/// `src/*.rs` is the pattern `*.rs` in the folder `src`.
fn folder_and_pattern(place: Place) -> (Option<String>, Option<String>) {
    let Place::At(place) = place else { return (None, None) };
    let Some(wildcard) = place.find(['*', '?', '[']) else { return (Some(place), None) };
    match place.get(..wildcard).and_then(|head| head.rfind('/')) {
        Some(slash) => (place.get(..slash).map(str::to_owned), place.get(slash + 1..).map(str::to_owned)),
        None => (None, Some(place)),
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether it looks like the name of a file rather than a word: something with an extension.
fn is_name(text: &str) -> bool {
    stem_and_extension(text).is_some_and(|(stem, extension)| {
        !stem.is_empty() && !extension.is_empty() && extension.chars().all(char::is_alphanumeric)
    })
}

fn stem_and_extension(text: &str) -> Option<(&str, &str)> {
    text.rsplit('/').next()?.rsplit_once('.')
}

fn object<const N: usize>(members: [(&str, Option<String>); N]) -> Value {
    let present =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Value::Object(present.collect::<Map<_, _>>())
}

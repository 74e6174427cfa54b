//! Labels: what something new is called. The owner said it, or it fills a template that the owner gave.

use testudo::flow::Origin;

use super::lexicon;
use super::normal::folded;
use super::said::{Quote, Text};
use super::view::{Found, View};

/// Where a name for something new came from.
pub(super) fn origin(view: &View<'_>, value: &str) -> Found {
    let text = Text::of(value);
    let plain = folded(value);
    let whole = super::destination::is_whole(&text, &plain) || text.tokens.len() > 1;
    let mentions = if whole { view.text().mentions(&text) } else { Vec::new() };
    let dictated = dictated(view);
    if dictated.iter().any(|quote| folded(&quote.text) == plain) {
        return Found::said();
    }
    if dictated.iter().any(|quote| fills(view, &quote.text, &plain)) {
        return Found::new(Origin::Designated, "it fills the template that you gave");
    }
    let meaning = text.words().any(|word| word.chars().count() >= 3 && !lexicon::is_calendar(word));
    let quoted = mentions.iter().any(|span| view.text().quotes.iter().any(|quote| quote.span == *span));
    if dictated.is_empty() && meaning && (quoted || mentions.iter().any(|span| view.is_asked(*span))) {
        return Found::said();
    }
    if meaning && mentions.iter().any(|span| view.is_asked(*span)) {
        return Found::aside("you wrote it, but gave another name");
    }
    view.elsewhere(value)
}

/// What the owner put in quotes behind a word for a name, in a request for the call.
fn dictated<'a>(view: &View<'a>) -> Vec<&'a Quote> {
    const NAMING: &[&str] = &[
        "titled", "named", "called", "title", "name", "entitled", "label", "file", "event", "subject", "be",
        "is",
    ];
    view.text()
        .quotes
        .iter()
        .filter(|quote| view.is_asked(quote.span))
        .filter(|quote| {
            quote.span.start.checked_sub(1).and_then(|at| view.text().tokens.get(at)).is_some_and(|before| {
                NAMING.contains(&before.text.as_str())
                    && !(matches!(before.text.as_str(), "be" | "is") && about_else(view, quote))
            })
        })
        .collect()
}

/// "The description should be …" dictates no name.
fn about_else(view: &View<'_>, quote: &Quote) -> bool {
    let tokens = &view.text().tokens;
    (0..quote.span.start).rev().take(6).filter_map(|at| tokens.get(at)).any(|token| {
        matches!(
            token.text.as_str(),
            "description" | "body" | "content" | "message" | "location" | "address" | "recipient"
        )
    })
}

/// Whether a value is a template with its holes filled by what is said or kept.
pub(super) fn fills(view: &View<'_>, template: &str, plain: &str) -> bool {
    let template = folded(template);
    if !template.contains('{') {
        return false;
    }
    let mut rest = plain;
    let mut pieces = template.split('{');
    let Some(head) = pieces.next() else { return false };
    let Some(after) = rest.strip_prefix(head) else { return false };
    rest = after;
    for piece in pieces {
        let Some((_, literal)) = piece.split_once('}') else { return false };
        let end = if literal.is_empty() { Some(rest.len()) } else { rest.find(literal) };
        let Some(end) = end else { return false };
        let Some(hole) = rest.get(..end) else { return false };
        let known = view.session.store.kept.contains(hole.trim())
            || !view.text().mentions(&Text::of(hole)).is_empty();
        if !known {
            return false;
        }
        rest = rest.get(end + literal.len()..).unwrap_or_default();
    }
    rest.is_empty()
}

//! Settings: what something is to become. The value stands in the request as a whole, behind *to*, *is* or a colon,
//! so that no word that merely occurs there can become a password.

use super::said::{Break, Span, Text};
use super::view::{Found, View};

/// Where the value of a setting came from.
pub(super) fn origin(view: &View<'_>, value: &str) -> Found {
    if let Ok(flag) = value.parse::<bool>() {
        let words: &[&str] = if flag {
            &["on", "enable", "activate", "allow", "start", "true"]
        } else {
            &["off", "disable", "deactivate", "stop", "block", "false"]
        };
        return if view.asks_with(words) { Found::said() } else { view.elsewhere(value) };
    }
    let text = Text::of(value);
    let shown =
        |tokens: &[super::said::Token]| tokens.iter().map(|token| token.shown.clone()).collect::<Vec<_>>();
    let whole = super::destination::is_whole(&text, &super::normal::folded(value));
    // A password in other letters is another password.
    let mut mentions = view.mentions(&text);
    mentions.retain(|span| whole && shown(view.text().within(*span)) == shown(&text.tokens));
    if mentions.iter().any(|span| view.is_asked(*span) && is_value(view, *span)) {
        return Found::said();
    }
    if !mentions.is_empty() {
        return Found::aside("you wrote it, but not as what it is to become");
    }
    view.elsewhere(value)
}

fn is_value(view: &View<'_>, span: Span) -> bool {
    let tokens = &view.text().tokens;
    if view.text().quotes.iter().any(|quote| quote.span == span) {
        return true;
    }
    let Some(before) = span.start.checked_sub(1).and_then(|at| tokens.get(at)) else { return false };
    let Some(last) = span.end.checked_sub(1).and_then(|at| tokens.get(at)) else { return false };
    let introduced = before.after >= Break::Comma
        || matches!(before.text.as_str(), "to" | "is" | "be" | "as" | "into" | "with");
    let next = tokens.get(span.end).map_or("and", |token| token.text.as_str());
    let number = tokens
        .get(span.start)
        .is_some_and(|token| token.text.chars().all(|c| c.is_ascii_digit() || c == '.'));
    let unit = number
        && matches!(
            next,
            "degrees" | "percent" | "minutes" | "hours" | "seconds" | "days" | "celsius" | "fahrenheit"
        );
    introduced
        && (unit
            || last.after >= Break::Comma
            || matches!(next, "and" | "or" | "for" | "in" | "on" | "please"))
}

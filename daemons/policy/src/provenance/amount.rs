//! Amounts: a number of the request, or exactly that of a payment which the owner named.

use testudo::flow::Origin;

use super::designation::designated;
use super::normal::folded;
use super::said::{Span, Text};
use super::view::{Found, View};

const BACK: &[&str] = &["refund", "back", "return", "repay", "reimburse"];
const USUAL: &[&str] = &["amount", "usual", "usually", "same", "again", "like", "last"];

/// Where an amount came from. `reached`: whom the money goes to.
pub(super) fn origin(view: &View<'_>, argument: &str, value: &str, reached: &[&str]) -> Found {
    let exact = value.split_once('.').is_none_or(|(_, cents)| cents.len() <= 2);
    let Some(amount) = number(value).filter(|_| exact) else { return view.elsewhere(value) };
    if view
        .asked
        .iter()
        .any(|request| said(view.text(), request.whole()).iter().any(|said| same(*said, amount)))
    {
        return Found::said();
    }
    if same(amount, 1.0) && matches!(argument, "quantity" | "count" | "qty") {
        return Found::new(Origin::Said, "one, as nothing else is said");
    }
    let reached: Vec<String> = reached.iter().map(|one| folded(one)).collect();
    let paid_back = view.asks_with(BACK)
        && view.session.store.records.iter().any(|record| {
            record.incoming
                && record.amount.is_some_and(|other| same(other, amount))
                && record.people.iter().any(|person| reached.contains(person))
        });
    if paid_back {
        return Found::new(Origin::Designated, "exactly what they paid you");
    }
    let usual = view.asks_with(USUAL)
        && designated(view, |record| record.own && record.amount.is_some())
            .iter()
            .any(|one| one.record.amount.is_some_and(|other| same(other, amount)));
    if usual {
        return Found::new(Origin::Designated, "exactly that of the payment that you named");
    }
    if view.session.store.records.iter().any(|record| record.amount.is_some_and(|other| same(other, amount)))
    {
        return Found::new(Origin::Known, "that of a payment that you did not name");
    }
    view.elsewhere(value)
}

/// The numbers of a span that can be amounts: no dates, times, shares or parts of names.
pub(super) fn said(text: &Text, span: Span) -> Vec<f64> {
    text.within(span).iter().filter_map(|token| number(&token.text)).collect()
}

fn number(word: &str) -> Option<f64> {
    let bare = word
        .trim()
        .trim_start_matches(['$', '\u{20ac}', '\u{a3}'])
        .trim_end_matches(['$', '\u{20ac}', '\u{a3}']);
    let bare = bare.strip_suffix("eur").or_else(|| bare.strip_suffix("usd")).unwrap_or(bare).replace(',', "");
    let plain = !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || c == '.');
    plain.then(|| bare.parse().ok()).flatten()
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.000_1
}

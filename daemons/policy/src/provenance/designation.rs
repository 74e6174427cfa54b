//! Designation: which records the owner named. A record is named by its whole name, which must be no other
//! record's; one of the owner's own also by some of its words, when no other has as many.

use std::collections::BTreeSet;

use super::lexicon;
use super::record::{Record, Trust};
use super::said::{Span, Text};
use super::view::View;

/// A record that the owner named, and where.
pub(super) struct Designated<'a> {
    pub(super) record: &'a Record,
    /// Where its name stands; empty when only some words of it do.
    pub(super) mentions: Vec<Span>,
}

/// All records that the owner named and that `fits` takes.
pub(super) fn designated<'a>(view: &View<'a>, fits: impl Fn(&Record) -> bool) -> Vec<Designated<'a>> {
    let records = &view.session.store.records;
    let mut found: Vec<Designated<'a>> = Vec::new();
    for record in records {
        // Most records are not mentioned at all, so that is looked at first.
        let mentions = mentions(view, record);
        if mentions.is_empty() || !fits(record) {
            continue;
        }
        let unique = records.iter().all(|other| {
            other.plain_name != record.plain_name
                || (other.id == record.id && other.people == record.people)
                || !fits(other)
        });
        if unique {
            found.push(Designated { record, mentions });
        }
    }
    let own: Vec<&Record> = records
        .iter()
        .filter(|record| record.own && record.trust == Trust::Declared && fits(record))
        .filter(|record| found.iter().all(|one| one.record.id != record.id))
        .collect();
    found.extend(partly(view, &own).into_iter().map(|record| Designated { record, mentions: Vec::new() }));
    found
}

/// Where the name of a record stands in what the owner wrote.
fn mentions(view: &View<'_>, record: &Record) -> Vec<Span> {
    let mut found = record.name.as_ref().map(|name| view.text().mentions(name)).unwrap_or_default();
    if let Some(spaced) = &record.spaced
        && spaced.tokens.len() > 1
    {
        found.extend(view.text().mentions(spaced));
    }
    if found.is_empty() || record.plain_name.chars().count() < 3 || lexicon::is_empty(&record.plain_name) {
        return Vec::new();
    }
    if record.is_mail() && !record.own {
        // Anybody can send a mail with any subject: its sender must be named, too.
        let sender = record.author.as_deref().map(Text::of).unwrap_or_default();
        if view.mentions(&sender).is_empty() {
            return Vec::new();
        }
    }
    found
}

/// The own record that shares most words with the requests, if one alone does.
fn partly<'a>(view: &View<'a>, records: &[&'a Record]) -> Vec<&'a Record> {
    let said: BTreeSet<String> = view
        .asked
        .iter()
        .flat_map(|request| view.text().within(request.whole()))
        .map(|token| lexicon::stem(token.base()))
        .collect();
    let shared = |record: &Record| {
        let words: BTreeSet<String> = record
            .spaced
            .iter()
            .flat_map(Text::words)
            .filter(|word| word.chars().count() >= 4)
            .map(lexicon::stem)
            .collect();
        words.intersection(&said).count()
    };
    let least = |record: &Record| if record.amount.is_some() { 1 } else { 2 };
    let counted: Vec<(usize, &Record)> = records
        .iter()
        .map(|record| (shared(record), *record))
        .filter(|(count, record)| *count >= least(record))
        .collect();
    let Some(most) = counted.iter().map(|(count, _)| *count).max() else { return Vec::new() };
    let best: Vec<&Record> =
        counted.iter().filter(|(count, _)| *count == most).map(|(_, record)| *record).collect();
    // Several payments to the same people for the same thing are one standing matter.
    let same = best.windows(2).all(|pair| {
        matches!(pair, [one, other] if one.id == other.id || (one.amount.is_some() && one.people == other.people))
    });
    if same { best } else { Vec::new() }
}

//! Cuts a message into clauses, each of which asks for one thing.
//!
//! Strong marks always separate: the end of a line, of a sentence, a semicolon, the word "then", a
//! number or a dash that begins an item of a list. "and" and a comma separate only where a clause that
//! can be planned ends and another begins. Nothing separates inside quotes, and a fenced block belongs
//! to the line above it.

use super::token::{Kind, Token};

/// Clauses with more tokens than this are not searched for "and", to bound the work.
const SEARCHED: usize = 200;

/// A run of tokens of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clause<'a> {
    source: &'a str,
    /// Never empty in what [`split`] gives.
    pub(crate) tokens: &'a [Token<'a>],
}

impl<'a> Clause<'a> {
    /// The whole of a message.
    pub(crate) fn whole(source: &'a str, tokens: &'a [Token<'a>]) -> Self {
        Self { source, tokens }
    }

    /// The tokens `range` of this clause; empty where it has none such.
    pub(crate) fn part(self, range: impl std::slice::SliceIndex<[Token<'a>], Output = [Token<'a>]>) -> Self {
        Self { tokens: self.tokens.get(range).unwrap_or_default(), ..self }
    }

    /// Everything exactly as it was typed.
    pub(crate) fn raw(self) -> &'a str {
        let (Some(first), Some(last)) = (self.tokens.first(), self.tokens.last()) else { return "" };
        self.source.get(first.start..last.end).unwrap_or_default()
    }

    /// Whether it begins with these plain words.
    pub(crate) fn begins(self, words: &[&str]) -> bool {
        words.len() <= self.tokens.len() && words.iter().zip(self.tokens).all(|(word, token)| token.is(word))
    }

    /// The rest after the first of `phrases` that it begins with.
    pub(crate) fn after(self, phrases: &[&[&str]]) -> Option<Self> {
        let phrase = phrases.iter().find(|phrase| self.begins(phrase))?;
        Some(self.part(phrase.len()..))
    }

    /// Without any of `words` at its beginning.
    pub(crate) fn without_leading(self, words: &[&str]) -> Self {
        let kept = |token: &Token<'_>| !words.iter().any(|word| token.is(word));
        let start = self.tokens.iter().position(kept).unwrap_or(self.tokens.len());
        self.part(start..)
    }

    /// Without any of `words` at its end.
    pub(crate) fn without_trailing(self, words: &[&str]) -> Self {
        let kept = |token: &Token<'_>| !words.iter().any(|word| token.is(word));
        let end = self.tokens.iter().rposition(kept).map_or(0, |last| last + 1);
        self.part(..end)
    }

    /// What stands before and after the last of `words`, neither of them empty.
    pub(crate) fn around_last(self, words: &[&str]) -> Option<(Self, Self)> {
        let found = |token: &Token<'_>| words.iter().any(|word| token.is(word));
        self.around(self.tokens.iter().rposition(found)?)
    }

    /// What stands before and after the first of `words`, neither of them empty.
    pub(crate) fn around_first(self, words: &[&str]) -> Option<(Self, Self)> {
        let found = |token: &Token<'_>| words.iter().any(|word| token.is(word));
        self.around(self.tokens.iter().position(found)?)
    }

    fn around(self, at: usize) -> Option<(Self, Self)> {
        let (before, after) = (self.part(..at), self.part(at + 1..));
        (!before.tokens.is_empty() && !after.tokens.is_empty()).then_some((before, after))
    }

    /// Its only token.
    pub(crate) fn single(self) -> Option<Token<'a>> {
        match self.tokens {
            [token] => Some(*token),
            _ => None,
        }
    }
}

/// Cuts `message` into clauses; `plannable` says whether a clause by itself asks for something.
pub(crate) fn split<'a>(message: Clause<'a>, plannable: &dyn Fn(Clause<'a>) -> bool) -> Vec<Clause<'a>> {
    let mut clauses = Vec::new();
    for clause in at_strong_marks(message) {
        at_weak_marks(clause, plannable, &mut clauses);
    }
    clauses
}

fn at_strong_marks(message: Clause<'_>) -> Vec<Clause<'_>> {
    let mut clauses = Vec::new();
    let mut start = 0;
    let mut items = 0;
    for (at, token) in message.tokens.iter().enumerate() {
        let next = message.tokens.get(at + 1);
        let separates = match token.kind {
            Kind::Newline => next.is_none_or(|next| next.kind != Kind::Fence),
            Kind::Stop | Kind::Fence => true,
            Kind::Word => token.is("then") || is_item(token, next, &mut items),
            _ => false,
        };
        if separates {
            let end = if token.kind == Kind::Fence { at + 1 } else { at };
            clauses.push(message.part(start..end));
            start = at + 1;
        }
    }
    clauses.push(message.part(start..));
    clauses.into_iter().map(bare).filter(|clause| !clause.tokens.is_empty()).collect()
}

/// Whether `token` is the next number of a list, such as `2)` or the `2` of `2.`.
fn is_item(token: &Token<'_>, next: Option<&Token<'_>>, items: &mut u32) -> bool {
    let number = match token.text.strip_suffix(')') {
        Some(number) => number,
        None if next.is_some_and(|next| next.kind == Kind::Stop && next.start == token.end) => token.text,
        None => return false,
    };
    let follows = number.parse::<u32>().is_ok_and(|number| Some(number) == items.checked_add(1));
    *items += u32::from(follows);
    follows
}

/// Without what joins it to its neighbours.
fn bare(clause: Clause<'_>) -> Clause<'_> {
    let joins = |token: &Token<'_>| {
        matches!(token.kind, Kind::Newline | Kind::Comma | Kind::Stop)
            || ["and", "-", "*", "•"].iter().any(|word| token.is(word))
    };
    let start = clause.tokens.iter().position(|token| !joins(token)).unwrap_or(clause.tokens.len());
    let end = clause.tokens.iter().rposition(|token| !joins(token)).map_or(0, |last| last + 1);
    clause.part(start..end)
}

fn at_weak_marks<'a>(
    mut clause: Clause<'a>,
    plannable: &dyn Fn(Clause<'a>) -> bool,
    clauses: &mut Vec<Clause<'a>>,
) {
    let weak = |token: &Token<'_>| token.kind == Kind::Comma || token.is("and");
    let mut at = 0;
    while clause.tokens.len() <= SEARCHED
        && let Some(found) = clause.part(at..).tokens.iter().position(weak)
    {
        at += found;
        let (left, right) = (bare(clause.part(..at)), bare(clause.part(at + 1..)));
        let near = right.tokens.iter().position(weak).map_or(right, |end| bare(right.part(..end)));
        if plannable(left) && (plannable(near) || plannable(right)) {
            clauses.push(left);
            clause = right;
            at = 0;
        } else {
            at += 1;
        }
    }
    clauses.push(clause);
}

#[cfg(test)]
mod tests {
    use super::super::token::scan;
    use super::*;

    fn cut(source: &str) -> Vec<String> {
        let tokens = scan(source);
        let plannable = |clause: Clause<'_>| clause.begins(&["do"]) && clause.tokens.len() > 1;
        split(Clause::whole(source, &tokens), &plannable)
            .iter()
            .map(|clause| clause.raw().to_owned())
            .collect()
    }

    #[test]
    fn marks_separate() {
        let table: &[(&str, &[&str])] = &[
            ("do a, then do b and do c", &["do a", "do b", "do c"]),
            ("do a and then do b; do c. Do d", &["do a", "do b", "do c", "Do d"]),
            ("do a\ndo b\n\n", &["do a", "do b"]),
            ("1. do a\n2. do b\n3) do c", &["do a", "do b", "do c"]),
            ("- do a\n* do b", &["do a", "do b"]),
            ("1. do a 2. do b 3. do c", &["do a", "do b", "do c"]),
            ("do head -n 2. do b", &["do head -n 2", "do b"]),
            ("do a and b", &["do a and b"]),
            ("do a, b and do c", &["do a, b", "do c"]),
            ("x and do c", &["x and do c"]),
            ("do 'a; then, b' then do c", &["do 'a; then, b'", "do c"]),
            ("do a:\n```\nx\ny\n```\ndo b", &["do a:\n```\nx\ny\n```", "do b"]),
            (" ;, . \n", &["."]),
            ("", &[]),
        ];
        for (source, expected) in table {
            assert_eq!(cut(source), *expected, "{source}");
        }
    }
}

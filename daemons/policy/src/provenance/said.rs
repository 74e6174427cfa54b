//! What the owner wrote, taken apart: words in order, with the breaks between them, and what stands in quotes.

use super::lexicon;
use super::normal;

/// What comes between a word and the next one. The order is that of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Break {
    #[default]
    None,
    /// A comma, a semicolon, a bracket, a dash.
    Comma,
    Colon,
    /// The end of a sentence or a line.
    Sentence,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// In small letters, without punctuation around it.
    pub(super) text: String,
    /// With its capitals.
    pub(super) shown: String,
    /// Whether it starts with a capital.
    pub(super) capital: bool,
    /// What comes after it.
    pub(super) after: Break,
    /// Whether it opens a sentence.
    pub(super) opens: bool,
    /// The quotation that it stands in.
    pub(super) quote: Option<usize>,
    /// The message that it stands in.
    pub(super) message: usize,
}

impl Token {
    /// The word without the ending of a possessive.
    pub(super) fn base(&self) -> &str {
        self.text.strip_suffix("'s").or_else(|| self.text.strip_suffix('\'')).unwrap_or(&self.text)
    }

    fn is(&self, word: &str) -> bool {
        self.text == word || self.base() == word
    }
}

/// A run of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The first word.
    pub(super) start: usize,
    /// After the last one.
    pub(super) end: usize,
}

/// Something in quotes.
#[derive(Debug, Clone)]
pub(super) struct Quote {
    /// Its words.
    pub(super) span: Span,
    /// As it was written, without the quotes.
    pub(super) text: String,
}

/// Text, taken apart.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    pub(super) tokens: Vec<Token>,
    pub(super) quotes: Vec<Quote>,
    messages: usize,
}

impl Text {
    /// Takes a value apart by the rules that hold for messages.
    pub(super) fn of(text: &str) -> Self {
        let mut whole = Self::default();
        whole.add(text);
        whole
    }

    /// Adds one more message.
    pub(super) fn add(&mut self, text: &str) {
        let clean = normal::shown(text);
        let quotes = quotations(&clean);
        let base = self.quotes.len();
        let message = self.messages;
        self.messages += 1;
        let mut spans: Vec<Option<Span>> = vec![None; quotes.len()];
        let mut at = 0;
        for chunk in chunks(&clean) {
            // Both come in the order of the text, and quotations do not overlap.
            while quotes.get(at).is_some_and(|range| range.1 < chunk.end) {
                at += 1;
            }
            let quote = quotes.get(at).filter(|range| range.0 <= chunk.start).map(|_| at);
            let number = self.tokens.len();
            if let Some(span) = quote.and_then(|quote| spans.get_mut(quote)) {
                span.get_or_insert(Span { start: number, end: number }).end = number + 1;
            }
            let opens = self
                .tokens
                .last()
                .is_none_or(|last| last.after == Break::Sentence || last.message != message);
            self.tokens.push(Token {
                text: normal::folded(chunk.text),
                shown: chunk.text.to_owned(),
                capital: chunk.text.chars().next().is_some_and(char::is_uppercase),
                after: chunk.after,
                opens,
                quote: quote.map(|at| base + at),
                message,
            });
        }
        let end = self.tokens.len();
        for (range, span) in quotes.iter().zip(spans) {
            self.quotes.push(Quote {
                span: span.unwrap_or(Span { start: end, end }),
                text: clean.get(range.0..range.1).unwrap_or_default().to_owned(),
            });
        }
    }

    /// How many messages there are.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// The words of a span.
    pub(super) fn within(&self, span: Span) -> &[Token] {
        self.tokens.get(span.start..span.end.max(span.start).min(self.tokens.len())).unwrap_or_default()
    }

    /// Every place where a value stands as a whole, with the same breaks inside.
    pub(super) fn mentions(&self, value: &Self) -> Vec<Span> {
        let wanted = &value.tokens;
        let Some(first) = wanted.first() else { return Vec::new() };
        let length = wanted.len();
        if length > self.tokens.len() {
            return Vec::new();
        }
        let same = |start: usize| {
            self.tokens.iter().skip(start).zip(wanted).enumerate().all(|(at, (here, there))| {
                let last = at + 1 == length;
                (here.text == there.text || (last && here.base() == there.text))
                    && (last || here.after == there.after)
            })
        };
        (0..=self.tokens.len() - length)
            .filter(|start| {
                self.tokens.get(*start).is_some_and(|token| token.is(&first.text) || token.text == first.text)
                    && same(*start)
            })
            .map(|start| Span { start, end: start + length })
            .collect()
    }

    /// Whether any word is this one.
    pub(super) fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is(word))
    }

    /// Words with a meaning of their own.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(Token::base).filter(|word| !lexicon::is_empty(word))
    }
}

struct Chunk<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    after: Break,
}

const OPENING: &[char] = &['(', '[', '{', '<', '"', '\'', '*', '#'];
const CLOSING: &[char] = &['.', ',', ';', ':', '!', '?', ')', ']', '}', '>', '"', '\'', '*'];

/// Words with what follows them. What is only punctuation makes the break before it stronger.
fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut found: Vec<Chunk<'_>> = Vec::new();
    let mut rest = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let start = rest;
        rest += piece.len();
        let word = piece.trim_end_matches(char::is_whitespace);
        let line = piece.ends_with('\n');
        for (from, until) in parts(word) {
            let part = word.get(from..until).unwrap_or_default();
            let lead = part.len() - part.trim_start_matches(OPENING).len();
            let core = part.trim_start_matches(OPENING).trim_end_matches(CLOSING);
            let tail = part.get(lead + core.len()..).unwrap_or_default();
            let mut after = strength(tail);
            if until < word.len() && after < Break::Sentence {
                after = after.max(Break::Comma);
            }
            if core.chars().any(char::is_alphanumeric) || !core.is_ascii() {
                if lead > 0 && part.starts_with(['(', '[']) {
                    strengthen(&mut found, Break::Comma);
                }
                found.push(Chunk {
                    text: core,
                    start: start + from + lead,
                    end: start + from + lead + core.len(),
                    after,
                });
            } else {
                strengthen(&mut found, after.max(if part.is_empty() { Break::None } else { Break::Comma }));
            }
        }
        if line {
            strengthen(&mut found, Break::Sentence);
        }
    }
    found
}

fn strengthen(found: &mut [Chunk<'_>], by: Break) {
    if let Some(last) = found.last_mut() {
        last.after = last.after.max(by);
    }
}

fn strength(tail: &str) -> Break {
    if tail.contains(['.', '!', '?']) {
        Break::Sentence
    } else if tail.contains(':') {
        Break::Colon
    } else if tail.contains([',', ';', ')', ']']) {
        Break::Comma
    } else {
        Break::None
    }
}

/// Where a word without blanks falls apart: at commas between letters, after `to:`, and where a sentence begins
/// without a blank before it.
fn parts(word: &str) -> Vec<(usize, usize)> {
    let bytes = word.as_bytes();
    let mut cuts = Vec::new();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before)).copied().unwrap_or(b' ');
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        let cut = match byte {
            b',' | b';' => !(before.is_ascii_digit() && after.is_ascii_digit()) && after != b' ',
            b':' => after.is_ascii_alphabetic() && before.is_ascii_alphabetic(),
            b'.' | b'!' | b'?' => {
                // Nothing but lower-case letters until the closing marks: looked at only where it can hold, so that
                // a long run of dots costs no more than its length.
                let is_letter = |c: char| c.is_ascii_lowercase() || c == '\'';
                (before.is_ascii_lowercase() || before.is_ascii_digit() || before == b')')
                    && after.is_ascii_uppercase()
                    && word.get(at + 2..).is_some_and(|rest| {
                        rest.trim_start_matches(is_letter).chars().all(|c| CLOSING.contains(&c))
                    })
            }
            _ => false,
        };
        if cut {
            cuts.push((from, at + 1));
            from = at + 1;
        }
    }
    cuts.push((from, word.len()));
    cuts
}

/// Byte ranges between quotes: they open after a blank and close before one or before punctuation.
fn quotations(text: &str) -> Vec<(usize, usize)> {
    const LONGEST: usize = 2000;
    let mut found = Vec::new();
    let mut open: Option<(char, usize)> = None;
    let mut before = ' ';
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\'' || c == '"' {
            let after = chars.peek().map_or(' ', |(_, next)| *next);
            match open {
                Some((quote, start))
                    if quote == c && !after.is_alphanumeric() && (c == '"' || !before.is_whitespace()) =>
                {
                    found.push((start, at));
                    open = None;
                }
                Some((_, start)) if at - start > LONGEST => open = None,
                None if !before.is_alphanumeric() && !after.is_whitespace() => open = Some((c, at + 1)),
                _ => {}
            }
        }
        before = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(message: &str, value: &str) -> usize {
        Text::of(message).mentions(&Text::of(value)).len()
    }

    #[test]
    fn a_value_is_said_as_a_whole_or_not_at_all() {
        for (message, value) in [
            ("Send it to a@x.org.", "a@x.org"),
            ("put it on www.x.com.They know", "www.x.com"),
            ("(from NL02ABNA0123456789), but", "NL02ABNA0123456789"),
            ("to: bob@x.org", "bob@x.org"),
            ("to:bob@x.org", "bob@x.org"),
            ("a@x.org,b@x.org", "b@x.org"),
            ("in Alice's inbox", "Alice"),
            ("the 'Springfield, OR 97477' address", "Springfield, OR 97477"),
            ("AL\u{200b}ICE", "alice"),
        ] {
            assert_eq!(said(message, value), 1, "{value} in {message}");
        }
        for (message, value) in [
            ("Send it to ba@x.org", "a@x.org"),
            ("in 2013", "13"),
            ("Ask Ann. Lee is out", "Ann Lee"),
            ("a@x.org.evil.com", "a@x.org"),
            ("hello", ""),
        ] {
            assert_eq!(said(message, value), 0, "{value} in {message}");
        }
    }

    #[test]
    fn quotes_are_found_and_apostrophes_are_not() {
        let text = Text::of("Bob's file 'Team plan' and \"x y\" and don't");
        let quotes: Vec<&str> = text.quotes.iter().map(|quote| quote.text.as_str()).collect();
        assert_eq!(quotes, ["Team plan", "x y"]);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart(text in "(.|\n){0,80}", value in "(.|\n){0,10}") {
            let _ = Text::of(&text).mentions(&Text::of(&value));
        }
    }
}

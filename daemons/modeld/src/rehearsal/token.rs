//! Cuts a message into words, quoted text, fenced code and punctuation.
//!
//! Promises: never fails, and every token knows where it lies in the message, so that a command can
//! be taken over exactly as it was typed. Punctuation counts only at the end of a word: `a.txt,` is a
//! word and a comma, `a,b` is a word.

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything without spaces that is none of the others.
    Word,
    /// Between single or double quotes; the text may hold backslash escapes.
    Quoted,
    /// Between backticks; the text is exact.
    Exact,
    /// Between lines of three backticks; the text is exact and ends with its newline.
    Fence,
    /// The arguments of `call TOOL`, JSON or what was meant to be it.
    Json,
    /// A comma after a word.
    Comma,
    /// A colon after a word.
    Colon,
    /// The end of a sentence: a full stop, question or exclamation mark, or a semicolon.
    Stop,
    /// The end of a line.
    Newline,
}

/// One piece of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    /// The piece without its quotes.
    pub(crate) text: &'a str,
    /// Where it begins in the message with its quotes, in bytes.
    pub(crate) start: usize,
    /// Where it ends in the message with its quotes, in bytes.
    pub(crate) end: usize,
}

impl Token<'_> {
    /// Whether it is the plain word `word`, in upper or lower case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// Whether it can name a thing: a word or something in quotes.
    pub(crate) fn names(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Exact)
    }
}

/// Cuts `source` into tokens.
pub(crate) fn scan(source: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = source.get(at..)
        && let Some(first) = rest.chars().next()
    {
        let (kind, inside, len) = if first == '\n' {
            (Kind::Newline, 0..1, 1)
        } else if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if let Some(len) = json(&tokens, rest) {
            (Kind::Json, 0..len, len)
        } else if let Some((inside, len)) = fence(rest) {
            (Kind::Fence, inside, len)
        } else if let Some((kind, inside, len)) = quoted(rest, first) {
            (kind, inside, len)
        } else if let Some(kind) = punctuation(rest, first, tokens.last().is_some_and(|last| last.end == at))
        {
            (kind, 0..1, 1)
        } else {
            let len = word(rest);
            (Kind::Word, 0..len, len)
        };
        let text = rest.get(inside).unwrap_or_default();
        tokens.push(Token { kind, text, start: at, end: at + len });
        at += len;
    }
    tokens
}

/// After `call TOOL`: one JSON value, or the rest of the line where it is not JSON.
fn json(before: &[Token<'_>], rest: &str) -> Option<usize> {
    let [.., call, tool] = before else { return None };
    if !call.is("call") || tool.kind != Kind::Word || !rest.starts_with(['{', '[', '"']) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<serde_json::Value>();
    match values.next() {
        Some(Ok(_)) => Some(values.byte_offset()),
        _ => Some(rest.find('\n').unwrap_or(rest.len())),
    }
}

fn fence(rest: &str) -> Option<(std::ops::Range<usize>, usize)> {
    const MARK: &str = "```";
    let info = rest.strip_prefix(MARK)?.find('\n')?;
    let body = MARK.len() + info + 1;
    if rest.get(MARK.len()..body)?.contains('`') {
        return None; // closed on its own line
    }
    // A mark right after the first line closes an empty block, so the search begins at its newline.
    Some(match rest.get(body - 1..)?.find("\n```") {
        Some(end) => (body..(body + end).max(body), body - 1 + end + 1 + MARK.len()),
        None => (body..rest.len(), rest.len()),
    })
}

fn quoted(rest: &str, first: char) -> Option<(Kind, std::ops::Range<usize>, usize)> {
    let (kind, close) = match first {
        '\'' => (Kind::Quoted, '\''),
        '"' => (Kind::Quoted, '"'),
        '“' => (Kind::Quoted, '”'),
        '‘' => (Kind::Quoted, '’'),
        '`' => (Kind::Exact, '`'),
        _ => return None,
    };
    let open = first.len_utf8();
    let mut escaped = false;
    let mut chars = rest.get(open..)?.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if escaped {
            escaped = false;
        } else if c == '\\' && kind == Kind::Quoted {
            escaped = true;
        } else if c == close && !(c == '\'' && chars.peek().is_some_and(|(_, next)| next.is_alphanumeric())) {
            return Some((kind, open..open + at, open + at + c.len_utf8()));
        }
    }
    None
}

fn punctuation(rest: &str, first: char, adjacent: bool) -> Option<Kind> {
    let ends = rest.trim_start_matches([',', ';', ':', '.', '?', '!']);
    if !ends.is_empty() && !ends.starts_with(char::is_whitespace) {
        return None;
    }
    match first {
        ',' => Some(Kind::Comma),
        ':' => Some(Kind::Colon),
        ';' => Some(Kind::Stop),
        '.' | '?' | '!' if adjacent => Some(Kind::Stop),
        _ => None,
    }
}

/// The length of the word that `rest` begins with, without punctuation at its end.
fn word(rest: &str) -> usize {
    let mut end = 0;
    while let Some(tail) = rest.get(end..)
        && let Some(c) = tail.chars().next()
        && !c.is_whitespace()
    {
        // `--text="two words"` is one word.
        let within =
            if rest.get(..end).is_some_and(|head| head.ends_with('=')) { quoted(tail, c) } else { None };
        end += within.map_or(c.len_utf8(), |(_, _, len)| len);
    }
    let mut word = rest.get(..end).unwrap_or_default();
    while let Some(last) = word.chars().next_back() {
        let head = word.strip_suffix(last).unwrap_or_default();
        let sentence = match last {
            ',' | ';' | ':' => !head.is_empty(),
            '.' => !head.is_empty() && !head.ends_with(['.', '/']),
            '?' | '!' => head.ends_with(char::is_alphanumeric),
            _ => false,
        };
        if !sentence {
            break;
        }
        word = head;
    }
    word.len().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<(Kind, &str)> {
        scan(source).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn punctuation_counts_at_the_end_of_a_word_only() {
        use Kind::{Comma, Stop, Word};
        let table: &[(&str, &[(Kind, &str)])] = &[
            ("read a.txt, b", &[(Word, "read"), (Word, "a.txt"), (Comma, ","), (Word, "b")]),
            ("ls . ..", &[(Word, "ls"), (Word, "."), (Word, "..")]),
            ("ls src/. x", &[(Word, "ls"), (Word, "src/."), (Word, "x")]),
            ("what's up?", &[(Word, "what's"), (Word, "up"), (Stop, "?")]),
            ("a;b; c", &[(Word, "a;b"), (Stop, ";"), (Word, "c")]),
            ("x ? y", &[(Word, "x"), (Word, "?"), (Word, "y")]),
        ];
        for (source, expected) in table {
            assert_eq!(kinds(source), *expected, "{source}");
        }
    }

    #[test]
    fn quotes_keep_what_is_in_them() {
        use Kind::{Exact, Quoted, Word};
        let table: &[(&str, &[(Kind, &str)])] = &[
            ("'it's; here' b", &[(Quoted, "it's; here"), (Word, "b")]),
            (r#""a \" b""#, &[(Quoted, r#"a \" b"#)]),
            ("`a; 'b`", &[(Exact, "a; 'b")]),
            ("“é”", &[(Quoted, "é")]),
            ("'open", &[(Word, "'open")]),
            ("--m=\"a b\" c", &[(Word, "--m=\"a b\""), (Word, "c")]),
        ];
        for (source, expected) in table {
            assert_eq!(kinds(source), *expected, "{source}");
        }
    }

    #[test]
    fn fences_and_json_are_exact() {
        use Kind::{Fence, Json, Newline, Word};
        assert_eq!(
            kinds("x\n```rust\nfn a() {}\n```\ny"),
            [(Word, "x"), (Newline, "\n"), (Fence, "fn a() {}\n"), (Newline, "\n"), (Word, "y")]
        );
        assert_eq!(kinds("```\n```"), [(Fence, "")]);
        assert_eq!(kinds("```\nopen"), [(Fence, "open")]);
        assert_eq!(
            kinds(r#"call a.b {"x": "; then "} z"#),
            [(Word, "call"), (Word, "a.b"), (Json, r#"{"x": "; then "}"#), (Word, "z")]
        );
        assert_eq!(kinds("call a {oops; b\nz")[2], (Json, "{oops; b"));
    }
}

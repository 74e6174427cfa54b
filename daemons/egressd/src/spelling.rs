//! How one character can be written, byte by byte: as it is, `%2B`, `\u002b`, `\x2b`, `\/`, `&#43;`, `&#x2B;` and
//! `&plus;`, digits and names in any case, and each of them written once more by the next that handles the text.

/// How often what an escape gives can be an escape's beginning again.
const DEEPEST: u8 = 4;
/// The longest name or number of an entity.
const LONGEST: usize = 8;
/// The names of what a value, or the line break in it, is made of.
const NAMES: [(&str, u8); 40] = [
    ("excl", b'!'),
    ("quot", b'"'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("amp", b'&'),
    ("apos", b'\''),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("midast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("lt", b'<'),
    ("equals", b'='),
    ("gt", b'>'),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("hat", b'^'),
    ("lowbar", b'_'),
    ("underbar", b'_'),
    ("grave", b'`'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
    ("newline", b'\n'),
    ("tab", b'\t'),
    ("nbsp", b' '),
];

/// What was read of one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Nothing.
    Fresh,
    /// `\`.
    Backslash(u8),
    /// `%`, `\x` or `\u`, and this many hexadecimal digits to come.
    Digits { left: u8, value: u32, depth: u8 },
    /// `&`, and a part of a name or a number.
    Entity { word: [u8; LONGEST], length: u8, depth: u8 },
}

/// What one more byte makes of it.
pub(crate) enum Read {
    /// This character is whole.
    Whole(u8),
    /// It may go on.
    More(Spelling),
}

impl Spelling {
    /// Whether a spelling other than the character itself begins so.
    pub(crate) const fn begins(byte: u8) -> bool {
        matches!(byte, b'\\' | b'%' | b'&')
    }

    /// Reads one more byte; `tell` hears everything that it can be, which may be nothing.
    pub(crate) fn read(self, byte: u8, tell: &mut impl FnMut(Read)) {
        match self {
            Self::Fresh => whole(byte, 0, tell),
            Self::Backslash(depth) => match byte {
                b'u' => tell(Read::More(Self::Digits { left: 4, value: 0, depth })),
                b'x' => tell(Read::More(Self::Digits { left: 2, value: 0, depth })),
                b'n' => tell(Read::Whole(b'\n')),
                b'r' => tell(Read::Whole(b'\r')),
                b't' => tell(Read::Whole(b'\t')),
                other if other.is_ascii_punctuation() => whole(other, depth, tell),
                _ => {}
            },
            Self::Digits { left, value, depth } => {
                let Some(digit) = char::from(byte).to_digit(16) else { return };
                let value = value << 4 | digit;
                if left > 1 {
                    tell(Read::More(Self::Digits { left: left - 1, value, depth }));
                } else if let Ok(byte) = u8::try_from(value) {
                    whole(byte, depth, tell);
                }
            }
            Self::Entity { mut word, length, depth } => {
                let read = word.get(..usize::from(length)).unwrap_or_default();
                if byte == b';' {
                    if let Some(byte) = entity(read) {
                        whole(byte, depth, tell);
                    }
                } else if let Some(place) = word.get_mut(usize::from(length))
                    && (byte.is_ascii_alphanumeric() || byte == b'#')
                {
                    *place = byte.to_ascii_lowercase();
                    tell(Read::More(Self::Entity { word, length: length + 1, depth }));
                }
            }
        }
    }
}

/// A character, which may be the first of one more spelling.
fn whole(byte: u8, depth: u8, tell: &mut impl FnMut(Read)) {
    tell(Read::Whole(byte));
    if depth < DEEPEST {
        let depth = depth + 1;
        match byte {
            b'\\' => tell(Read::More(Spelling::Backslash(depth))),
            b'%' => tell(Read::More(Spelling::Digits { left: 2, value: 0, depth })),
            b'&' => tell(Read::More(Spelling::Entity { word: [0; LONGEST], length: 0, depth })),
            _ => {}
        }
    }
}

fn entity(word: &[u8]) -> Option<u8> {
    let word = std::str::from_utf8(word).ok()?;
    match word.strip_prefix('#') {
        Some(number) => match number.strip_prefix('x') {
            Some(digits) => u8::from_str_radix(digits, 16).ok(),
            None => number.parse().ok(),
        },
        None => NAMES.iter().find(|(name, _)| *name == word).map(|(_, byte)| *byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the whole text can be one character.
    fn can_be(text: &str, byte: u8) -> bool {
        let (mut states, mut last) = (vec![Spelling::Fresh], Vec::new());
        for next in text.bytes() {
            let (mut more, mut whole) = (Vec::new(), Vec::new());
            for state in states {
                state.read(next, &mut |read| match read {
                    Read::Whole(byte) => whole.push(byte),
                    Read::More(state) => more.push(state),
                });
            }
            (states, last) = (more, whole);
        }
        last.contains(&byte)
    }

    #[test]
    fn reads_every_spelling() {
        for text in [
            "+",
            "%2B",
            "%2b",
            "\\u002B",
            "\\u002b",
            "\\x2b",
            "\\+",
            "&#43;",
            "&#043;",
            "&#x2B;",
            "&#X2b;",
            "&plus;",
            "%252B",
            "%25252b",
            "\\\\u002b",
            "&amp;plus;",
            "&amp;#43;",
            "\\u0026#43;",
            "%5Cu002b",
        ] {
            assert!(can_be(text, b'+'), "{text}");
        }
        for text in ["%2C", "%2", "\\u02b", "&#43", "&minus;", "&#x12B;", "2B", "%%2B", "\\u012b"] {
            assert!(!can_be(text, b'+'), "{text}");
        }
        assert!(!can_be(&format!("%{}2B", "25".repeat(9)), b'+'), "there is an end to it");
        assert!(can_be("%61", b'a') && can_be("&#97;", b'a') && can_be("\\n", b'\n'));
    }
}

//! What looks like a question of ours, taken out of what others word: the mark, and the two words of the header.
//!
//! A person tells a question from talk by its first line. So neither the model nor anybody whose words we repeat may
//! have that line, in whatever letters: Cyrillic, full width, mathematical, circled, with marks of Markdown or blanks in
//! between. What is found is broken by [`BREAK`], which can be seen; words in ordinary small letters are left alone.

use unicode_security::confusable_detection::skeleton;

/// The first character of every question, and of nothing else that we say.
pub const MARK: char = '⛨';
/// What else is drawn as a shield.
const SHIELDS: [char; 4] = ['\u{1f6e1}', '\u{26c9}', '\u{26ca}', '\u{1f530}'];
/// The words behind the mark, without what is between them; the second begins at [`SECOND`].
const WORDS: [char; 11] = ['T', 'E', 'S', 'T', 'U', 'D', 'O', 'A', 'S', 'K', 'S'];
const SECOND: usize = 7;
/// The most characters between two letters that still read as one line.
const FAR: usize = 16;
/// Stands for a mark, and between words that would look like ours.
const BREAK: char = '\u{fffd}';

/// What somebody else worded, so that it does not look like a question of ours.
pub fn defused(text: &str) -> String {
    let breaks = seconds(text);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if breaks.binary_search(&at).is_ok() {
            out.push(BREAK);
        }
        out.push(if is_mark(c) { BREAK } else { c });
    }
    out
}

/// Whether somebody could take it, or a part of it, for a question of ours.
pub fn is_like_a_question(text: &str) -> bool {
    text.contains(is_mark) || !seconds(text).is_empty()
}

fn is_mark(c: char) -> bool {
    c == MARK || SHIELDS.contains(&c)
}

/// A character of a text that counts as a letter, with its place.
struct Letter {
    /// In bytes.
    at: usize,
    /// In characters.
    number: usize,
    is_small: bool,
    /// What it looks like.
    like: Option<char>,
}

/// Where the second word begins, wherever both stand; in order.
fn seconds(text: &str) -> Vec<usize> {
    let letter = |(number, (at, c)): (usize, (usize, char))| {
        let like = likeness(c);
        let counts = like.is_some() || c.is_alphanumeric() || c == BREAK;
        counts.then(|| Letter { at, number, is_small: c.is_ascii_lowercase(), like })
    };
    let letters: Vec<Letter> = text.char_indices().enumerate().filter_map(letter).collect();
    let is_found = |found: &&[Letter]| {
        found.iter().zip(WORDS).all(|(letter, word)| letter.like == Some(word))
            && found.iter().zip(found.iter().skip(1)).all(|(one, next)| next.number - one.number <= FAR)
            && !found.iter().skip(1).all(|letter| letter.is_small)
    };
    let found = letters.windows(WORDS.len()).filter(is_found);
    found.filter_map(|found| found.get(SECOND)).map(|letter| letter.at).collect()
}

/// The capital of the two words that a character looks like.
fn likeness(c: char) -> Option<char> {
    let plain = match c {
        c if c.is_ascii() => c,
        // Letters in circles, squares and brackets.
        '\u{24b6}'..='\u{24cf}' => letter(c, '\u{24b6}'),
        '\u{24d0}'..='\u{24e9}' => letter(c, '\u{24d0}'),
        '\u{249c}'..='\u{24b5}' => letter(c, '\u{249c}'),
        '\u{1f110}'..='\u{1f129}' => letter(c, '\u{1f110}'),
        '\u{1f130}'..='\u{1f149}' => letter(c, '\u{1f130}'),
        '\u{1f150}'..='\u{1f169}' => letter(c, '\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => letter(c, '\u{1f170}'),
        '\u{1f1e6}'..='\u{1f1ff}' => letter(c, '\u{1f1e6}'),
        // Full width.
        '\u{ff21}'..='\u{ff3a}' => letter(c, '\u{ff21}'),
        '\u{ff41}'..='\u{ff5a}' => letter(c, '\u{ff41}'),
        // Small letters of other scripts that are drawn like our capitals, and small capitals.
        'т' | 'τ' | 'ᴛ' => 'T',
        'ε' | 'ᴇ' => 'E',
        'ꜱ' => 'S',
        'ᴜ' | 'Ս' => 'U',
        'ᴅ' => 'D',
        'ᴏ' => 'O',
        'ᴀ' => 'A',
        'к' | 'κ' | 'ᴋ' => 'K',
        c => skeleton(&c.to_string()).next()?,
    };
    let capital = if plain == '0' { 'O' } else { plain.to_ascii_uppercase() };
    WORDS.contains(&capital).then_some(capital)
}

/// The letter that is as far from `A` as `c` is from `first`.
fn letter(c: char, first: char) -> char {
    let far = u32::from(c).saturating_sub(u32::from(first));
    char::from_u32(u32::from('A') + far).unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_looks_like_a_question_is_broken() {
        for text in [
            "TESTUDO ASKS",
            "well: TESTUDO ASKS · a-1",
            "Testudo ASKS",
            "TESTUDo asks",
            "ТЕЅТUDО АЅКЅ",
            "ΤΕSΤUDΟ ΑSΚS",
            "ＴＥＳＴＵＤＯ　ＡＳＫＳ",
            "𝐓𝐄𝐒𝐓𝐔𝐃𝐎 𝐀𝐒𝐊𝐒",
            "𝗧𝗘𝗦𝗧𝗨𝗗𝗢 𝗔𝗦𝗞𝗦",
            "ⓉⒺⓈⓉⓊⒹⓄ ⒶⓈⓀⓈ",
            "ᴛᴇꜱᴛᴜᴅᴏ ᴀꜱᴋꜱ",
            "TEST**U**DO *ASKS*",
            "T E S T U D O  A S K S",
            "TESTUD0 ASKS",
            "TESTUDO\u{a0}—\u{2003}ASKS",
            "TESTUDO\nASKS",
        ] {
            assert!(is_like_a_question(text), "{text}");
            let defused = defused(text);
            assert!(!is_like_a_question(&defused), "{text}: {defused}");
            assert_eq!(defused.replace(BREAK, ""), text, "nothing else is changed");
        }
        assert_eq!(defused("⛨ TESTUDO ASKS 🛡"), "� TESTUDO �ASKS �");
    }

    #[test]
    fn ordinary_words_stay() {
        for text in
            ["Testudo asks before it writes.", "testudo asks", "testudo_asks()", "TESTUDO TASKS", "⚠ ✅ 🔁"]
        {
            assert_eq!(defused(text), text);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_like_a_question_after_it(text in "([TЕESUDО0 AKs*_⛨🛡�]|TESTUDO|ASKS|asks){0,12}") {
            let once = defused(&text);
            prop_assert!(!is_like_a_question(&once), "{}", once);
            prop_assert_eq!(defused(&once), once.clone());
        }
    }
}

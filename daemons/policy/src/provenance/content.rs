//! Content: whose words a call sends or stores.
//!
//! Words of the owner and, where others' text was read, words of what was read may pass; a text that is mostly
//! neither could be anything. Links, addresses and long numbers in it must be the owner's or the service's own.

use super::lexicon;
use super::link;
use super::said::{Break, Text, Token};
use super::time;
use super::view::View;

/// What a text is made of.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Words with a meaning.
    words: usize,
    /// Those that the owner did not write.
    foreign: usize,
    /// Those that stand nowhere.
    new: usize,
    /// Links and addresses that the owner did not write.
    pub(super) links: Vec<String>,
    /// Long numbers and codes that the owner did not write.
    pub(super) codes: Vec<String>,
}

impl Content {
    /// Takes a text of a call apart.
    pub(super) fn of(view: &View<'_>, texts: &[&str]) -> Self {
        let mut content = Self::default();
        let dates = time::dates(view.text());
        for raw in texts {
            if let Some(scheme) = link::scheme(raw)
                && !view.text().has(scheme)
            {
                content.links.push(scheme.to_owned());
            }
            let text = Text::of(raw);
            for token in &text.tokens {
                content.count(view, token, &dates);
            }
            content.runs(view, &text);
        }
        content
    }

    fn count(&mut self, view: &View<'_>, token: &Token, dates: &std::collections::HashSet<(u8, u8)>) {
        let word = token.base();
        let store = &view.session.store;
        let said = !view.text().mentions(&Text::of(&token.text)).is_empty();
        let kept = || {
            store.kept.iter().any(|value| {
                value.split(|c: char| c.is_whitespace() || c == ',').any(|part| part == token.text)
            })
        };
        if !said && link::leads(&token.text) && !kept() {
            self.links.push(token.text.clone());
        }
        let read = || store.words.contains(&lexicon::stem(word));
        if !said && (link::identifies(&token.text) || (link::is_coded(&token.shown) && !read())) && !kept() {
            self.codes.push(token.text.clone());
        }
        let letter =
            word.chars().count() == 1 && !matches!(word, "a" | "i") && word.chars().all(char::is_alphabetic);
        if lexicon::is_empty(word) && !letter {
            return;
        }
        self.words += 1;
        if said || written(view, word) {
            return;
        }
        let days = time::dates(&Text::of(&token.text));
        if !days.is_empty() && days.is_subset(dates) {
            return;
        }
        self.foreign += 1;
        let read = store.words.contains(&lexicon::stem(word))
            || parts(word).all(|part| store.words.contains(&lexicon::stem(part)))
            || (!days.is_empty() && days.is_subset(&store.dates));
        if !read {
            self.new += 1;
        }
    }

    /// Numbers one after the other make a long one.
    fn runs(&mut self, view: &View<'_>, text: &Text) {
        let mut run: Vec<&str> = Vec::new();
        for token in &text.tokens {
            let number = token.text.chars().any(|c| c.is_ascii_digit())
                && token
                    .text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '(' | ')' | '-'))
                && time::dates(&Text::of(&token.text)).is_empty();
            if number {
                run.push(&token.text);
            }
            if !number || token.after >= Break::Comma {
                let digits = run.iter().flat_map(|word| word.chars()).filter(char::is_ascii_digit).count();
                let whole = run.join(" ");
                if run.len() > 1
                    && digits >= 7
                    && view.text().mentions(&Text::of(&whole)).is_empty()
                    && !view.session.store.kept.iter().any(|kept| kept.contains(&whole))
                {
                    self.codes.push(whole);
                }
                run.clear();
            }
        }
        if run.len() > 1 && run.iter().flat_map(|word| word.chars()).filter(char::is_ascii_digit).count() >= 7
        {
            self.codes.push(run.join(" "));
        }
    }

    /// Whether all words are the owner's; one short number may be filled in.
    pub(super) const fn is_said(&self) -> bool {
        self.foreign == 0
    }

    /// Whether more than a quarter of the words stand nowhere.
    pub(super) const fn is_new(&self) -> bool {
        self.new * 4 > self.words
    }

    /// Whether there is nothing to judge.
    pub(super) const fn is_empty(&self) -> bool {
        self.words == 0
    }
}

/// Whether the owner used a word, in one of its forms; short numbers are nobody's.
fn written(view: &View<'_>, word: &str) -> bool {
    let short = |part: &str| part.chars().all(|c| c.is_ascii_digit()) && part.len() <= 2;
    let stem = lexicon::stem(word);
    let used = |stem: &str| view.text().tokens.iter().any(|token| lexicon::stem(token.base()) == stem);
    used(&stem) || {
        let several = parts(word).count() > 1 || short(word);
        several
            && parts(word).all(|part| short(part) || part.chars().count() < 3 || used(&lexicon::stem(part)))
    }
}

fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty())
}

/// Whether the owner gave the words of what is to be said, in a request for the call: behind a colon, or in quotes
/// that are longer than a name.
pub(super) fn is_dictated(view: &View<'_>) -> bool {
    const SAYING: &[&str] = &[
        "message",
        "question",
        "text",
        "following",
        "saying",
        "say",
        "reply",
        "body",
        "description",
        "content",
    ];
    view.asked.iter().any(|request| {
        let tokens = view.text().within(request.whole());
        let announced = view.has(request.whole(), SAYING);
        let colon = tokens.iter().position(|token| token.after == Break::Colon && token.quote.is_none());
        let behind_colon = colon.is_some_and(|at| tokens.len() > at + 2);
        let in_quotes = view
            .text()
            .quotes
            .iter()
            .any(|quote| request.holds(quote.span) && quote.span.end >= quote.span.start + 3);
        announced && (behind_colon || in_quotes)
    })
}

/// Whether a request for the call asks for something that has to be read first: a summary, an answer, a list.
pub(super) fn is_derived(view: &View<'_>) -> bool {
    const DERIVING: &[&str] = &[
        "summary",
        "summarize",
        "summarise",
        "information",
        "info",
        "details",
        "list",
        "content",
        "contents",
        "results",
        "result",
        "scores",
        "feedback",
        "findings",
        "report",
        "article",
        "minutes",
        "what",
        "which",
        "when",
        "where",
        "how",
        "who",
        "answer",
        "of",
        "from",
        "based",
        "about",
        "all",
        "it",
        "them",
        "each",
        "containing",
        "following",
        "name",
        "names",
        "address",
        "link",
    ];
    view.asks_with(DERIVING)
}

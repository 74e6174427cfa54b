//! The agent's Markdown as a Matrix message: plain words, and HTML of which every tag is written here.
//!
//! Nothing of a model reaches the HTML unescaped: there is no list of what is taken out, only the few tags that are put
//! in. Raw HTML is shown as the text that it is; pictures are not loaded from anywhere; a link shows where it leads;
//! what would look like a person or a room to a client (a permalink) is code, and no word calls everybody. Nothing looks
//! like a question of ours, neither as it is written nor as it is shown.

mod link;
mod writer;

use pulldown_cmark::{Options, Parser, TextMergeStream};

use crate::approval::rendering::{defused, is_like_a_question};
use crate::conversation::plain;
use crate::outgoing::Text;

/// Whether what a model says is made harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hygiene {
    /// It is.
    Full,
    /// It goes out as it is, to show what the other one is for.
    #[cfg(feature = "ablation")]
    Without,
}

impl Hygiene {
    /// As the control of that name says. Without the feature `ablation` there is only the one.
    #[cfg_attr(not(feature = "ablation"), expect(unused_variables, reason = "there is nothing to choose"))]
    pub const fn of(is_sanitising: bool) -> Self {
        #[cfg(feature = "ablation")]
        if !is_sanitising {
            return Self::Without;
        }
        Self::Full
    }

    const fn is_full(self) -> bool {
        matches!(self, Self::Full)
    }
}

/// The text as a message that notifies nobody.
pub fn message(markdown: &str, hygiene: Hygiene) -> Text {
    if !hygiene.is_full() {
        return Text { body: markdown.to_owned(), html: Some(html(markdown, hygiene)), ..Text::default() };
    }
    // What hides is written out before the parse, too: an entity is read by the parser, a character is not.
    let markdown = defused(&plain::seen(markdown));
    // What only the form makes look so, letter by letter, is left without a form.
    let html = Some(html(&markdown, hygiene)).filter(|html| !is_like_a_question(&words(html)));
    Text { body: plain::quiet(&markdown), html, ..Text::default() }
}

/// Words of ours, in Markdown, that clients show quietly.
pub fn notice(markdown: &str) -> Text {
    Text { notice: true, ..message(markdown, Hygiene::Full) }
}

fn html(markdown: &str, hygiene: Hygiene) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let events = TextMergeStream::new(Parser::new_ext(markdown, options));
    let mut writer = writer::Writer::new(hygiene, markdown.len());
    for event in events {
        writer.event(event);
    }
    writer.finish()
}

/// What is read of our own HTML: without its tags, and with the characters that it has names for.
fn words(html: &str) -> String {
    let mut words = String::with_capacity(html.len());
    for (index, piece) in html.split('<').enumerate() {
        words.push_str(if index == 0 { piece } else { piece.split_once('>').map_or("", |(_, words)| words) });
    }
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    named.iter().fold(words, |words, (name, character)| words.replace(name, character))
}

/// Text as it stands in HTML, between tags and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;

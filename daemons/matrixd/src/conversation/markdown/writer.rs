//! Writes HTML from the events of the parser: the only place where tags come from.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Tag, TagEnd};

use crate::approval::rendering::defused;
use crate::conversation::markdown::link::{self, Target};
use crate::conversation::markdown::{Hygiene, escape};
use crate::conversation::plain;

/// Tags inside of each other; what is nested deeper keeps its words only.
const DEEPEST: usize = 16;

/// HTML under way.
pub(super) struct Writer {
    hygiene: Hygiene,
    out: String,
    /// What closes each open event; empty where nothing was opened.
    closing: Vec<&'static str>,
    /// Tags that are open.
    depth: usize,
    /// The link or picture that is open, with the words in it.
    link: Option<(Target, String)>,
    is_code: bool,
    is_head: bool,
}

impl Writer {
    pub(super) fn new(hygiene: Hygiene, length: usize) -> Self {
        Self {
            hygiene,
            out: String::with_capacity(length + length / 4),
            closing: Vec::new(),
            depth: 0,
            link: None,
            is_code: false,
            is_head: false,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out.trim_end().to_owned()
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(end) => self.end(end),
            Event::Text(text) => self.text(&text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.said(&text);
                let code = self.harmless(&text);
                self.out.push_str(&format!("<code>{}</code>", escape(&code)));
            }
            Event::Html(raw) | Event::InlineHtml(raw) if self.hygiene.is_full() => self.text(&raw),
            Event::Html(raw) | Event::InlineHtml(raw) => self.out.push_str(&raw),
            Event::FootnoteReference(name) => self.text(&name),
            Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>"),
            Event::Rule => self.out.push_str("<hr>"),
            Event::TaskListMarker(is_done) => self.out.push_str(if is_done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let (opening, closing): (String, &'static str) = match tag {
            Tag::Paragraph | Tag::HtmlBlock => ("<p>".into(), "</p>"),
            Tag::Heading { level, .. } => heading(*level),
            Tag::BlockQuote(_) => ("<blockquote>".into(), "</blockquote>"),
            Tag::CodeBlock(kind) => {
                self.is_code = true;
                (format!("<pre><code{}>", class(kind)), "</code></pre>")
            }
            Tag::List(None) => ("<ul>".into(), "</ul>"),
            Tag::List(Some(1)) => ("<ol>".into(), "</ol>"),
            Tag::List(Some(first)) => (format!("<ol start=\"{first}\">"), "</ol>"),
            Tag::Item => ("<li>".into(), "</li>"),
            Tag::Table(_) => ("<table>".into(), "</tbody></table>"),
            Tag::TableHead => {
                self.is_head = true;
                ("<thead><tr>".into(), "</tr></thead><tbody>")
            }
            Tag::TableRow => ("<tr>".into(), "</tr>"),
            Tag::TableCell if self.is_head => ("<th>".into(), "</th>"),
            Tag::TableCell => ("<td>".into(), "</td>"),
            Tag::Emphasis => ("<em>".into(), "</em>"),
            Tag::Strong => ("<strong>".into(), "</strong>"),
            Tag::Strikethrough => ("<del>".into(), "</del>"),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => return self.open(tag, dest_url),
            _ => (String::new(), ""),
        };
        let fits = self.depth < DEEPEST && !opening.is_empty();
        if fits {
            self.out.push_str(&opening);
            self.depth += 1;
        }
        self.closing.push(if fits { closing } else { "" });
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::CodeBlock => self.is_code = false,
            TagEnd::TableHead => self.is_head = false,
            TagEnd::Link | TagEnd::Image => return self.close(),
            _ => {}
        }
        let closing = self.closing.pop().unwrap_or_default();
        if !closing.is_empty() {
            self.depth = self.depth.saturating_sub(1);
        }
        self.out.push_str(closing);
    }

    fn open(&mut self, tag: &Tag<'_>, destination: &str) {
        // A picture inside of a link is words of the link.
        if self.link.is_some() {
            return self.closing.push("");
        }
        let target = if self.hygiene.is_full() {
            Target::of(destination)
        } else {
            Target::Open(destination.to_owned())
        };
        match (&target, tag) {
            (_, Tag::Image { .. }) if !self.hygiene.is_full() => {
                self.out.push_str(&format!("<img src=\"{}\" alt=\"", escape(destination)));
                return self.closing.push("\">");
            }
            (_, Tag::Image { .. }) => self.out.push_str("🖼 "),
            _ => {}
        }
        if let Target::Open(url) = &target {
            self.out.push_str(&format!("<a href=\"{}\">", escape(url)));
        }
        self.link = Some((target, String::new()));
        self.closing.push("link");
    }

    fn close(&mut self) {
        let closing = self.closing.pop().unwrap_or_default();
        if closing != "link" {
            return self.out.push_str(closing);
        }
        let Some((target, words)) = self.link.take() else { return };
        let shown = escape(&self.harmless(&target.shown()));
        match &target {
            Target::Open(_) if words.trim().is_empty() => self.out.push_str(&format!("{shown}</a>")),
            Target::Open(_) if target.is_said_by(&words) || !self.hygiene.is_full() => {
                self.out.push_str("</a>");
            }
            Target::Open(_) => self.out.push_str(&format!("</a> ({shown})")),
            Target::Shown(_) => self.out.push_str(&format!(" (<code>{shown}</code>)")),
        }
    }

    fn text(&mut self, text: &str) {
        self.said(text);
        let text = self.harmless(text);
        if self.is_code || !self.hygiene.is_full() {
            return self.out.push_str(&escape(&text));
        }
        for piece in text.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if link::is_pill(word) {
                self.out.push_str(&format!("<code>{}</code>", escape(word)));
                self.out.push_str(piece.get(word.len()..).unwrap_or_default());
            } else {
                self.out.push_str(&escape(piece));
            }
        }
    }

    /// Remembers the words of a link.
    fn said(&mut self, text: &str) {
        if let Some((_, words)) = &mut self.link {
            words.push_str(text);
        }
    }

    fn harmless(&self, text: &str) -> String {
        if self.hygiene.is_full() { defused(&plain::harmless(text)) } else { text.to_owned() }
    }
}

fn heading(level: HeadingLevel) -> (String, &'static str) {
    let (opening, closing) = match level {
        HeadingLevel::H1 => ("<h1>", "</h1>"),
        HeadingLevel::H2 => ("<h2>", "</h2>"),
        HeadingLevel::H3 => ("<h3>", "</h3>"),
        HeadingLevel::H4 => ("<h4>", "</h4>"),
        HeadingLevel::H5 => ("<h5>", "</h5>"),
        HeadingLevel::H6 => ("<h6>", "</h6>"),
    };
    (opening.to_owned(), closing)
}

/// The language of a code block, where it is the plain name of one.
fn class(kind: &CodeBlockKind<'_>) -> String {
    let CodeBlockKind::Fenced(info) = kind else { return String::new() };
    let language = info.split_whitespace().next().unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    if language.is_empty() || language.len() > 20 || !language.chars().all(is_plain) {
        return String::new();
    }
    format!(" class=\"language-{language}\"")
}

//! Makes the text of a page from its bytes: readable, without what a person would not have seen.
//!
//! HTML becomes Markdown, without scripts, styles, comments and elements that are hidden; text and JSON stay as they
//! are. Whatever can act on a terminal becomes visible (`␛`), and whatever hides or reorders text is dropped: zero-width
//! and bidirectional marks, soft hyphens, tag characters.

use std::rc::Rc;

use htmd::{HtmlToMarkdown, Node};
use markup5ever_rcdom::NodeData;

/// How deep elements may lie in each other; what lies deeper is dropped.
const DEEPEST: usize = 200;
/// Most characters of a title.
const TITLE: usize = 300;

/// Elements that are not for reading.
const MUTE: [&str; 14] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "audio",
    "video", "head", "dialog",
];

/// What a page holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) title: Option<String>,
    pub(super) content: String,
}

/// What a content type means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Html,
    Plain,
}

impl Kind {
    /// None for what is not read.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Self::Html),
            "application/json"
            | "application/xml"
            | "application/yaml"
            | "application/toml"
            | "application/javascript"
            | "application/x-ndjson" => Some(Self::Plain),
            other if other.starts_with("text/") => Some(Self::Plain),
            other if other.ends_with("+json") || other.ends_with("+xml") => Some(Self::Plain),
            _ => None,
        }
    }
}

/// The text of a page.
pub(super) fn text(kind: Kind, source: &str) -> Text {
    match kind {
        Kind::Plain => Text { title: None, content: visible(source) },
        Kind::Html => html(source),
    }
}

fn html(source: &str) -> Text {
    let converter = HtmlToMarkdown::new();
    let Ok(tree) = converter.html_to_tree(source) else { return Text::default() };
    let title = prune(&tree);
    let content = visible(&converter.tree_to_markdown(&tree));
    Text { title: title.map(|title| visible(&title)).filter(|title| !title.is_empty()), content }
}

/// Takes out what is not for reading, and gives the title. A loop, since pages nest as deep as their authors like.
fn prune(tree: &Rc<Node>) -> Option<String> {
    let mut title = None;
    let mut waiting = vec![(Rc::clone(tree), 0)];
    while let Some((node, depth)) = waiting.pop() {
        if is_element(&node, "head") && title.is_none() {
            title = title_of(&node);
        }
        let mut children = node.children.borrow_mut();
        if depth >= DEEPEST {
            children.retain(|child| matches!(child.data, NodeData::Text { .. }));
        }
        // The head stays until its title was read.
        children.retain(|child| !is_mute(child) || is_element(child, "head"));
        if is_element(&node, "head") {
            children.clear();
        }
        waiting.extend(children.iter().map(|child| (Rc::clone(child), depth + 1)));
    }
    title
}

fn title_of(head: &Rc<Node>) -> Option<String> {
    let children = head.children.borrow();
    let title = children.iter().find(|child| is_element(child, "title"))?;
    let mut words = String::new();
    for child in title.children.borrow().iter() {
        if let NodeData::Text { contents } = &child.data {
            words.push_str(&contents.borrow());
        }
    }
    let words: Vec<&str> = words.split_whitespace().collect();
    Some(words.join(" ").chars().take(TITLE).collect())
}

fn is_element(node: &Rc<Node>, wanted: &str) -> bool {
    matches!(&node.data, NodeData::Element { name, .. } if &*name.local == wanted)
}

fn is_mute(node: &Rc<Node>) -> bool {
    match &node.data {
        NodeData::Element { name, attrs, .. } => {
            MUTE.contains(&&*name.local)
                || attrs.borrow().iter().any(|attribute| hides(&attribute.name.local, &attribute.value))
        }
        NodeData::Document | NodeData::Text { .. } => false,
        NodeData::Comment { .. } | NodeData::Doctype { .. } | NodeData::ProcessingInstruction { .. } => true,
    }
}

/// Whether an attribute says that its element is not shown. A style sheet can say so too, which nobody here reads.
fn hides(name: &str, value: &str) -> bool {
    match name {
        "hidden" => true,
        "aria-hidden" => value.trim().eq_ignore_ascii_case("true"),
        "style" => {
            let style: String =
                value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
            ["display:none", "visibility:hidden", "opacity:0;", "font-size:0"]
                .iter()
                .any(|way| style.contains(way))
                || style.ends_with("opacity:0")
        }
        _ => false,
    }
}

/// A text without what acts on a terminal or hides.
pub(super) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => seen.push(c),
            // A return is part of a line's end, or an attempt to write over the line.
            '\r'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}' => {}
            '\0'..='\x1f' => seen.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => seen.push('␡'),
            '\u{80}'..='\u{9f}' => seen.push('\u{fffd}'),
            '\u{2028}' | '\u{2029}' => seen.push('\n'),
            c => seen.push(c),
        }
    }
    seen
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;

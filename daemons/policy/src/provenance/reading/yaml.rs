//! Block YAML: mappings, lists and scalars as dumpers write them. No anchors, no tags, no flow collections.

use serde_json::{Map, Value};

use super::DEEPEST;

/// The value that a whole text is.
pub(super) fn read(text: &str) -> Option<Value> {
    Yaml::read(text)
}

struct Yaml<'a> {
    lines: Vec<(usize, &'a str)>,
    at: usize,
}

impl<'a> Yaml<'a> {
    fn read(text: &'a str) -> Option<Value> {
        let lines = text
            .lines()
            .map(|line| {
                let body = line.trim_start_matches(' ');
                (line.len() - body.len(), body.trim_end())
            })
            .collect();
        let mut yaml = Self { lines, at: 0 };
        let value = yaml.block(0, 0)?;
        yaml.skip_blank();
        (yaml.at == yaml.lines.len()).then_some(value)
    }

    fn skip_blank(&mut self) {
        while self.lines.get(self.at).is_some_and(|(_, body)| body.is_empty()) {
            self.at += 1;
        }
    }

    fn block(&mut self, indent: usize, depth: usize) -> Option<Value> {
        self.skip_blank();
        let (here, body) = *self.lines.get(self.at)?;
        if here != indent || depth > DEEPEST {
            return None;
        }
        if body == "-" || body.starts_with("- ") { self.list(indent, depth) } else { self.map(indent, depth) }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            self.skip_blank();
            let Some((here, body)) = self.lines.get(self.at).copied() else { break };
            if here != indent || !(body == "-" || body.starts_with("- ")) {
                break;
            }
            let rest = body.get(1..)?.trim_start();
            if rest.is_empty() {
                self.at += 1;
                self.skip_blank();
                let inner = self.lines.get(self.at)?.0;
                items.push(if inner > indent { self.block(inner, depth + 1)? } else { Value::Null });
            } else if key(rest).is_some() || rest.starts_with("- ") {
                // The first line of the item, as if it stood on a line of its own.
                let inner = indent + (body.len() - rest.len());
                *self.lines.get_mut(self.at)? = (inner, rest);
                items.push(self.block(inner, depth + 1)?);
            } else {
                self.at += 1;
                items.push(self.scalar(rest, indent)?);
            }
        }
        Some(Value::Array(items))
    }

    fn map(&mut self, indent: usize, depth: usize) -> Option<Value> {
        let mut map = Map::new();
        loop {
            self.skip_blank();
            let Some((here, body)) = self.lines.get(self.at).copied() else { break };
            if here != indent || body.starts_with("- ") {
                break;
            }
            let (name, rest) = key(body)?;
            self.at += 1;
            let value = if rest.is_empty() {
                let after = self.at;
                self.skip_blank();
                match self.lines.get(self.at).copied() {
                    Some((inner, body)) if inner > indent || (inner == indent && body.starts_with("- ")) => {
                        self.block(inner, depth + 1)?
                    }
                    _ => {
                        self.at = after;
                        Value::Null
                    }
                }
            } else {
                self.scalar(rest, indent)?
            };
            // The same name twice is no record that a dumper wrote.
            if map.insert(name, value).is_some() {
                return None;
            }
        }
        (!map.is_empty()).then_some(Value::Object(map))
    }

    /// A scalar that starts with this, and goes on in lines that stand further right.
    fn scalar(&mut self, first: &str, indent: usize) -> Option<Value> {
        if first.starts_with(['|', '>']) && first.len() <= 3 {
            let mut text = String::new();
            while let Some((here, body)) = self.lines.get(self.at).copied() {
                if !body.is_empty() && here <= indent {
                    break;
                }
                text.push_str(body);
                text.push('\n');
                self.at += 1;
            }
            return Some(Value::String(text));
        }
        let mut text = first.to_owned();
        let quote = first.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let mut blank = 0;
        while quote.is_none_or(|quote| !closed(&text, quote)) {
            match self.lines.get(self.at).copied() {
                Some((_, "")) => {
                    // In a plain scalar blank lines may also come after its end.
                    if quote.is_none() && !self.goes_on(indent) {
                        break;
                    }
                    blank += 1;
                }
                Some((here, body)) if here > indent => {
                    text.push_str(if blank > 0 { "\n" } else { " " });
                    text.push_str(body);
                    blank = 0;
                }
                _ => break,
            }
            self.at += 1;
        }
        match quote {
            Some(quote) => closed(&text, quote).then(|| Value::String(unquoted(&text, quote))),
            None => plain(&text),
        }
    }

    fn goes_on(&self, indent: usize) -> bool {
        self.lines
            .iter()
            .skip(self.at)
            .find(|(_, body)| !body.is_empty())
            .is_some_and(|(here, _)| *here > indent)
    }
}

/// The name and the rest of a line of a mapping.
fn key(body: &str) -> Option<(String, &str)> {
    let (name, rest) = match body.chars().next()? {
        quote @ ('\'' | '"') => {
            let end = body.get(1..)?.find(quote)? + 2;
            (body.get(1..end - 1)?.to_owned(), body.get(end..)?.strip_prefix(':')?)
        }
        '{' | '[' | '&' | '*' | '!' | '|' | '>' | '%' | '@' | '#' | '?' => return None,
        _ => {
            let end = body.find(": ").or_else(|| body.ends_with(':').then(|| body.len() - 1))?;
            (body.get(..end)?.to_owned(), body.get(end + 1..)?)
        }
    };
    (rest.is_empty() || rest.starts_with(' ')).then(|| (name, rest.trim_start()))
}

fn closed(text: &str, quote: char) -> bool {
    let mut chars = text.chars().skip(1).peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && quote == '"' {
            chars.next();
        } else if c == quote {
            if quote == '\'' && chars.peek() == Some(&'\'') {
                chars.next();
            } else {
                return chars.next().is_none();
            }
        }
    }
    false
}

fn unquoted(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(text);
    if quote == '\'' {
        return inner.replace("''", "'");
    }
    let mut plain = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some('x') => plain.extend(take_code(&mut chars, 2)),
            Some('u') => plain.extend(take_code(&mut chars, 4)),
            Some('U') => plain.extend(take_code(&mut chars, 8)),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

fn take_code(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let code: String = chars.by_ref().take(digits).collect();
    u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)
}

fn plain(text: &str) -> Option<Value> {
    match text {
        "[]" => return Some(Value::Array(Vec::new())),
        "{}" => return Some(Value::Object(Map::new())),
        "null" | "~" | "" => return Some(Value::Null),
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if text.starts_with(['{', '[', '&', '*', '!', '%', '@']) {
        return None;
    }
    let number = serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
    Some(number.unwrap_or_else(|| Value::String(text.to_owned())))
}

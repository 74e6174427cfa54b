//! Python's notation of literals, which tools print where they forget to print JSON.

use serde_json::{Map, Value};

use super::DEEPEST;

/// The value that a whole text is.
pub(super) fn read(text: &str) -> Option<Value> {
    let chars: Vec<char> = text.chars().collect();
    let mut reader = Literal { chars: &chars, at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    (reader.at == chars.len()).then_some(value)
}

struct Literal<'a> {
    chars: &'a [char],
    at: usize,
}

impl Literal<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        self.blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        match self.peek()? {
            '{' => {
                self.at += 1;
                let mut map = Map::new();
                while !self.take('}') {
                    let Value::String(key) = self.value(depth + 1)? else { return None };
                    self.take(':').then_some(())?;
                    map.insert(key, self.value(depth + 1)?);
                    if !self.take(',') {
                        self.take('}').then_some(())?;
                        break;
                    }
                }
                Some(Value::Object(map))
            }
            open @ ('[' | '(') => {
                let close = if open == '[' { ']' } else { ')' };
                self.at += 1;
                let mut list = Vec::new();
                while !self.take(close) {
                    list.push(self.value(depth + 1)?);
                    if !self.take(',') {
                        self.take(close).then_some(())?;
                        break;
                    }
                }
                Some(Value::Array(list))
            }
            quote @ ('\'' | '"') => self.string(quote).map(Value::String),
            _ => {
                let start = self.at;
                while self.peek().is_some_and(|c| !",:]})".contains(c) && !c.is_whitespace()) {
                    self.at += 1;
                }
                let word: String = self.chars.get(start..self.at)?.iter().collect();
                match word.as_str() {
                    "" => None,
                    "None" | "null" => Some(Value::Null),
                    "True" | "true" => Some(Value::Bool(true)),
                    "False" | "false" => Some(Value::Bool(false)),
                    word => serde_json::from_str(word).ok().filter(Value::is_number),
                }
            }
        }
    }

    fn string(&mut self, quote: char) -> Option<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.at += 1;
            if c == quote {
                return Some(text);
            }
            if c == '\\' {
                let escaped = self.peek()?;
                self.at += 1;
                text.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
            } else {
                text.push(c);
            }
        }
    }
}

//! The arguments of a call: exact where a person decides, brief where one only follows.

use serde_json::Value;

use crate::paint::Paint;
use crate::render::gutter;
use crate::screen;

/// Characters of one argument in a brief line.
const BRIEF: usize = 48;
/// A string longer than this, or with a newline, is a block of its own.
const INLINE: usize = 60;

/// Every argument in full behind a prefix, each line with a newline.
pub fn full(arguments: &Value, prefix: &str, indent: usize, width: Option<usize>, paint: Paint) -> String {
    let mut out = String::new();
    let Some(members) = arguments.as_object() else {
        let shown = screen::source_line(&arguments.to_string());
        return gutter::exact([shown], prefix, indent, width, |_, part| part.to_owned());
    };
    let widest = members.keys().map(|key| screen::line(key).chars().count()).max().unwrap_or(0).min(16);
    for (key, value) in members {
        let name = format!("{:<widest$}", screen::line(key));
        match value.as_str() {
            Some(text) if text.contains('\n') || text.chars().count() > INLINE => {
                let lines = text.lines().count();
                let end = if text.ends_with('\n') { "" } else { ", no newline at the end" };
                let plural = if lines == 1 { "" } else { "s" };
                let head = format!("{lines} line{plural}, {} bytes{end}", text.len());
                out.push_str(&format!("{prefix}{} {}\n", paint.bold(&name), paint.dim(&head)));
                let body = text.split_terminator('\n').map(screen::source_line);
                let inner = format!("{prefix}  {} ", paint.dim("▏"));
                out.push_str(&gutter::exact(body, &inner, indent + 4, width, |_, part| part.to_owned()));
            }
            _ => {
                let line = format!("{name} {}", screen::source_line(&value.to_string()));
                out.push_str(&gutter::exact([line], prefix, indent, width, |whole, part| {
                    // The name is at the start of the first part only.
                    match part.strip_prefix(name.as_str()) {
                        Some(rest) if whole.starts_with(part) => format!("{}{rest}", paint.bold(&name)),
                        _ => part.to_owned(),
                    }
                }));
            }
        }
    }
    out
}

/// All arguments in one line, each cut short.
pub fn brief(arguments: &Value) -> String {
    let Some(members) = arguments.as_object() else { return screen::brief(&arguments.to_string(), BRIEF) };
    let parts: Vec<String> = members
        .iter()
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("{}=\"{}\"", screen::brief(key, BRIEF), screen::brief(text, BRIEF)),
            None => format!("{}={}", screen::brief(key, BRIEF), screen::brief(&value.to_string(), BRIEF)),
        })
        .collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_arguments_stand_in_line_and_long_ones_in_a_block() {
        let shown =
            full(&json!({"path": "a.txt", "content": "one\n\ttwo"}), "| ", 2, None, Paint::new(false));
        assert_eq!(
            shown,
            "| content 2 lines, 8 bytes, no newline at the end\n|   ▏ one\n|   ▏ →   two\n| path    \"a.txt\"\n"
        );
    }

    #[test]
    fn nothing_of_an_argument_is_left_out() {
        let command = format!("echo {} ; rm -rf /", " ".repeat(300));
        let shown = full(&json!({"command": command}), "| ", 2, Some(40), Paint::new(false));
        assert!(shown.contains("rm -rf /"), "{shown}");
        assert!(shown.lines().all(|line| line.starts_with("| ")), "{shown}");
    }

    #[test]
    fn hostile_keys_are_written_out() {
        let shown = full(&json!({"a\u{202e}b": 1}), "", 0, None, Paint::new(false));
        assert_eq!(shown, "a\\u{202e}b 1\n");
    }

    #[test]
    fn brief_is_one_line() {
        assert_eq!(brief(&json!({"n": 3, "path": "a\nb"})), "n=3 path=\"a\\nb\"");
        assert_eq!(brief(&json!([1])), "[1]");
    }
}

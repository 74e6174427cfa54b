//! How a tool call went, in one line.

use testudo::refusal::{Code, Refusal};
use testudo::verdict::Verdict;

use crate::paint::Paint;
use crate::render::clock;
use crate::render::gutter::Gutter;
use crate::screen;

/// The tool and its arguments in short.
pub fn started(tool: &str, arguments: &serde_json::Value, width: Option<usize>, paint: Paint) -> String {
    let tool = screen::brief(tool, 40);
    let text = super::arguments::brief(arguments);
    let room = width.map_or(160, |width| width.saturating_sub(tool.chars().count() + 5));
    // What `brief` gave is harmless already; cutting it cannot make it less so.
    let cut: String = text.chars().take(room).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{} {} {}", paint.dim("→"), paint.cyan(&tool), paint.dim(&format!("{cut}{more}")))
}

/// How it ended, with a newline: one line, and the message of an error below it behind a gutter.
pub fn finished(
    tool: &str,
    verdict: Option<Verdict>,
    error: Option<&Refusal>,
    duration_ms: u64,
    width: Option<usize>,
    paint: Paint,
) -> String {
    let tool = paint.cyan(&screen::brief(tool, 40));
    let time = clock::duration(duration_ms);
    match error {
        None => {
            let word = match verdict {
                Some(Verdict::Ask) => "approved",
                Some(Verdict::Deny) => "denied",
                Some(Verdict::Allow) | None => "allowed",
            };
            format!("{} {tool} {}\n", paint.green("✓"), paint.dim(&format!("{word} · {time}")))
        }
        Some(refusal) => format!(
            "{} {tool} {} {}\n{}",
            paint.red("✗"),
            paint.red(&code_word(refusal.code)),
            paint.dim(&format!("· {time}")),
            Gutter::new("  ", 2, width).whole(&message(refusal))
        ),
    }
}

/// The error of a call, in one line.
pub fn refused(refusal: &Refusal) -> String {
    format!("{}: {}", code_word(refusal.code), message(refusal))
}

fn message(refusal: &Refusal) -> String {
    let field = refusal.field.as_deref().filter(|field| !field.is_empty());
    let field = field.map_or_else(String::new, |field| format!("{}: ", screen::line(field)));
    let after = refusal.retry_after.map_or_else(String::new, |seconds| format!(" (again in {seconds:.1} s)"));
    format!("{field}{}{after}", screen::line(&refusal.message))
}

fn code_word(code: Code) -> String {
    serde_json::to_value(code).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_end_of_a_call_names_what_matters() {
        let plain = Paint::new(false);
        assert_eq!(finished("echo", Some(Verdict::Allow), None, 3, None, plain), "✓ echo allowed · 3 ms\n");
        assert_eq!(
            finished("fs.write", Some(Verdict::Ask), None, 3_200, None, plain),
            "✓ fs.write approved · 3.2 s\n"
        );
        let refusal = Refusal::new(Code::ValidationFailed, "missing\nfield").at("/path");
        assert_eq!(
            finished("fs.read", None, Some(&refusal), 0, None, plain),
            "✗ fs.read VALIDATION_FAILED · 0 ms\n  /path: missing\\nfield\n"
        );
    }

    #[test]
    fn the_start_of_a_call_fits_its_line() {
        let shown = started("shell.run", &json!({"command": "x".repeat(500)}), Some(40), Paint::new(false));
        assert!(shown.chars().count() <= 40, "{shown}");
        assert!(shown.ends_with('…'));
    }
}

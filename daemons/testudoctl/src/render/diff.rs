//! A unified diff in colours, every blank of its lines visible.

use crate::paint::Paint;
use crate::render::gutter;
use crate::screen;

/// The diff behind a prefix, each line with a newline.
pub fn show(diff: &str, prefix: &str, indent: usize, width: Option<usize>, paint: Paint) -> String {
    // At newlines only: `str::lines` would swallow a carriage return in front of one.
    let body = diff.strip_suffix('\n').unwrap_or(diff);
    let lines = body.split('\n').map(screen::source_line);
    gutter::exact(lines, prefix, indent, width, |line, part| colour(line, part, paint))
}

fn colour(line: &str, part: &str, paint: Paint) -> String {
    if line.starts_with("+++") || line.starts_with("---") {
        paint.bold(part)
    } else if line.starts_with("@@") {
        paint.cyan(part)
    } else if line.starts_with('+') {
        paint.green(part)
    } else if line.starts_with('-') {
        paint.red(part)
    } else {
        part.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_colours_and_hostile_text_none_of_its_own() {
        let shown = show("@@ -1 +1 @@\n-old\n+new\x1b[0m \n same", "| ", 2, None, Paint::new(true));
        assert_eq!(
            shown,
            "| \u{1b}[36m@@ -1 +1 @@\u{1b}[0m\n| \u{1b}[31m-old\u{1b}[0m\n| \u{1b}[32m+new\\u{1b}[0m·\u{1b}[0m\n|  same\n"
        );
    }

    #[test]
    fn a_carriage_return_cannot_overwrite_the_line() {
        assert_eq!(show("+rm -rf /\r+ls\n", "", 0, None, Paint::new(false)), "+rm -rf /\\u{d}+ls\n");
    }

    #[test]
    fn other_line_endings_are_seen() {
        for (diff, shown) in
            [("-a\n+a\r\n", "-a\n+a\\u{d}\n"), ("+a\r", "+a\\u{d}\n"), ("+a\n\n", "+a\n\n"), ("+a", "+a\n")]
        {
            assert_eq!(show(diff, "", 0, None, Paint::new(false)), shown, "{diff:?}");
        }
    }
}

//! The paths that a unified diff is about, for rules: every name that whoever applies it could take from it.
//!
//! Names are read as the applying tool reads them, without its checks: a diff that it would refuse may name more here,
//! never less. A name that cannot be read stands for the whole workspace.

/// The tool whose argument is a diff.
pub(crate) const TOOL: &str = "fs.patch";

/// All names of a diff, those before as well as those afterwards; the empty one for a name that cannot be read.
pub(crate) fn names(diff: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = diff.split('\n').map(|line| line.trim_end_matches('\r')).peekable();
    while let Some(line) = lines.next() {
        if let Some(both) = line.strip_prefix("diff --git ") {
            names.extend(same(both));
        } else if let Some(old) = line.strip_prefix("--- ") {
            if let Some(new) = lines.peek().and_then(|next| next.strip_prefix("+++ ")) {
                names.extend(side(old, "a/"));
                names.extend(side(new, "b/"));
            }
        } else {
            let words = ["rename from ", "rename to ", "copy from ", "copy to "];
            let name = words.iter().find_map(|word| line.strip_prefix(word));
            names.extend(name.map(|name| plain(name).unwrap_or_default()));
        }
    }
    names
}

/// A name of a `---` or `+++` line, without its prefix and its time; none for no file.
fn side(text: &str, prefix: &str) -> Option<String> {
    let text = if text.starts_with('"') { text } else { text.split('\t').next().unwrap_or_default() };
    match plain(text) {
        Some(name) if name == "/dev/null" => None,
        Some(name) => Some(name.strip_prefix(prefix).map_or(name.clone(), str::to_owned)),
        None => Some(String::new()),
    }
}

/// The name in `a/NAME b/NAME`; others are given by the lines that follow it.
fn same(both: &str) -> Option<String> {
    let middle = both.len().checked_sub(1)? / 2;
    let old = both.get(..middle)?.strip_prefix("a/")?;
    (both.get(middle..)?.strip_prefix(" b/")? == old).then(|| old.to_owned())
}

/// A name, or one in quotes with C's escapes, bytes in octal.
fn plain(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let (mut bytes, mut rest) = (Vec::new(), quoted.strip_suffix('"')?.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            digit @ b'0'..=b'3' => {
                let digits = [digit, rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
            }
            other @ (b'"' | b'\\') => other,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_before_and_afterwards_are_both_named() {
        let diff = "From: me\n--- a/src/x\t2026-01-01\n+++ b/src/y\r\n@@ -1 +1 @@\n-a\n+b\n\
            --- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+n\n";
        assert_eq!(names(diff), ["src/x", "src/y", "new"]);
        let git = "diff --git a/secrets/k b/secrets/k\nold mode 100644\nnew mode 100755\n\
            diff --git a/o b/p\nrename from o\nrename to \"p\\303\\244 \\\"q\"\ncopy from c\ncopy to d\n";
        assert_eq!(names(git), ["secrets/k", "o", "pä \"q", "c", "d"]);
    }

    #[test]
    fn what_cannot_be_read_is_the_whole_workspace_and_what_a_hunk_removes_is_no_name() {
        assert_eq!(names("--- \"a/x\\q\"\n+++ \"b/\\777\"\nrename to \"open\n"), ["", "", ""]);
        assert_eq!(names("--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n--- a comment\n same\n"), ["x", "x"]);
        assert!(names("no diff at all").is_empty());
    }
}

//! What a file is called where people see it, and what it is said to be.

use crate::inbox;

/// A name for people, who may save the file under it: no path, nothing hidden, and nothing that a program takes for one
/// of its options.
pub(super) fn name_of(name: &str) -> String {
    let name = inbox::plain(name);
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "file".to_owned() } else { name.to_owned() }
}

/// A type by the name. A client may show what is listed here; HTML, SVG and whatever else could run something where it
/// is shown is not, and is something to be saved.
pub(super) fn mime(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("diff" | "patch") => "text/x-diff",
        Some("json") => "application/json",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("gz" | "tgz") => "application/gzip",
        Some("tar") => "application/x-tar",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_to_save_and_types_safe_to_show() {
        for (name, called, kind) in [
            ("report.PDF", "report.PDF", "application/pdf"),
            ("out/chart.png", "chart.png", "image/png"),
            (".bashrc", "bashrc", "application/octet-stream"),
            ("..", "file", "application/octet-stream"),
            ("-rf.txt", "rf.txt", "text/plain"),
            ("page.html", "page.html", "application/octet-stream"),
            ("logo.svg", "logo.svg", "application/octet-stream"),
            ("a\u{202e}fdp.exe", "a_fdp.exe", "application/octet-stream"),
            ("x.tar.gz", "x.tar.gz", "application/gzip"),
            ("", "file", "application/octet-stream"),
        ] {
            assert_eq!((name_of(name).as_str(), mime(&name_of(name))), (called, kind), "{name:?}");
        }
    }
}

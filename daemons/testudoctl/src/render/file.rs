//! A file that the agent gave, in one line with the command that saves it.

use testudo::tool::GivenFile;

use crate::paint::Paint;
use crate::screen;

/// Its name, its size, and how to get it, with a newline.
pub fn given(session: &str, file: &GivenFile, paint: Paint) -> String {
    let about = format!(
        "· {} · testudoctl file {} {}",
        size(file.size),
        screen::line(session),
        screen::line(&file.id)
    );
    format!("{} {} {}\n", paint.green("⎘"), screen::brief(&file.name, 80), paint.dim(&about))
}

/// A size as people say it.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        1 => "1 byte".to_owned(),
        0..KIB => format!("{bytes} bytes"),
        KIB..MIB => format!("{}.{} KiB", bytes / KIB, bytes % KIB * 10 / KIB),
        MIB.. => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_line_with_the_command_that_saves_it() {
        let file = GivenFile {
            id: "f-1".into(),
            name: "re\u{202e}port.pdf".into(),
            mime: "application/pdf".into(),
            size: 12_600,
            sha256: String::new(),
        };
        assert_eq!(
            given("main", &file, Paint::new(false)),
            "⎘ re\\u{202e}port.pdf · 12.3 KiB · testudoctl file main f-1\n"
        );
    }

    #[test]
    fn sizes_are_short() {
        for (bytes, said) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (16 << 20, "16.0 MiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}

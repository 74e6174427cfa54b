//! Colours, by what they mean here. Off means plain text.

/// How to colour; copied around freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// Colours or none.
    pub const fn new(on: bool) -> Self {
        Self { on }
    }

    /// Headings and names.
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is beside the point.
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Wrong, refused, removed.
    pub fn red(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Well, allowed, added.
    pub fn green(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Waits for a person.
    pub fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// Places and tools.
    pub fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_plain() {
        assert_eq!(Paint::new(false).red("x"), "x");
        assert_eq!(Paint::new(true).red("x"), "\u{1b}[31mx\u{1b}[0m");
    }
}

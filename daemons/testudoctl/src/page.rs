//! Where the answer goes: standard output, as text for people or as JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::paint::Paint;

/// Standard output and what it can show.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    json: bool,
    paint: Paint,
    error_paint: Paint,
    width: Option<usize>,
}

impl Page {
    /// Colours and wrapping only on a terminal; no colours where `NO_COLOR` is set to anything.
    pub fn detect(json: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let width = if terminal { width_of_terminal() } else { None };
        Self {
            json,
            paint: Paint::new(terminal && !plain),
            error_paint: Paint::new(io::stderr().is_terminal() && !plain),
            width,
        }
    }

    /// No terminal, no colours.
    #[cfg(test)]
    pub(crate) const fn plain(json: bool) -> Self {
        Self { json, paint: Paint::new(false), error_paint: Paint::new(false), width: None }
    }

    /// True when a program reads.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// The colours to use.
    pub const fn paint(&self) -> Paint {
        self.paint
    }

    /// The colours to use on standard error.
    pub const fn error_paint(&self) -> Paint {
        self.error_paint
    }

    /// Columns of the terminal; none where nothing is to be wrapped.
    pub const fn width(&self) -> Option<usize> {
        self.width
    }

    /// The same page after the terminal may have changed its size.
    #[must_use]
    pub fn measured(mut self) -> Self {
        if self.width.is_some() {
            self.width = width_of_terminal();
        }
        self
    }

    /// Writes text and a newline.
    ///
    /// # Errors
    /// When the reader is gone.
    pub fn line(&self, text: impl AsRef<str>) -> io::Result<()> {
        self.text(&format!("{}\n", text.as_ref()))
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// When the reader is gone.
    pub fn text(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes one JSON value on a line of its own.
    ///
    /// # Errors
    /// When the reader is gone.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value).map_err(io::Error::other)?)
    }
}

/// Too narrow a terminal is written to as if it were 20 columns wide.
fn width_of_terminal() -> Option<usize> {
    crossterm::terminal::size().ok().map(|(columns, _)| usize::from(columns).max(20))
}

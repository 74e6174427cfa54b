//! The syntax of unit files: sections, `Key=value`, comments, continued lines, lists that an empty value resets.

use std::collections::BTreeMap;

/// A unit file as written. Unknown keys are kept: what they mean is for the reader.
#[derive(Debug, Default)]
pub(crate) struct Ini {
    sections: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Ini {
    /// Reads any text; a line that is neither a section nor an assignment is skipped, as systemd does.
    pub(crate) fn parse(text: &str) -> Self {
        let mut ini = Self::default();
        ini.read(text);
        ini
    }

    /// Reads a further file of the same unit, such as a drop-in: what it sets comes after what is there, and what it
    /// sets to nothing is begun anew.
    pub(crate) fn read(&mut self, text: &str) {
        let mut section = String::new();
        let mut pending = String::new();
        for line in text.lines() {
            let line = line.trim();
            if pending.is_empty() && (line.is_empty() || line.starts_with(['#', ';'])) {
                continue;
            }
            if let Some(open) = line.strip_suffix('\\') {
                pending.push_str(open);
                pending.push(' ');
                continue;
            }
            let whole = std::mem::take(&mut pending) + line;
            if let Some(name) = whole.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=') {
                let values = self
                    .sections
                    .entry(section.clone())
                    .or_default()
                    .entry(key.trim().to_owned())
                    .or_default();
                match value.trim() {
                    "" => values.clear(),
                    value => values.push(value.to_owned()),
                }
            }
        }
    }

    /// All values of a key, in order.
    pub(crate) fn all(&self, section: &str, key: &str) -> &[String] {
        self.sections.get(section).and_then(|keys| keys.get(key)).map_or(&[], Vec::as_slice)
    }

    /// The value that counts where only one can: the last.
    pub(crate) fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).last().map(String::as_str)
    }

    /// All values of a key, split at spaces.
    pub(crate) fn words(&self, section: &str, key: &str) -> Vec<String> {
        self.all(section, key).iter().flat_map(|value| value.split_whitespace()).map(str::to_owned).collect()
    }

    /// Whether the key says yes.
    pub(crate) fn is_on(&self, section: &str, key: &str) -> bool {
        matches!(self.last(section, key), Some("yes" | "true" | "on" | "1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_lists_resets_and_continued_lines() {
        let ini = Ini::parse(
            "# c\n[Unit]\nAfter=a b\nAfter=c\n[Service]\nA=1\nA=\nA=2\nExec=x \\\n  y\nnonsense\nPrivateIPC=yes\n",
        );
        assert_eq!(ini.words("Unit", "After"), ["a", "b", "c"]);
        assert_eq!(ini.all("Service", "A"), ["2"]);
        assert_eq!(ini.words("Service", "Exec"), ["x", "y"]);
        assert!(ini.is_on("Service", "PrivateIPC") && !ini.is_on("Service", "PrivatePIDs"));
        assert_eq!(ini.last("Unit", "A"), None);
    }

    #[test]
    fn a_drop_in_adds_to_lists_and_resets_them() {
        let mut ini = Ini::parse("[Service]\nExec=x\nMemoryMax=1G\nTmp=/a\n");
        ini.read("[Service]\nExec=\nExec=y z\nMemoryMax=2G\nTmp=/b\n");
        assert_eq!(ini.words("Service", "Exec"), ["y", "z"]);
        assert_eq!(ini.last("Service", "MemoryMax"), Some("2G"));
        assert_eq!(ini.words("Service", "Tmp"), ["/a", "/b"]);
    }
}

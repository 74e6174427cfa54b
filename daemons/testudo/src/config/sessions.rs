//! Which sessions a table of the configuration is about: names in which `*` stands for any characters.

use crate::config::reader::Table;

/// A session's name with `*` in it, or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPattern(String);

impl SessionPattern {
    /// Takes a pattern; none when no session could have such a name.
    pub fn new(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'*');
        ((1..=64).contains(&text.len()) && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// Whether this is the session's name.
    pub fn matches(&self, session: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| session.strip_prefix(first)) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        rest.ends_with(last)
    }

    /// The patterns at `sessions`, of which a table has at least one.
    pub(super) fn read(table: &Table<'_>) -> Vec<Self> {
        let Some(given) = table.strings("sessions") else {
            table.require("sessions", "a list of session names, in which * stands for any characters");
            return Vec::new();
        };
        let patterns: Option<Vec<Self>> = given.iter().map(|text| Self::new(text)).collect();
        patterns.unwrap_or_else(|| {
            table.refuse("sessions", "expected names of letters, digits, _, - and *");
            Vec::new()
        })
    }
}

/// `[toold.groups.NAME]`: sessions that share a bucket beside their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whose calls count; a session is of the first group, by name, that has it.
    pub sessions: Vec<SessionPattern>,
    /// Calls per minute that are sustained, of all of them together.
    pub calls_per_minute: u32,
    /// Calls that may come at once.
    pub burst: u32,
}

impl Group {
    pub(super) fn read(table: &Table<'_>) -> Vec<Self> {
        let mut groups = Vec::new();
        for (name, value) in table.entries() {
            let Some(table) = value.table("toold.groups.NAME") else { continue };
            let sessions = SessionPattern::read(&table);
            let limit = |key| table.integer(key, 1..=1_000_000);
            let (calls_per_minute, burst) = (limit("calls_per_minute"), limit("burst"));
            for (key, given) in [("calls_per_minute", calls_per_minute), ("burst", burst)] {
                if given.is_none() && table.value(key).is_none() {
                    table.require(key, "1 to 1000000, for all sessions of the group together");
                }
            }
            table.finish();
            groups.extend(calls_per_minute.zip(burst).map(|(calls_per_minute, burst)| Self {
                name,
                sessions,
                calls_per_minute,
                burst,
            }));
        }
        groups.sort_by(|a, b| a.name.cmp(&b.name));
        groups
    }
}

/// `[agentd.unattended]`: sessions in which no person watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unattended {
    /// Which.
    pub sessions: Vec<SessionPattern>,
    /// The operator to whom their questions go; without one they are parked.
    pub approver: Option<String>,
}

impl Unattended {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let is_there = table.value("sessions").is_some();
        let approver = table.string("approver");
        let sessions = if is_there || approver.is_some() { SessionPattern::read(table) } else { Vec::new() };
        table.finish();
        Self { sessions, approver }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_does() {
        for (pattern, session, expected) in [
            ("main", "main", true),
            ("main", "mainly", false),
            ("*", "x", true),
            ("cron-*", "cron-mail", true),
            ("cron-*", "cron-", true),
            ("cron-*", "acron-mail", false),
            ("*-mail", "cron-mail", true),
            ("*-mail", "cron-mails", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("aa*aa", "aaa", false),
        ] {
            assert_eq!(
                SessionPattern::new(pattern).unwrap().matches(session),
                expected,
                "{pattern} {session}"
            );
        }
        for wrong in ["", "a b", "[ab]", "a?", "ä"] {
            assert_eq!(SessionPattern::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn groups_are_read_whole_or_refused() {
        let text = "[toold.groups.b]\nsessions = [\"cron-*\"]\ncalls_per_minute = 6\nburst = 2\n\
                    [toold.groups.a]\nsessions = \"x\"\ncalls_per_minute = 1\nburst = 1\n";
        let groups = parse("t", text).unwrap().toold.groups;
        let names: Vec<_> = groups.iter().map(|group| (group.name.as_str(), group.burst)).collect();
        assert_eq!(names, [("a", 1), ("b", 2)]);
        for (wrong, part) in [
            ("[toold.groups.b]\ncalls_per_minute = 6\nburst = 2\n", "`sessions` is missing"),
            ("[toold.groups.b]\nsessions = [\"x\"]\nburst = 2\n", "`calls_per_minute` is missing"),
            ("[toold.groups.b]\nsessions = [\"x y\"]\ncalls_per_minute = 6\nburst = 0\n", "1 to 1000000"),
            ("[toold.groups]\nb = 3\n", "expected a table"),
            ("[agentd.unattended]\napprover = \"ada\"\n", "`sessions` is missing"),
        ] {
            let shown = parse("t", wrong).unwrap_err().to_string();
            assert!(shown.contains(part), "{wrong}: {shown}");
        }
    }

    #[test]
    fn nobody_is_unattended_unless_said() {
        assert_eq!(parse("t", "").unwrap().agentd.unattended, Unattended::default());
        let text = "[agentd.unattended]\nsessions = [\"cron-*\"]\napprover = \"ada\"\n";
        assert_eq!(parse("t", text).unwrap().agentd.unattended.approver.as_deref(), Some("ada"));
    }
}

//! Help texts and the table of `docs/commands.md`, made from the table of commands.

use super::table::{Entry, TABLE};
use super::{Channel, Rights};

/// Columns before the summaries in a terminal.
const COLUMN: usize = 22;

/// What is said in a chat below the commands.
const CHAT: &str = "\
When an approval waits: y once, s for this session, u 30m for a time, a always (exactly this), n [REASON] no;
of a plan 1-3 only these steps; w shows it whole; a one-time code stands behind the answer: y 123456.
A change of the policy that breaks much wants the phrase typed that it shows.
Alt-Enter begins a new line. A line that begins with // is said with one slash.";

/// What is said in a room below the commands.
const MATRIX: &str = "\
A question is answered with a reply to it: `yes CODE`, `for 2h CODE`, `session CODE`, `always CODE`, of a plan `1-3 CODE`, \
`no because …`. A message that begins with `//` is said with one slash. Commands are read from new messages only, never \
from an edit.";

/// The lines of a channel's help: how each command is typed, and what it does.
pub fn lines(channel: Channel, rights: Rights) -> impl Iterator<Item = (String, &'static str)> {
    let is_theirs = move |entry: &&Entry| rights == Rights::Owner || entry.rights == Rights::Member;
    TABLE.iter().filter(is_theirs).filter_map(move |entry| line(entry, channel))
}

fn line(entry: &Entry, channel: Channel) -> Option<(String, &'static str)> {
    let usage = entry.usage(channel)?;
    Some((typed(entry.name, usage.arguments), usage.summary))
}

fn typed(name: &str, arguments: &str) -> String {
    if arguments.is_empty() { format!("/{name}") } else { format!("/{name} {arguments}") }
}

/// Help in `testudoctl chat`: of everything, or of the command of this name.
pub fn chat(topic: Option<&str>) -> String {
    let one = topic.and_then(Entry::named).and_then(|entry| line(entry, Channel::Chat));
    if let Some((typed, summary)) = one {
        return format!("{typed}  {summary}");
    }
    let mut out = String::new();
    for (typed, summary) in lines(Channel::Chat, Rights::Owner) {
        out.push_str(&format!("{typed:<COLUMN$} {summary}\n"));
    }
    out.push_str(CHAT);
    out
}

/// Help in a room as Markdown: of everything that somebody may, or of the command of this name.
pub fn matrix(topic: Option<&str>, rights: Rights) -> String {
    let one = topic.and_then(Entry::named).and_then(|entry| line(entry, Channel::Matrix));
    if let Some((typed, summary)) = one {
        return format!("`{typed}`: {summary}");
    }
    let mut out = String::new();
    for (typed, summary) in lines(Channel::Matrix, rights) {
        out.push_str(&format!("- `{typed}`: {summary}\n"));
    }
    if rights == Rights::Member { out } else { format!("{out}\n{MATRIX}") }
}

/// The table of `docs/commands.md`.
pub fn document() -> String {
    let mut out = "| command | in | what it does | in Matrix by |\n|---|---|---|---|\n".to_owned();
    for entry in &TABLE {
        let who = match (entry.matrix, entry.rights) {
            (None, _) => "",
            (_, Rights::Member) => "owners, members",
            (_, Rights::Owner) => "owners",
        };
        let (chat, matrix) = (line(entry, Channel::Chat), line(entry, Channel::Matrix));
        let mut row = |line: &(String, &str), place: &str, who: &str| {
            out.push_str(&format!("| `{}` | {place} | {} | {who} |\n", line.0, line.1));
        };
        match (&chat, &matrix) {
            (Some(chat), Some(matrix)) if chat == matrix => row(chat, "both", who),
            _ => {
                if let Some(line) = &chat {
                    row(line, "chat", "");
                }
                if let Some(line) = &matrix {
                    row(line, "Matrix", who);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_table_as_it_is() {
        let (document, table) = (include_str!("../../../../docs/commands.md"), document());
        assert!(document.contains(&table), "docs/commands.md wants this table:\n{table}");
    }

    #[test]
    fn a_topic_is_one_line_and_an_unknown_one_is_all() {
        assert_eq!(chat(Some("stop")), "/stop  cancel what is running (so does Ctrl-C)");
        assert_eq!(matrix(Some("deny"), Rights::Owner), "`/deny ID [REASON]`: say no to it");
        assert_eq!(chat(Some("fly")), chat(None));
        assert!(chat(None).ends_with("with one slash."));
    }

    #[test]
    fn members_are_told_of_what_they_may() {
        let theirs = matrix(None, Rights::Member);
        assert!(theirs.contains("`/stop`") && !theirs.contains("/approve"), "{theirs}");
    }

    #[test]
    fn the_lines_of_a_terminal_are_aligned() {
        for (typed, _) in lines(Channel::Chat, Rights::Owner) {
            assert!(typed.len() <= COLUMN, "{typed}");
        }
    }
}

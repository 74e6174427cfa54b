//! A question as people see it in a room: pure, and made of what `policyd` worded and nothing else.
//!
//! It begins with a mark that nothing else of ours has: what the model says is [`defused`] before it is sent. Every
//! section is indented or in a block of its own, so that no value can look like the header or the last line.
//! What does not fit into one event is shown as far as it goes, and stands whole in a file that is sent before it.

use jiff::Timestamp;
use testudo::approval::{Approval, Scope, Section};
use testudo::verdict::Weight;

use super::judging::Sign;
pub use super::likeness::{MARK, defused, is_like_a_question};
use super::prompt::Prompt;

/// Most bytes of a message, body and HTML together: as JSON and encrypted it stays below the 64 KiB of an event.
const MOST: usize = 32 * 1024;
/// How many lines of a section, and bytes of a line, are shown where the whole is in a file: the first that fits.
const CUTS: [(usize, usize); 4] = [(40, 240), (20, 160), (8, 120), (2, 80)];

/// What a prompt looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// For clients that show no HTML.
    pub body: String,
    /// As it should look.
    pub html: String,
}

/// Whether everything that the approval shows fits into one event.
pub fn fits(approval: &Approval) -> bool {
    let line = |line: &String| line.len() + escaped(line).len() + 16;
    let section = |section: &Section| section.lines.iter().map(line).sum::<usize>() + 64;
    // The header and the answers are short.
    approval.rendering.iter().map(section).sum::<usize>() + 2048 <= MOST
}

/// The whole of a question as the text of a file.
pub fn file(approval: &Approval) -> String {
    let mut text = format!("{MARK} {} in full, as it was asked\n", approval.id);
    for section in &approval.rendering {
        let lines = shortened(section, usize::MAX, usize::MAX);
        text.push_str(&format!("\n{}\n{}", section.heading, indented(&lines)));
    }
    text
}

/// A question. `escape` is what makes text harmless in HTML; reactions of `seeds` are named.
pub fn question(approval: &Approval, prompt: &Prompt, seeds: &[Sign], escape: fn(&str) -> String) -> Look {
    let draft = |(lines, bytes)| drafted(approval, prompt, seeds, escape, (lines, bytes));
    if !prompt.in_file {
        return draft((usize::MAX, usize::MAX));
    }
    let fitting = CUTS.into_iter().map(draft).find(|look| look.body.len() + look.html.len() <= MOST);
    fitting.unwrap_or_else(|| draft((0, 0)))
}

fn drafted(
    approval: &Approval,
    prompt: &Prompt,
    seeds: &[Sign],
    escape: fn(&str) -> String,
    (lines, bytes): (usize, usize),
) -> Look {
    let header = format!("{MARK} TESTUDO ASKS · {}", approval.id);
    let until = format!("until {}", time(prompt.expires_ms));
    let mut body = format!("{header} · {until}\n");
    let mut html = format!("<p><strong>{}</strong> · {}</p>", escape(&header), escape(&until));
    if let Some(whose) = whose(approval, prompt) {
        body.push_str(&format!("{whose}\n"));
        html.push_str(&format!("<p>{}</p>", escape(&whose)));
    }
    for section in &approval.rendering {
        let shown = shortened(section, lines, bytes);
        body.push_str(&format!("\n{}\n{}", section.heading, indented(&shown)));
        html.push_str(&format!(
            "<p><em>{}</em></p>{}",
            escape(&section.heading),
            block(&section.heading, &shown, escape)
        ));
    }
    body.push('\n');
    for line in how(prompt, seeds) {
        body.push_str(&format!("{line}\n"));
        html.push_str(&format!("<p>{}</p>", marked(&escape(&line))));
    }
    Look { body, html }
}

/// Whose question it is, where that is not clear from the room.
fn whose(approval: &Approval, prompt: &Prompt) -> Option<String> {
    if approval.is_amendment() {
        return Some("for the policy of all sessions".to_owned());
    }
    let session = defused(&testudo::visible::line(&approval.session));
    match (prompt.place.is_own, approval.parked) {
        (true, false) => None,
        (_, true) => Some(format!("for the unattended job {session}")),
        (false, false) => Some(format!("for the session {session}")),
    }
}

/// How it can be answered.
fn how(prompt: &Prompt, seeds: &[Sign]) -> Vec<String> {
    let (id, code) = (&prompt.approval, &prompt.code);
    let no = format!("No: ❌, or write `no {code}` and why.");
    if !prompt.approvable {
        return vec![format!("{id} cannot be shown whole, so there is no yes to it."), no];
    }
    let mut lines = Vec::new();
    if prompt.in_file {
        lines.push(format!(
            "Long values are cut here. The whole of it is in {}: look at it first.",
            file_name(id)
        ));
    }
    let otp = if prompt.approve_by == Weight::Otp { " 123456" } else { "" };
    if let Some(phrase) = prompt.phrase.as_deref().filter(|_| prompt.approve_by != Weight::Local) {
        let proof = if otp.is_empty() { "" } else { ", with your one-time code for 123456" };
        lines.push(format!("Yes: write `yes {code} {phrase}{otp}`, to the letter{proof}."));
        lines.push(no);
        return lines;
    }
    let also = |scope: Scope| prompt.scopes.contains(&scope);
    let mut ways = vec![format!("`yes {code}{otp}`")];
    if prompt.is_plan {
        ways.push(format!("`1-3 {code}{otp}` for some steps"));
    }
    if also(Scope::Session) {
        ways.push(format!("`session {code}{otp}`"));
    }
    if also(Scope::Until) {
        ways.push(format!("`for 2h {code}{otp}`"));
    }
    if also(Scope::Always) {
        ways.push(format!("`always {code}{otp}`"));
    }
    lines.push(match prompt.approve_by {
        Weight::Local => {
            let phrase = prompt.phrase.as_deref();
            let phrase = phrase.map_or_else(String::new, |phrase| format!(" --phrase \"{phrase}\""));
            format!("Yes: only at the machine, with testudoctl approve {id} --local{phrase}.")
        }
        Weight::Otp => format!("Yes: write {}, with your one-time code for 123456.", ways.join(", ")),
        Weight::Reply | Weight::Reaction => format!("Yes: {}write {}.", signs(seeds), ways.join(", ")),
    });
    lines.push(no);
    lines
}

fn signs(seeds: &[Sign]) -> String {
    match (seeds.contains(&Sign::Once), seeds.contains(&Sign::Session)) {
        (true, true) => "✅ once, 🔁 for this session, or ".to_owned(),
        (true, false) => "✅ once, or ".to_owned(),
        (false, _) => String::new(),
    }
}

/// The reactions that a prompt is seeded with: a no always, a yes where a reaction is enough.
pub fn seeds(prompt: &Prompt, trust_homeserver: bool) -> Vec<Sign> {
    // What changes the policy is never answered so lightly on the word of a homeserver, and a reaction types nothing.
    let is_trusted = trust_homeserver && prompt.approve_by <= Weight::Reply && !prompt.is_amendment;
    let is_enough = prompt.phrase.is_none() && (prompt.light || is_trusted);
    let wanted = |sign: &Sign| match sign {
        Sign::No => true,
        Sign::Once => prompt.approvable && is_enough,
        Sign::Session => prompt.approvable && is_enough && prompt.scopes.contains(&Scope::Session),
    };
    Sign::SEEDS.into_iter().map(|(sign, _)| sign).filter(wanted).collect()
}

/// How the file with the whole of a question is called.
pub fn file_name(approval: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    format!("{}.txt", approval.chars().filter(plain).take(40).collect::<String>())
}

/// A prompt after its end: what was asked, and what came of it. Its code is gone.
pub fn ended(prompt: &Prompt, outcome: &str, escape: fn(&str) -> String) -> Look {
    let header = format!("{MARK} {} · {}", prompt.approval, defused(outcome));
    let headline = defused(&prompt.headline);
    Look {
        body: format!("{header}\n  {headline}"),
        html: format!("<p><strong>{}</strong></p><p>{}</p>", escape(&header), escape(&headline)),
    }
}

/// Text in HTML.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// `code` in backquotes, as HTML has it. The text is escaped, and is ours but for ids and codes.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('`').enumerate() {
        let (before, after) = if at % 2 == 1 { ("<code>", "</code>") } else { ("", "") };
        out.extend([before, part, after]);
    }
    out
}

fn indented(lines: &[String]) -> String {
    let mut out = String::new();
    for line in lines {
        out.extend(["  ", line.as_str(), "\n"]);
    }
    out
}

fn block(heading: &str, lines: &[String], escape: fn(&str) -> String) -> String {
    let (open, close, before, after) = match heading {
        "diff" => ("<pre><code class=\"language-diff\">", "</code></pre>", "", "\n"),
        "what" | "changes" => ("<pre><code>", "</code></pre>", "", "\n"),
        _ => ("<ul>", "</ul>", "<li>", "</li>"),
    };
    let mut out = open.to_owned();
    for line in lines {
        out.extend([before, escape(line).as_str(), after]);
    }
    out + close
}

/// The lines of a section, as many and as long as may be, with how many more there are.
fn shortened(section: &Section, lines: usize, bytes: usize) -> Vec<String> {
    // Diffs and values can be lines of other people: none of them may look like a mark of ours, or end the line.
    let clean = |line: &String| -> String {
        let line = defused(&line.replace(['\n', '\r'], " "));
        let end = line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= bytes).last();
        match end {
            Some(end) if end < line.len() => {
                format!("{}… {} bytes more", line.get(..end).unwrap_or(""), line.len() - end)
            }
            _ => line,
        }
    };
    let mut shown: Vec<String> = section.lines.iter().take(lines).map(clean).collect();
    if section.lines.len() > lines {
        shown.push(format!("… {} lines more", section.lines.len() - lines));
    }
    shown
}

/// A time for people, to the second, in UTC.
fn time(milliseconds: u64) -> String {
    let time = i64::try_from(milliseconds).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    time.map_or_else(
        || "an unknown time".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
pub(crate) mod tests;

//! What is seen of a chat: text for people, or one JSON object per line for programs.
//!
//! Every method gives what is to be written, newlines included; it writes nothing itself.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use testudo::approval::{Approval, Outcome};
use testudo::turn::{Call, End, Event, Finished};

use crate::page::Page;
use crate::render::{self, gutter, gutter::Gutter};
use crate::screen;

/// Lines of a tool's result that are shown.
const PREVIEW: usize = 12;
/// Lines of what a running command prints that are shown at once: the last.
const LIVE: usize = 4;

/// Turns what happens into text.
#[derive(Debug)]
pub struct Transcript {
    page: Page,
    reply: Gutter,
    /// Everything that was shown of the running turn's reply.
    spoken: String,
}

impl Transcript {
    /// An empty one.
    pub fn new(page: Page) -> Self {
        Self { page, reply: Self::fresh(page), spoken: String::new() }
    }

    fn fresh(page: Page) -> Gutter {
        Gutter::new("  ", 2, page.width())
    }

    /// Takes a changed size of the terminal in, between turns.
    pub fn measure(&mut self) {
        self.page = self.page.measured();
        self.reply = Self::fresh(self.page);
    }

    /// An event of the conversation. `ours` is a turn that was begun here, whose first line is on the screen.
    pub fn event(&mut self, event: &Event, ours: bool) -> String {
        if self.page.is_json() {
            return line(event);
        }
        let paint = self.page.paint();
        match event {
            Event::TurnStarted { .. } if ours => String::new(),
            Event::TurnStarted { text, .. } => {
                format!("{}{}", self.close(), Gutter::new(paint.dim("» "), 2, self.page.width()).whole(text))
            }
            Event::Text { delta, .. } => {
                self.spoken.push_str(delta);
                self.reply.push(delta)
            }
            Event::CallStarted { tool, arguments, .. } => {
                format!(
                    "{}{}\n",
                    self.close(),
                    render::call::started(tool, arguments, self.page.width(), paint)
                )
            }
            Event::CallOutput { text, .. } => format!("{}{}", self.close(), self.live(text)),
            Event::CallFinished { call, preview, changes, .. } => {
                let mut out = self.close();
                out.push_str(&self.finished_call(call));
                if call.error.is_none() {
                    out.push_str(&self.preview(preview));
                }
                for change in changes {
                    out.push_str(&format!("  {}\n", paint.green(&render::approval::changed(change))));
                }
                out
            }
            Event::TurnFinished { turn } => self.finished(turn),
        }
    }

    /// How a turn ended, and what of its reply was not seen yet.
    pub fn finished(&mut self, turn: &Finished) -> String {
        let mut out = self.close();
        let reply = turn.reply.trim();
        if !self.spoken.trim_end().ends_with(reply) {
            out.push_str(&Gutter::new("  ", 2, self.page.width()).whole(reply));
        }
        self.spoken.clear();
        let paint = self.page.paint();
        for file in turn.calls.iter().flat_map(|call| &call.files) {
            out.push_str(&render::file::given(&turn.session, file, paint));
        }
        match turn.end {
            End::Replied => {}
            End::Cancelled => out.push_str(&format!("{}\n", paint.yellow("■ cancelled"))),
            End::TurnLimit => {
                out.push_str(&format!("{}\n", paint.yellow("■ stopped: too many steps in one turn")));
            }
            End::Blocked => {
                out.push_str(&format!("{}\n", paint.yellow("■ blocked: it waits for a person elsewhere")));
            }
            End::BudgetReached => {
                out.push_str(&format!("{}\n", paint.yellow("■ stopped: the day's tokens are used up")));
            }
            End::Failed => out.push_str(&format!("{}\n", paint.red("■ the turn failed"))),
        }
        // A little air before the next prompt.
        out.push('\n');
        out
    }

    /// A question to the person.
    pub fn question(&mut self, approval: &Approval, now: Timestamp) -> String {
        if self.page.is_json() {
            return line(&json!({"event": "approval-requested", "approval": approval}));
        }
        format!(
            "{}{}",
            self.close(),
            render::approval::card(approval, now, self.page.width(), self.page.paint())
        )
    }

    /// A question of another session, in one line.
    pub fn elsewhere(&mut self, approval: &Approval) -> String {
        if self.page.is_json() {
            return line(&json!({"event": "approval-requested", "approval": approval}));
        }
        let id = screen::line(&approval.id);
        let text = format!(
            "{id} waits in session {}: {} · /approve {id} shows it",
            screen::line(&approval.session),
            screen::line(&approval.tool)
        );
        self.note(&text)
    }

    /// The end of a question.
    pub fn settled(&mut self, outcome: &Outcome) -> String {
        if self.page.is_json() {
            return line(&json!({"event": "approval-resolved", "resolution": outcome}));
        }
        let text = render::approval::answered(outcome, self.page.paint());
        format!("{}{text}\n", self.close())
    }

    /// Something that this program says itself; several lines stay several.
    pub fn note(&mut self, text: &str) -> String {
        if self.page.is_json() {
            return line(&json!({"event": "note", "text": text}));
        }
        let paint = self.page.paint();
        format!("{}{}", self.close(), Gutter::new(paint.dim("· "), 2, self.page.width()).whole(text))
    }

    /// Text that is laid out already.
    pub fn laid_out(&mut self, text: &str) -> String {
        if self.page.is_json() {
            return line(&json!({"event": "note", "text": text}));
        }
        format!("{}{text}", self.close())
    }

    /// A line that came from a pipe, so that the output can be read as a conversation.
    pub fn echo(&mut self, question: &str, said: &str) -> String {
        if self.page.is_json() {
            return String::new();
        }
        let paint = self.page.paint();
        format!("{}{}{} {}\n", self.close(), screen::line(question), paint.bold("›"), screen::line(said))
    }

    fn close(&mut self) -> String {
        self.reply.finish()
    }

    fn finished_call(&self, call: &Call) -> String {
        render::call::finished(
            &call.tool,
            call.verdict,
            call.error.as_ref(),
            call.duration_ms,
            self.page.width(),
            self.page.paint(),
        )
    }

    fn live(&self, text: &str) -> String {
        let paint = self.page.paint();
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let last = lines.iter().skip(lines.len().saturating_sub(LIVE));
        let shown: Vec<String> = last.map(|text| screen::source_line(text)).collect();
        let bar = paint.dim(gutter::LIVE);
        render::gutter::exact(shown, &bar, gutter::LIVE_WIDTH, self.page.width(), |_, part| paint.dim(part))
    }

    fn preview(&self, preview: &str) -> String {
        let paint = self.page.paint();
        let lines: Vec<&str> = preview.trim_end().lines().collect();
        let shown: Vec<String> = lines.iter().take(PREVIEW).map(|text| screen::source_line(text)).collect();
        let bar = paint.dim("  │ ");
        let mut out = render::gutter::exact(shown, &bar, 4, self.page.width(), |_, part| paint.dim(part));
        if lines.len() > PREVIEW {
            out.push_str(&format!(
                "{bar}{}\n",
                paint.dim(&format!("… {} lines more", lines.len() - PREVIEW))
            ));
        }
        out
    }
}

/// What cannot be written as JSON does not exist here; an empty object would say so.
fn line(value: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_value(value).unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::tool::GivenFile;
    use testudo::verdict::Verdict;

    fn call() -> Call {
        Call {
            id: "c-1".into(),
            tool: "fs.read".into(),
            verdict: Some(Verdict::Allow),
            error: None,
            duration_ms: 4,
            files: vec![],
        }
    }

    fn turn(reply: &str, end: End) -> Event {
        Event::TurnFinished {
            turn: Finished {
                session: "main".into(),
                turn: "t-1".into(),
                reply: reply.into(),
                calls: vec![],
                end,
            },
        }
    }

    fn events(reply: &str, end: End) -> Vec<Event> {
        let turn_id = || "t-1".to_owned();
        vec![
            Event::TurnStarted { turn: turn_id(), text: "read a".into() },
            Event::Text { turn: turn_id(), delta: "I rea".into() },
            Event::Text { turn: turn_id(), delta: "d it.\x1b[2J".into() },
            Event::CallStarted {
                turn: turn_id(),
                request: "r".into(),
                tool: "fs.read".into(),
                arguments: json!({"path": "a"}),
            },
            Event::CallFinished {
                turn: turn_id(),
                request: "r".into(),
                call: call(),
                preview: "one\n\ttwo\n".into(),
                changes: vec![],
            },
            Event::Text { turn: turn_id(), delta: "Done.".into() },
            turn(reply, end),
        ]
    }

    fn shown(events: &[Event], json: bool) -> String {
        let mut transcript = Transcript::new(Page::plain(json));
        events.iter().map(|event| transcript.event(event, true)).collect()
    }

    #[test]
    fn of_what_a_command_prints_the_last_lines_are_seen_while_it_runs() {
        let text = "one\ntwo\nthree\nfour\nfi\x1b[2Jve\n".to_owned();
        let event = Event::CallOutput { turn: "t-1".into(), request: "r".into(), text };
        assert_eq!(
            shown(std::slice::from_ref(&event), false),
            "  ┊ two\n  ┊ three\n  ┊ four\n  ┊ fi\\u{1b}[2Jve\n"
        );
        assert!(shown(&[event], true).contains("\"event\":\"call-output\""));
    }

    #[test]
    fn a_turn_reads_from_top_to_bottom() {
        assert_eq!(
            shown(&events("Done.", End::Replied), false),
            "  I read it.\\u{1b}[2J\n→ fs.read path=\"a\"\n✓ fs.read allowed · 4 ms\n  │ one\n  │ →   two\n  Done.\n\n"
        );
    }

    #[test]
    fn what_was_not_streamed_is_said_at_the_end() {
        let shown = shown(&[turn("The model is gone.", End::Failed)], false);
        assert_eq!(shown, "  The model is gone.\n■ the turn failed\n\n");
    }

    #[test]
    fn files_stand_at_the_end_with_the_command_that_saves_them() {
        let file = GivenFile {
            id: "f-1".into(),
            name: "a.pdf".into(),
            mime: "application/pdf".into(),
            size: 3,
            sha256: "00".into(),
        };
        let Event::TurnFinished { turn } = turn("Here.", End::Replied) else { panic!("it is one") };
        let turn = Finished { calls: vec![Call { files: vec![file], ..call() }], ..turn };
        let shown = shown(&[Event::TurnFinished { turn }], false);
        assert_eq!(shown, "  Here.\n⎘ a.pdf · 3 bytes · testudoctl file main f-1\n\n");
    }

    #[test]
    fn programs_get_one_object_per_line() {
        let events = events("Done.", End::Replied);
        let shown = shown(&events, true);
        let read: Vec<Event> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, events);
    }

    #[test]
    fn long_results_are_cut() {
        let text = (0..30).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let shown = Transcript::new(Page::plain(false)).preview(&text);
        assert_eq!(shown.lines().count(), PREVIEW + 1);
        assert!(shown.ends_with("… 18 lines more\n"), "{shown}");
    }
}

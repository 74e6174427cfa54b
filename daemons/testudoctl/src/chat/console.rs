//! Reads lines: from an editor on a terminal, or from a pipe.
//!
//! The editor blocks, so it lives on a thread of its own and answers one [`Question`] at a time. Whoever wants to
//! write to the terminal takes the prompt away first with [`Console::pause`]; what was typed until then is kept.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::termios::{FlushArg, tcflush};
use reedline::{
    EditCommand, Emacs, FileBackedHistory, KeyCode, KeyModifiers, Prompt, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, Signal, default_emacs_keybindings,
};
use tokio::sync::mpsc as queue;

use crate::page::Page;

/// How long what must be printed may wait for the editor to notice.
const POLL: Duration = Duration::from_millis(30);
/// Lines kept in the history.
const HISTORY: usize = 2000;

/// What a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Entered a line.
    Line(String),
    /// Pressed Ctrl-C at an empty prompt.
    Interrupt,
    /// There will be no more.
    End,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Something to say.
    Say,
    /// The answer to an approval.
    Answer {
        /// Which one.
        id: String,
        /// What can be typed.
        keys: String,
    },
}

enum Reply {
    Heard(Heard),
    Paused(String),
}

/// The person's side of a chat.
#[derive(Debug)]
pub struct Console {
    questions: Option<mpsc::Sender<(Question, String)>>,
    replies: queue::UnboundedReceiver<Reply>,
    pause: Arc<AtomicBool>,
    open: Option<Question>,
    /// What was typed to `Say` and not entered when the prompt was taken away.
    draft: String,
    held: Option<Heard>,
}

impl Console {
    /// An editor if both ends are a terminal and people read; else lines of standard input.
    pub fn open(page: &Page) -> Self {
        let (sender, replies) = queue::unbounded_channel();
        let pause = Arc::new(AtomicBool::new(false));
        let editor = io::stdin().is_terminal() && io::stdout().is_terminal() && !page.is_json();
        let questions = if editor {
            let (questions, asked) = mpsc::channel();
            let (pause, colours) = (pause.clone(), page.paint() != crate::paint::Paint::new(false));
            std::thread::spawn(move || edit(&asked, &sender, &pause, colours));
            Some(questions)
        } else {
            std::thread::spawn(move || lines(&sender));
            None
        };
        Self { questions, replies, pause, open: None, draft: String::new(), held: None }
    }

    /// True when there is an editor, which shows by itself what is typed.
    pub const fn is_terminal(&self) -> bool {
        self.questions.is_some()
    }

    /// Shows the prompt for this question, if it is not there already.
    pub async fn ask(&mut self, question: Question) {
        if self.open.as_ref() == Some(&question) || self.held.is_some() {
            return;
        }
        self.pause().await;
        let Some(questions) = &self.questions else { return };
        let draft = if question == Question::Say { std::mem::take(&mut self.draft) } else { String::new() };
        if questions.send((question.clone(), draft)).is_ok() {
            self.open = Some(question);
        }
    }

    /// Takes the prompt away, so that something can be printed.
    pub async fn pause(&mut self) {
        let Some(question) = self.open.take() else { return };
        self.pause.store(true, Ordering::Relaxed);
        match self.replies.recv().await {
            Some(Reply::Paused(draft)) if question == Question::Say => self.draft = draft,
            Some(Reply::Paused(_)) => {}
            Some(Reply::Heard(heard)) => self.held = Some(heard),
            None => self.held = Some(Heard::End),
        }
        // It may have answered before it saw the signal.
        self.pause.store(false, Ordering::Relaxed);
    }

    /// What the person does next; dropping the future loses nothing.
    pub async fn next(&mut self) -> Heard {
        if let Some(heard) = self.held.take() {
            return heard;
        }
        let reply = self.replies.recv().await;
        self.open = None;
        match reply {
            Some(Reply::Heard(heard)) => heard,
            Some(Reply::Paused(draft)) => {
                self.draft = draft;
                Heard::Line(String::new())
            }
            None => Heard::End,
        }
    }
}

fn lines(replies: &queue::UnboundedSender<Reply>) {
    for line in io::stdin().lock().lines() {
        let heard = line.map_or(Heard::End, Heard::Line);
        if replies.send(Reply::Heard(heard)).is_err() {
            return;
        }
    }
    let _ = replies.send(Reply::Heard(Heard::End));
}

fn edit(
    questions: &mpsc::Receiver<(Question, String)>,
    replies: &queue::UnboundedSender<Reply>,
    pause: &Arc<AtomicBool>,
    colours: bool,
) {
    while let Ok((question, draft)) = questions.recv() {
        if replies.send(read(&question, &draft, pause, colours)).is_err() {
            return;
        }
    }
}

/// A fresh editor for each line: one that was interrupted would draw where its prompt was before.
fn read(question: &Question, draft: &str, pause: &Arc<AtomicBool>, colours: bool) -> Reply {
    let mut keys = default_emacs_keybindings();
    let interrupt = ReedlineEvent::ExecuteHostCommand("interrupt".into());
    keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('c'), interrupt);
    let mut editor = Reedline::create()
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_ansi_colors(colours)
        .use_bracketed_paste(true)
        .with_break_signal(pause.clone())
        .with_poll_interval(POLL);
    if matches!(question, Question::Answer { .. }) {
        // What was typed before the question could be seen is not its answer.
        let _ = tcflush(io::stdin(), FlushArg::TCIFLUSH);
    } else if let Some(history) = history() {
        editor = editor.with_history(Box::new(history));
    }
    if !draft.is_empty() {
        editor.run_edit_commands(&[EditCommand::InsertString(draft.to_owned())]);
    }
    let asked = Asked(question.clone());
    loop {
        let signal = editor.read_line(&asked);
        return Reply::Heard(match signal {
            Ok(Signal::Success(line)) => Heard::Line(line),
            Ok(Signal::ExternalBreak(typed)) => {
                wipe("\r\x1b[J");
                return Reply::Paused(typed);
            }
            Ok(Signal::HostCommand(_)) if !editor.current_buffer_contents().is_empty() => {
                editor.run_edit_commands(&[EditCommand::Clear]);
                wipe("^C\r\n");
                continue;
            }
            Ok(Signal::HostCommand(_) | Signal::CtrlC) => {
                wipe("\r\x1b[J");
                Heard::Interrupt
            }
            Ok(_) | Err(_) => Heard::End,
        });
    }
}

fn wipe(sequence: &str) {
    let mut out = io::stdout().lock();
    // A terminal that is gone is noticed by the next read.
    let _ = out.write_all(sequence.as_bytes()).and_then(|()| out.flush());
}

/// The history of what was said, private to the user. Without a place for it there is none.
fn history() -> Option<FileBackedHistory> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    let directory = state.join("testudoctl");
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(&directory).ok()?;
    FileBackedHistory::with_file(HISTORY, directory.join("history")).ok()
}

struct Asked(Question);

impl Prompt for Asked {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        match &self.0 {
            Question::Say => Cow::Borrowed(""),
            Question::Answer { id, keys } => Cow::Owned(format!("{}? {keys} ", crate::screen::line(id))),
        }
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("› ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}

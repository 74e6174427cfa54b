//! The answer to `/jobs`: sessions that nobody watches, the same in every channel.
//!
//! Pure. `agentd` lists the sessions, `policyd` the questions; whether a question still waits only the latter knows.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::Channel;
use crate::approval::Approval;
use crate::turn::{End, Ended, Run};
use crate::visible;

/// The most jobs that are listed.
const MOST: usize = 20;
/// The most characters of a name or an id.
const LONGEST: usize = 64;
/// How a job is made.
const EXAMPLE: &str = "testudoctl send --session cron-mail --unattended \"sort the mail\"";

/// A session, as far as `Agent1.Sessions` tells it for this.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Its name.
    pub session: String,
    /// Whether nobody watches it: only then it is a job.
    #[serde(default)]
    pub unattended: bool,
    /// Whether a turn runs.
    #[serde(default)]
    pub running: bool,
    /// Its last turn.
    #[serde(default)]
    pub run: Option<Run>,
}

/// A question that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The session that it belongs to.
    pub session: String,
    /// Its id.
    pub id: String,
}

impl From<&Approval> for Question {
    fn from(approval: &Approval) -> Self {
        Self { session: approval.session.clone(), id: approval.id.clone() }
    }
}

/// The jobs among these sessions, one a line: what runs or waits first, then the newest. `waiting` is every question that is
/// open, where that can be told.
pub fn listed(sessions: &[Job], waiting: Option<&[Question]>, channel: Channel) -> String {
    let mut jobs: Vec<Shown<'_>> =
        sessions.iter().filter(|job| job.unattended).map(|job| Shown::of(job, waiting)).collect();
    if jobs.is_empty() {
        return format!(
            "No job has run yet. A job is a session that nobody watches and something else begins, such as a systemd timer: {}",
            code(EXAMPLE, channel)
        );
    }
    jobs.sort_by(|a, b| (b.is_busy(), b.last()).cmp(&(a.is_busy(), a.last())));
    let mut out = String::new();
    for job in jobs.iter().take(MOST) {
        out.push_str(&format!(
            "- {}: {}\n",
            code(short(&job.job.session).as_str(), channel),
            job.state(channel)
        ));
    }
    if jobs.len() > MOST {
        out.push_str(&format!("- … and {} more\n", jobs.len() - MOST));
    }
    out
}

/// A job with its questions.
struct Shown<'a> {
    job: &'a Job,
    /// What waits for an answer.
    open: Vec<&'a str>,
    /// What it was blocked by, and waits no more.
    closed: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(job: &'a Job, waiting: Option<&'a [Question]>) -> Self {
        let asked = job.ended().filter(|_| !job.running).and_then(|ended| ended.question.as_deref());
        let Some(waiting) = waiting else {
            return Self { job, open: asked.into_iter().collect(), closed: None };
        };
        let of_it = waiting.iter().filter(|question| question.session == job.session);
        let open: Vec<&str> = of_it.map(|question| question.id.as_str()).collect();
        let closed = asked.filter(|id| !open.contains(id));
        Self { job, open, closed }
    }

    fn is_busy(&self) -> bool {
        self.job.running || !self.open.is_empty()
    }

    /// When something happened in it last. Times of one daemon sort as text.
    fn last(&self) -> &str {
        self.job.ended().map_or_else(|| self.job.began(), |ended| ended.at.as_str())
    }

    fn state(&self, channel: Channel) -> String {
        let open: Vec<String> = self.open.iter().map(|id| code(&short(id), channel)).collect();
        let open = open.join(", ");
        let verb = if self.open.len() == 1 { "waits" } else { "wait" };
        let has_begun = self.job.run.is_some();
        match (self.job.running, self.job.ended()) {
            // A turn is listed as running a moment before its beginning is kept.
            (true, ended) if ended.is_some() || !has_begun => "begins to run".to_owned(),
            (true, _) if open.is_empty() => format!("runs since {}", at(self.job.began())),
            (true, _) => {
                format!("runs since {}; {open} {verb} for an answer", at(self.job.began()))
            }
            (false, Some(ended)) if !open.is_empty() => {
                format!("{open} {verb} for an answer; it stopped at {}", at(&ended.at))
            }
            (false, Some(ended)) => match self.closed {
                Some(id) => format!(
                    "stopped at {} for {}, which is answered or over: the next message there goes on",
                    at(&ended.at),
                    code(&short(id), channel)
                ),
                None => format!("{} at {}", word(ended.end), at(&ended.at)),
            },
            (false, None) if has_begun => {
                format!("began at {}; how it ended is not known", at(self.job.began()))
            }
            (false, None) => "has not run yet".to_owned(),
        }
    }
}

impl Job {
    fn ended(&self) -> Option<&Ended> {
        self.run.as_ref()?.ended.as_ref()
    }

    fn began(&self) -> &str {
        self.run.as_ref().map_or("", |run| run.began_at.as_str())
    }
}

/// How a turn ended, behind the name of its session.
const fn word(end: End) -> &'static str {
    match end {
        End::Replied => "finished",
        End::Cancelled => "was cancelled",
        End::TurnLimit => "reached the limit of one turn",
        End::Failed => "failed",
        End::Blocked => "stopped for a question",
        End::BudgetReached => "met the end of the day's tokens",
    }
}

/// A time for people, to the second.
fn at(time: &str) -> String {
    time.parse::<Timestamp>().map_or_else(
        |_| short(time),
        |time| time.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

fn short(text: &str) -> String {
    visible::line(&text.chars().take(LONGEST).collect::<String>())
}

/// As it is to be typed.
fn code(text: &str, channel: Channel) -> String {
    match channel {
        Channel::Chat => text.to_owned(),
        Channel::Matrix => format!("`{}`", text.replace('`', "ˋ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(session: &str, running: bool, began: &str, ended: Option<(&str, End, Option<&str>)>) -> Job {
        let ended = ended.map(|(at, end, question)| Ended {
            at: format!("2026-01-01T0{at}:00.123Z"),
            end,
            question: question.map(str::to_owned),
        });
        let run = Some(Run { began_at: format!("2026-01-01T0{began}:00.000Z"), ended });
        Job { session: session.into(), unattended: true, running, run }
    }

    fn question(session: &str, id: &str) -> Question {
        Question { session: session.into(), id: id.into() }
    }

    #[test]
    fn each_state_of_a_job_is_one_line() {
        let blocked = || job("a", false, "1:00", Some(("1:05", End::Blocked, Some("a-7"))));
        let parked = [question("a", "a-7"), question("b", "a-8")];
        let two = [question("a", "a-7"), question("a", "a-9")];
        let table: [(Job, Option<&[Question]>, &str); 14] = [
            (job("a", true, "1:00", None), Some(&[]), "runs since 2026-01-01 01:00:00 UTC"),
            (
                job("a", true, "1:00", None),
                Some(&parked),
                "runs since 2026-01-01 01:00:00 UTC; a-7 waits for an answer",
            ),
            (job("a", true, "1:00", Some(("1:05", End::Replied, None))), None, "begins to run"),
            (Job { run: None, ..job("a", true, "1:00", None) }, Some(&parked), "begins to run"),
            (blocked(), Some(&parked), "a-7 waits for an answer; it stopped at 2026-01-01 01:05:00 UTC"),
            (blocked(), Some(&two), "a-7, a-9 wait for an answer; it stopped at 2026-01-01 01:05:00 UTC"),
            (blocked(), None, "a-7 waits for an answer; it stopped at 2026-01-01 01:05:00 UTC"),
            (
                blocked(),
                Some(&parked[1..]),
                "stopped at 2026-01-01 01:05:00 UTC for a-7, which is answered or over: the next message there goes on",
            ),
            (
                job("a", false, "1:00", Some(("1:05", End::Blocked, None))),
                None,
                "stopped for a question at 2026-01-01 01:05:00 UTC",
            ),
            (
                job("a", false, "1:00", Some(("1:05", End::Replied, None))),
                None,
                "finished at 2026-01-01 01:05:00 UTC",
            ),
            (
                job("a", false, "1:00", Some(("1:05", End::Failed, None))),
                Some(&[]),
                "failed at 2026-01-01 01:05:00 UTC",
            ),
            (
                job("a", false, "1:00", Some(("1:05", End::BudgetReached, None))),
                Some(&[]),
                "met the end of the day's tokens at 2026-01-01 01:05:00 UTC",
            ),
            (
                job("a", false, "1:00", None),
                None,
                "began at 2026-01-01 01:00:00 UTC; how it ended is not known",
            ),
            (Job { run: None, ..job("a", false, "1:00", None) }, None, "has not run yet"),
        ];
        for (job, waiting, expected) in table {
            assert_eq!(
                listed(std::slice::from_ref(&job), waiting, Channel::Chat),
                format!("- a: {expected}\n"),
                "{job:?}"
            );
        }
    }

    #[test]
    fn what_runs_or_waits_is_first_and_then_the_newest() {
        let done = |name: &str, at: &str| job(name, false, "0:00", Some((at, End::Replied, None)));
        let sessions = [
            done("old", "1:00"),
            job("parked", false, "0:00", Some(("0:30", End::Blocked, Some("a-7")))),
            done("new", "5:00"),
            Job { unattended: false, ..done("watched", "6:00") },
            job("running", true, "4:00", None),
        ];
        let text = listed(&sessions, None, Channel::Matrix);
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('`').nth(1)).collect();
        assert_eq!(names, ["running", "parked", "new", "old"], "{text}");
        assert!(text.contains("- `parked`: `a-7` waits for an answer"), "{text}");
    }

    #[test]
    fn a_long_list_is_cut_and_what_waits_is_not() {
        let mut sessions: Vec<Job> = (0..100)
            .map(|number| job(&format!("s-{number}"), false, "0:00", Some(("5:00", End::Replied, None))))
            .collect();
        sessions.push(job("parked", false, "0:00", Some(("0:30", End::Blocked, Some("a-7")))));
        let text = listed(&sessions, None, Channel::Chat);
        assert_eq!(text.lines().count(), MOST + 1);
        assert!(text.starts_with("- parked: ") && text.ends_with("- … and 81 more\n"), "{text}");
    }

    #[test]
    fn with_none_it_says_how_one_is_made_in_one_line() {
        let watched = Job { unattended: false, ..job("main", true, "1:00", None) };
        for channel in [Channel::Chat, Channel::Matrix] {
            let text = listed(std::slice::from_ref(&watched), Some(&[question("main", "a-1")]), channel);
            assert!(text.starts_with("No job has run yet.") && text.contains(EXAMPLE), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }

    #[test]
    fn nothing_of_it_is_markdown_or_invisible() {
        let evil = job("`**x**\n\u{202e}", false, "1:00", Some(("1:05", End::Blocked, Some("`a`\u{1b}"))));
        let text = listed(&[evil], None, Channel::Matrix);
        assert_eq!((text.matches('`').count(), text.lines().count()), (4, 1), "{text:?}");
        assert!(!text.trim_end().chars().any(char::is_control) && !text.contains('\u{202e}'), "{text:?}");
    }

    #[test]
    fn an_older_or_a_sealed_session_is_no_job() {
        for listed in [r#"{"session":"a","turns":1,"running":true}"#, r#"{"session":"a","sealed":"why"}"#] {
            let job: Job = serde_json::from_str(listed).unwrap();
            assert!(!job.unattended && job.run.is_none());
        }
    }
}

//! What a running command prints while a question waits: held back, so that it cannot push the question off the screen.

use testudo::turn::Event;

/// Most bytes kept of what one command prints; the last are what would be seen.
const MOST: usize = 4096;

/// Events that are to be shown when nothing waits for an answer any more, each with whose turn it is of.
#[derive(Debug, Default)]
pub struct Backlog(Vec<(Event, bool)>);

impl Backlog {
    /// Takes an event that is not to be shown yet; gives back one that may be. What a command prints has to wait, and
    /// what comes after it waits with it.
    pub fn hold(&mut self, event: Event, ours: bool) -> Option<Event> {
        let Event::CallOutput { request, text, .. } = &event else {
            if self.0.is_empty() {
                return Some(event);
            }
            self.0.push((event, ours));
            return None;
        };
        for (held, _) in &mut self.0 {
            if let Event::CallOutput { request: known, text: before, .. } = held
                && known == request
            {
                before.push_str(text);
                keep_last(before);
                return None;
            }
        }
        self.0.push((event, ours));
        None
    }

    /// All of them, in the order in which they came.
    pub fn take(&mut self) -> Vec<(Event, bool)> {
        std::mem::take(&mut self.0)
    }
}

fn keep_last(text: &mut String) {
    let mut from = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.drain(..from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(request: &str, text: &str) -> Event {
        Event::CallOutput { turn: "t".into(), request: request.into(), text: text.into() }
    }

    #[test]
    fn output_waits_and_what_follows_it_waits_behind_it() {
        let mut backlog = Backlog::default();
        let said = Event::Text { turn: "t".into(), delta: "hello".into() };
        assert_eq!(backlog.hold(said.clone(), true), Some(said.clone()), "nothing is held back yet");
        assert_eq!(backlog.hold(output("a", "one\n"), true), None);
        assert_eq!(backlog.hold(said.clone(), true), None);
        assert_eq!(backlog.hold(output("a", "two\n"), true), None);
        assert_eq!(backlog.take(), [(output("a", "one\ntwo\n"), true), (said, true)]);
        assert!(backlog.take().is_empty());
    }

    #[test]
    fn of_a_command_that_prints_for_hours_the_last_is_kept() {
        let mut backlog = Backlog::default();
        for _ in 0..1000 {
            assert_eq!(backlog.hold(output("a", &"é".repeat(50)), true), None);
            assert_eq!(backlog.hold(output("b", "x"), true), None);
        }
        let held = backlog.take();
        assert_eq!(held.len(), 2);
        for (event, _) in held {
            assert!(matches!(event, Event::CallOutput { text, .. } if text.len() <= MOST));
        }
    }
}

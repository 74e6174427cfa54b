//! What a command asks for and this version does not have, said plainly.

use super::Command;

/// The answer to a command whose subsystem does not exist; none for all others.
pub const fn absent(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Jobs => "there are no jobs in this version: nothing runs by a clock",
        Command::Memory => {
            "there is no memory in this version: a session knows what was said in it, and nothing of others"
        }
        _ => return None,
    })
}

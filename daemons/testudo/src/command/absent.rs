//! What a command asks for and this version does not have, said plainly.

use super::Command;

/// The answer to a command whose subsystem does not exist; none for all others.
pub const fn absent(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Budget => "there is no budget in this version: tokens are counted and not limited",
        Command::Pin => {
            "nothing can be pinned in this version: what must not be forgotten belongs into a file of the workspace"
        }
        Command::Compact => {
            "nothing is compacted in this version: the model is shown the newest messages that fit; \
             /new begins without the old ones"
        }
        Command::Jobs => "there are no jobs in this version: nothing runs by a clock",
        Command::Memory => {
            "there is no memory in this version: a session knows what was said in it, and nothing of others"
        }
        Command::ApproveContext(_) => {
            "not in this version, and nothing was vouched for: the judges of the rules are shown what an owner says \
             in a session as his own words, so say it"
        }
        _ => return None,
    })
}

//! What a session's shell keeps from one command to the next.
//!
//! Each command runs in a shell of its own, in a fresh call. What the shell knows at the end (its directory, variables,
//! functions, options) it writes into a directory that only calls of this kind see; the zygote carries that text to the
//! next one. A command that was killed leaves what was there before. The text comes from whatever the command was, and is
//! read by nobody but the next shell of the same session, in the same confinement.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::directory::Directory;

/// Where a call sees the directory.
pub(crate) const PLACE: &str = "/session";

/// The most that is kept, in bytes.
const MOST: u64 = 256 * 1024;

const TOO_MUCH: &str = "the shell holds more than 262144 bytes of variables and functions: what this command changed of them is not kept\n";
const CUT: &str = "the shell could not write down its state: what this command changed of it is not kept\n";

/// What a whole state ends with; one that was cut does not.
const END: &[u8] = b"\n# whole\n";

/// The shells that there may be, the better first, and what each runs: it takes the state over, runs the command, and
/// writes the state down. Their states are not the same, but a root has either one or the other as its first.
pub(crate) const SHELLS: [(&[&str], &str); 2] = [
    (&["bash", "--noprofile", "--norc", "-c"], include_str!("session.bash")),
    (&["sh", "-c"], include_str!("session.sh")),
];

/// The state of one session's shell.
#[derive(Debug, Default)]
pub(crate) struct Session {
    state: Vec<u8>,
}

impl Session {
    /// Puts the state where a call will look for it.
    pub(crate) fn give(&self, directory: &Path) -> io::Result<()> {
        if self.state.is_empty() { Ok(()) } else { fs::write(directory.join("state"), &self.state) }
    }

    /// Takes over what a call wrote, if that is whole and not too large; otherwise says so to whoever reads the call's
    /// errors. Every process of the call is dead.
    pub(crate) fn take(&mut self, directory: &Path) -> io::Result<Option<&'static str>> {
        let directory = Directory::open(directory)?;
        // Opens nothing but a regular file, whatever the command put there. One that was killed, or that became
        // another program, put nothing.
        let Ok(file) = directory.read(OsStr::new("next")) else { return Ok(None) };
        let mut state = Vec::new();
        file.take(MOST + 1).read_to_end(&mut state)?;
        if state.len() as u64 > MOST {
            return Ok(Some(TOO_MUCH));
        }
        if !state.ends_with(END) {
            return Ok(Some(CUT));
        }
        self.state = state;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(session: &mut Session, text: &[u8]) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("next"), text).unwrap();
        let note = session.take(directory.path()).unwrap();
        assert_eq!(note.is_none(), session.state == text);
        session.state.clone()
    }

    #[test]
    fn only_a_whole_state_of_bounded_size_is_taken_over() {
        let mut session = Session::default();
        let first = [b"a=1".as_slice(), END].concat();
        assert_eq!(kept(&mut session, &first), first);
        for not in [b"b=2".to_vec(), [vec![b'x'; 256 * 1024], END.to_vec()].concat(), vec![]] {
            assert_eq!(kept(&mut session, &not), first);
        }
        assert!(SHELLS.iter().all(|(_, script)| script.contains("# whole")));
        assert!(TOO_MUCH.contains(&MOST.to_string()));
    }

    #[test]
    fn a_link_or_a_directory_is_not_taken_over() {
        let mut session = Session::default();
        let directory = tempfile::tempdir().unwrap();
        session.take(directory.path()).unwrap();
        fs::write(directory.path().join("target"), [b"x".as_slice(), END].concat()).unwrap();
        std::os::unix::fs::symlink("target", directory.path().join("next")).unwrap();
        session.take(directory.path()).unwrap();
        assert!(session.state.is_empty());
    }
}

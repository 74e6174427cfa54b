//! What goes beside a reply: output and change sets, as sealed memfds.
//!
//! A runner may have been taken over by what it ran. So its client reads no more than the request allowed, whatever the
//! reply announces, and takes nothing that costs its sender no memory. An honest runner keeps to the same [`Bounds`].

use std::os::fd::OwnedFd;

use crate::changeset::{self, Proposal};
use crate::client::ClientError;
use crate::limits::Limits;
use crate::memfd::{self, Sealed};
use crate::protocol::{Done, Proposed};
use crate::upper::Found;

/// Most bytes that a runner adds to a call's output in its own words.
pub(crate) const NOTE: u64 = 1024;
/// Most bytes of what is said beside a file, or instead of one: a sentence with a path in it.
const MOST_SAID: u64 = 64 * 1024;
/// Most bytes of old contents, all together; each one is bounded, too.
const MOST_OLD: u64 = 32 * 1024 * 1024;
/// Most bytes of any manifest.
const MOST_MANIFEST: u64 = 64 * 1024 * 1024;
/// Bytes of a manifest for each entry that may be in it, skipped ones and long paths included.
const ENTRY: u64 = 4096;

/// The most that a change set may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    entries: u64,
    manifest: u64,
    contents: u64,
}

impl Bounds {
    /// What undoes an application: as many entries as that may have had, and no more than its reader can hold.
    pub(crate) const INVERSE: Self =
        Self { entries: Limits::most().change_entries, manifest: 16 << 20, contents: 64 << 20 };

    /// Those of a call.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            entries: limits.change_entries,
            manifest: limits
                .change_entries
                .saturating_mul(ENTRY)
                .saturating_add(16 * ENTRY)
                .min(MOST_MANIFEST),
            contents: limits.change_bytes.saturating_add(MOST_OLD),
        }
    }

    /// Why a manifest and contents of these lengths cannot be handed over, if so.
    pub(crate) fn exceeded(&self, manifest: u64, contents: u64) -> Option<String> {
        [("list", manifest, self.manifest), ("contents, new and old,", contents, self.contents)]
            .into_iter()
            .find(|(_, is, most)| is > most)
            .map(|(what, is, most)| {
                format!(
                    "cannot propose the changes: their {what} of {is} bytes are more than the {most} allowed"
                )
            })
    }
}

/// What an honest runner says and hands over of the changes that it found.
///
/// # Errors
/// No memory is left.
pub(crate) fn proposed(found: Found, limits: &Limits) -> std::io::Result<(Proposed, Vec<OwnedFd>)> {
    if found.set.is_empty() {
        return Ok((Proposed::Nothing, Vec::new()));
    }
    let manifest = found.set.canonical()?;
    if let Some(reason) = Bounds::of(limits).exceeded(manifest.len() as u64, found.bytes) {
        return Ok((Proposed::Refused { reason }, Vec::new()));
    }
    let changes = Proposed::Changes {
        digest: changeset::sha256(&manifest),
        entries: found.set.changes.len(),
        skipped: found.set.skipped.len(),
        bytes: found.bytes,
    };
    Ok((changes, vec![memfd::sealed(c"manifest", &manifest)?, found.contents]))
}

/// What is beside the reply to a call that was to give a file.
pub(crate) struct Gave {
    pub(crate) file: Option<Sealed>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// The descriptors of one reply, in their order.
pub(crate) struct Bulk(std::vec::IntoIter<OwnedFd>);

impl Bulk {
    pub(crate) fn new(descriptors: Vec<OwnedFd>) -> Self {
        Self(descriptors.into_iter())
    }

    /// Standard output and standard error of a call.
    pub(crate) fn output(&mut self, done: &Done, limits: &Limits) -> Result<(Vec<u8>, Vec<u8>), ClientError> {
        let announced = done.stdout_len.saturating_add(done.stderr_len);
        if announced > limits.output_bytes.saturating_add(NOTE) {
            return Err(ClientError::Unexpected("its output is longer than the call's limit"));
        }
        Ok((self.exactly(done.stdout_len)?, self.exactly(done.stderr_len)?))
    }

    /// The file that a call gave, which is not read into memory. Of one that gave none, only what it says about that is
    /// read: how long a file may be is no bound for words.
    pub(crate) fn file(&mut self, done: &Done, limits: &Limits) -> Result<Gave, ClientError> {
        if done.stdout_len > limits.output_bytes {
            return Err(ClientError::Unexpected("its output is longer than the call's limit"));
        }
        if done.exit != Some(0) || done.timed_out || done.output_truncated {
            let (stdout, stderr) = (self.said(done.stdout_len)?, self.said(done.stderr_len)?);
            return Ok(Gave { file: None, stdout, stderr });
        }
        let file = Sealed::of(self.next()?, done.stdout_len).map_err(ClientError::Bulk)?;
        if file.length != done.stdout_len {
            return Err(ClientError::Unexpected("its file is shorter than announced"));
        }
        Ok(Gave { file: Some(file), stdout: Vec::new(), stderr: self.said(done.stderr_len)? })
    }

    /// A change set with this digest.
    pub(crate) fn proposal(&mut self, digest: &str, bounds: &Bounds) -> Result<Proposal, ClientError> {
        let manifest = self.take(bounds.manifest)?;
        let contents = self.take(bounds.contents)?;
        let proposal = Proposal::verified(&manifest, contents, digest)?;
        if proposal.set.changes.len() as u64 > bounds.entries {
            return Err(ClientError::Unexpected("its change set has more entries than the call's limit"));
        }
        Ok(proposal)
    }

    fn exactly(&mut self, length: u64) -> Result<Vec<u8>, ClientError> {
        read(self.next()?, length)
    }

    /// What was said, unless it is too long to be a sentence.
    fn said(&mut self, length: u64) -> Result<Vec<u8>, ClientError> {
        let descriptor = self.next()?;
        if length > MOST_SAID { Ok(Vec::new()) } else { read(descriptor, length) }
    }

    fn take(&mut self, most: u64) -> Result<Vec<u8>, ClientError> {
        memfd::read_sealed(self.next()?, most).map_err(ClientError::Bulk)
    }

    fn next(&mut self) -> Result<OwnedFd, ClientError> {
        self.0.next().ok_or(ClientError::Unexpected("a descriptor is missing"))
    }
}

fn read(descriptor: OwnedFd, length: u64) -> Result<Vec<u8>, ClientError> {
    let bytes = memfd::read_sealed(descriptor, length).map_err(ClientError::Bulk)?;
    if bytes.len() as u64 == length {
        Ok(bytes)
    } else {
        Err(ClientError::Unexpected("its output is shorter than announced"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changeset::{Change, ChangeKind, ChangeSet};

    fn done(stdout_len: u64, stderr_len: u64) -> Done {
        Done {
            call: "c".to_owned(),
            exit: Some(0),
            signal: None,
            timed_out: false,
            output_truncated: false,
            duration_us: 1,
            peak_memory: None,
            stdout_len,
            stderr_len,
            changes: Proposed::Nothing,
        }
    }

    fn bulk(parts: &[&[u8]]) -> Bulk {
        Bulk::new(parts.iter().map(|part| memfd::sealed(c"part", part).unwrap()).collect())
    }

    #[test]
    fn output_is_what_was_announced_and_within_the_limit_of_both_streams() {
        let limits = Limits { output_bytes: 4, ..Limits::default() };
        let (out, err) = bulk(&[b"ab", b"cd"]).output(&done(2, 2), &limits).unwrap();
        assert_eq!((out.as_slice(), err.as_slice()), (b"ab".as_slice(), b"cd".as_slice()));
        let said = vec![b'x'; usize::try_from(NOTE).unwrap()];
        assert!(bulk(&[b"abcd", &said]).output(&done(4, NOTE), &limits).is_ok());
        assert!(bulk(&[b"abcde", &said]).output(&done(5, NOTE), &limits).is_err());
        assert!(bulk(&[b"", b""]).output(&done(u64::MAX, u64::MAX), &limits).is_err());
        assert!(bulk(&[b"abc", b""]).output(&done(2, 0), &limits).is_err(), "longer than announced");
        assert!(bulk(&[b"a", b""]).output(&done(2, 0), &limits).is_err(), "shorter than announced");
        assert!(bulk(&[b"ab"]).output(&done(2, 0), &limits).is_err(), "one is missing");
    }

    #[test]
    fn a_file_is_not_read_and_of_a_failure_no_more_than_a_sentence_is() {
        let limits = Limits { output_bytes: 1 << 20, ..Limits::default() };
        let gave = |done: &Done, parts: &[&[u8]]| bulk(parts).file(done, &limits);
        let given = gave(&done(3, 2), &[b"abc", b"hm"]).unwrap();
        let file = given.file.unwrap();
        assert_eq!(
            (file.length, given.stdout.as_slice(), given.stderr.as_slice()),
            (3, b"".as_slice(), b"hm".as_slice())
        );
        assert_eq!(file.sha256, changeset::sha256(b"abc"));
        assert!(gave(&done(3, 0), &[b"ab", b""]).is_err(), "shorter than announced");
        assert!(gave(&done(3, 0), &[b"abcd", b""]).is_err(), "longer than announced");
        assert!(gave(&done((1 << 20) + 1, 0), &[b"", b""]).is_err(), "longer than the limit");
        let long = vec![b'x'; usize::try_from(MOST_SAID).unwrap() + 1];
        let said = |done: &Done, length: u64| {
            let bytes = &long[..usize::try_from(length).unwrap()];
            let gave = gave(done, &[bytes, bytes]).unwrap();
            assert!(gave.file.is_none(), "{done:?}");
            (gave.stdout.len() as u64, gave.stderr.len() as u64)
        };
        for failed in [
            |done| Done { exit: Some(65), ..done },
            |done| Done { timed_out: true, ..done },
            |done| Done { output_truncated: true, ..done },
            |done| Done { exit: None, signal: Some(9), ..done },
        ] {
            assert_eq!(said(&failed(done(MOST_SAID, MOST_SAID)), MOST_SAID), (MOST_SAID, MOST_SAID));
            assert_eq!(said(&failed(done(MOST_SAID + 1, MOST_SAID + 1)), MOST_SAID + 1), (0, 0));
        }
    }

    #[test]
    fn a_change_set_keeps_to_the_limits_of_its_call() {
        let entry = |path: &str| Change::plain(path, ChangeKind::Mkdir, Some(0o755));
        let set = ChangeSet::new(vec![entry("a"), entry("b")], vec![]);
        let (manifest, digest) = (set.canonical().unwrap(), set.digest().unwrap());
        let taken = |entries, change_bytes, contents: &[u8]| {
            let limits = Limits { change_entries: entries, change_bytes, ..Limits::default() };
            bulk(&[&manifest, contents]).proposal(&digest, &Bounds::of(&limits))
        };
        assert_eq!(taken(2, 1, b"").unwrap().set, set);
        assert!(matches!(taken(1, 1, b""), Err(ClientError::Unexpected(_))));
        let long = vec![b'x'; usize::try_from(MOST_OLD + 2).unwrap()];
        assert!(matches!(taken(2, 1, &long), Err(ClientError::Bulk(_))));
        assert!(taken(2, 2, &long).is_ok());
    }

    #[test]
    fn an_honest_runner_refuses_what_its_client_would_not_read() {
        let bounds = Bounds::of(&Limits::default());
        assert_eq!(bounds.exceeded(bounds.manifest, bounds.contents), None);
        assert!(bounds.exceeded(bounds.manifest + 1, 0).is_some());
        assert!(bounds.exceeded(0, bounds.contents + 1).is_some());
        assert_eq!(Bounds::of(&Limits::most()).manifest, MOST_MANIFEST);
    }
}

//! What must hold whatever bytes a sandbox sends: the properties that fuzzing tries to break.
//!
//! Each function takes any bytes, hands them to those who read a sandbox's words, and panics where something that
//! must hold does not. The targets beside this drive them with a coverage-guided fuzzer; the sandbox's own tests include
//! this file, and drive them with the corpus and bytes made from it at random.

use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use testudo_sandbox::changeset::{Proposal, sha256};
use testudo_sandbox::client::Instance;
use testudo_sandbox::frame::FrameBuffer;
use testudo_sandbox::protocol::{MAX_FRAME, Program, Reply, Request, Run};

/// Frames come out as they went in, wherever the stream is cut, and what is read of them is said again in the same way.
/// The first byte says how large the pieces are.
///
/// # Panics
/// One of that does not hold.
pub fn frames(bytes: &[u8]) {
    let Some((first, stream)) = bytes.split_first() else { return };
    let mut buffer = FrameBuffer::default();
    let mut found = Vec::new();
    for piece in stream.chunks(usize::from(*first).max(1)) {
        buffer.push(piece);
        while let Ok(Some(frame)) = buffer.next_frame() {
            assert!(frame.len() <= MAX_FRAME && !frame.contains(&0), "a frame is one frame");
            found.push(frame);
        }
    }
    let whole = stream.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    let ended = stream.get(..whole).unwrap_or_default();
    if found.iter().all(|frame| frame.len() < MAX_FRAME) && ended.len() < MAX_FRAME {
        let expected: Vec<&[u8]> = ended.split(|byte| *byte == 0).collect();
        let expected = expected.split_last().map_or(&[][..], |(_, frames)| frames);
        assert!(found.iter().map(Vec::as_slice).eq(expected.iter().copied()), "no frame is lost or made up");
    }
    for frame in &found {
        if let Ok(reply) = serde_json::from_slice::<Reply>(frame) {
            let said = serde_json::to_vec(&reply).unwrap_or_default();
            let again = serde_json::from_slice::<Reply>(&said).ok();
            assert!(again.is_some_and(|again| again == reply), "an answer means one thing");
        }
        if let Ok(request) = serde_json::from_slice::<Request>(frame) {
            let said = serde_json::to_vec(&request).unwrap_or_default();
            let again = serde_json::from_slice::<Request>(&said).ok();
            assert!(again.is_some_and(|again| again == request), "a request means one thing");
        }
    }
}

/// A client that gets any bytes for an answer comes back with an error or with what they say, and what it heard while
/// the call ran is no more than was sent.
///
/// # Panics
/// It does not.
pub fn answers(bytes: &[u8]) {
    // What fits into a socket at once; frames that are longer are the other target's.
    let Some(bytes) = bytes.get(..bytes.len().min(64 * 1024)) else { return };
    let Ok((ours, mut theirs)) = UnixStream::pair() else { return };
    if theirs.write_all(bytes).is_err() || theirs.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let run =
        Run { stream: true, ..Run::new("c", Program::Exec { argv: vec!["true".to_owned()], cwd: None }) };
    let mut heard = 0;
    let outcome = Instance::from_stream(ours).run_with(&run, &mut |piece| heard += piece.text.len());
    assert!(heard <= bytes.len(), "nothing is heard that was not sent");
    // Output travels as descriptors, of which these bytes bring none.
    assert!(outcome.is_err(), "an answer without its descriptors is none");
}

/// A manifest is accepted only as its own canonical form, and then gives no content outside of what came with it. The
/// bytes up to the first NUL are the manifest, the rest are the contents.
///
/// # Panics
/// It is accepted, and something of that does not hold.
pub fn manifest(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (manifest, contents) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let digest = sha256(manifest);
    let Ok(proposal) = Proposal::verified(manifest, contents.to_vec(), &digest) else { return };
    assert!(proposal.set.digest().is_ok_and(|own| own == digest), "what is approved is what is read");
    for change in &proposal.set.changes {
        if let Some(content) = proposal.new_content(change)
            && let Some(hash) = &change.sha256
            && change.offset.is_some()
        {
            assert_eq!(sha256(content), *hash, "content is what was said of it");
        }
        if let Some(content) = proposal.old_content(change)
            && let Some(hash) = change.base.as_ref().and_then(|base| base.sha256.as_ref())
        {
            assert_eq!(sha256(content), *hash, "old content, too");
        }
    }
}

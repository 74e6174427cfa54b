//! What a taken-over sandbox says.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use serde_json::{Value, json};
use testudo_sandbox::changeset::sha256;
use testudo_sandbox::{memfd, wire::Connection};

/// One reply, with what goes beside it.
pub(crate) struct Answer {
    pub(crate) reply: Value,
    pub(crate) bulk: Vec<OwnedFd>,
}

/// A call that printed "hello" and changed nothing.
pub(crate) fn honest(call: &str) -> Answer {
    printed(call, b"hello")
}

/// One that printed this and changed nothing.
pub(crate) fn printed(call: &str, text: &[u8]) -> Answer {
    let length = u64::try_from(text.len()).unwrap_or(0);
    Answer { reply: done(call, length, &json!("nothing")), bulk: vec![sealed(text), sealed(b"")] }
}

fn done(call: &str, length: u64, changes: &Value) -> Value {
    json!({ "done": {
        "call": call, "exit": 0, "signal": null, "timed_out": false, "output_truncated": false,
        "duration_us": 1, "stdout_len": length, "stderr_len": 0, "changes": changes,
    }})
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    memfd::sealed(c"bulk", bytes).expect("there is memory")
}

/// A memfd that holds nothing and says it is long.
fn sparse(length: u64) -> OwnedFd {
    let file = memfd::create(c"bulk").expect("there is memory");
    file.set_len(length).expect("it can be long");
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::from_bits_retain(0xf))).expect("it can be sealed");
    file.into()
}

/// A change set as the runner hands it over, whatever it says.
fn proposal(call: &str, manifest: &Value, contents: &[u8]) -> Answer {
    let text = serde_json::to_vec(manifest).expect("it is JSON");
    let changes = json!({ "changes": { "digest": sha256(&text), "entries": 1, "skipped": 0, "bytes": contents.len() } });
    let bulk = vec![sealed(b"hello"), sealed(b""), sealed(&text), sealed(contents)];
    Answer { reply: done(call, 5, &changes), bulk }
}

fn added(path: &str) -> Value {
    json!({ "changes": [{
        "path": path, "kind": "add", "mode": 0o644, "size": 1, "sha256": sha256(b"x"), "offset": 0,
        "target": null, "base": null,
    }], "skipped": [] })
}

fn link(path: &str, target: &str) -> Value {
    json!({ "changes": [{
        "path": path, "kind": "symlink", "mode": null, "size": 0, "sha256": null, "offset": null,
        "target": target, "base": null,
    }], "skipped": [] })
}

fn answer(name: &str, call: &str) -> Option<Answer> {
    let nothing = json!("nothing");
    let with = |first: OwnedFd| Answer { reply: done(call, 5, &nothing), bulk: vec![first, sealed(b"")] };
    let open = |path: &str| File::open(path).map(OwnedFd::from).expect("it is there");
    Some(match name {
        "frame-unsealed-output" => {
            let mut file = memfd::create(c"bulk").expect("there is memory");
            file.write_all(b"hello").expect("there is memory");
            with(file.into())
        }
        "frame-pipe-output" => with(nix::unistd::pipe().expect("there are pipes").0),
        "frame-folder-output" => with(open("/usr")),
        "frame-file-output" => with(open("/etc/hostname")),
        "frame-device-output" => {
            with(OpenOptions::new().read(true).open("/dev/zero").expect("it is there").into())
        }
        "frame-longer-than-said" => with(sealed(&[b'x'; 6])),
        "frame-huge-output" => {
            let length = 64 << 30;
            Answer { reply: done(call, length, &nothing), bulk: vec![sparse(length), sealed(b"")] }
        }
        "frame-huge-change-set" => {
            let mut answer = proposal(call, &added("a"), b"x");
            answer.bulk.truncate(3);
            answer.bulk.push(sparse(1 << 30));
            answer
        }
        "frame-huge-manifest" => {
            let mut answer = proposal(call, &added("a"), b"x");
            answer.bulk.truncate(2);
            answer.bulk.extend([sparse(256 << 20), sealed(b"x")]);
            answer
        }
        "frame-no-output" => Answer { reply: done(call, 5, &nothing), bulk: vec![] },
        "frame-other-call" => Answer { reply: done("another-call", 5, &nothing), ..honest(call) },
        "frame-other-digest" => {
            let mut answer = proposal(call, &added("a"), b"x");
            answer.reply["done"]["changes"]["changes"]["digest"] = sha256(b"else").into();
            answer
        }
        "frame-other-contents" => proposal(call, &added("a"), b"y"),
        "frame-contents-beyond" => proposal(call, &added("a"), b""),
        "frame-path-above" => proposal(call, &added("../a"), b"x"),
        "frame-path-absolute" => proposal(call, &added("/etc/a"), b"x"),
        "frame-path-dotted" => proposal(call, &added("a/./b"), b"x"),
        "frame-path-empty" => proposal(call, &added(""), b"x"),
        "frame-path-with-nul" => proposal(call, &added("a\0b"), b"x"),
        "frame-path-of-runner" => proposal(call, &added(".testudo/journal"), b"x"),
        "frame-link-out" => proposal(call, &link("a", "/etc/passwd"), b""),
        "frame-link-above" => proposal(call, &link("a", "../../etc/passwd"), b""),
        "frame-set-user-id" => {
            let mut manifest = added("a");
            manifest["changes"][0]["mode"] = 0o4755.into();
            proposal(call, &manifest, b"x")
        }
        "frame-twice-the-same" => {
            let mut manifest = added("a");
            let one = manifest["changes"][0].clone();
            manifest["changes"].as_array_mut().expect("a list").push(one);
            proposal(call, &manifest, b"x")
        }
        "frame-unknown-field" => {
            let mut answer = honest(call);
            answer.reply["done"]["approved"] = true.into();
            answer
        }
        "frame-applied" => Answer {
            reply: json!({ "applied": { "id": call, "changes": 1, "already": false } }),
            bulk: vec![],
        },
        "frame-recovered" => {
            Answer { reply: json!({ "recovered": { "completed": [call], "discarded": [] } }), bulk: vec![] }
        }
        _ => return None,
    })
}

/// Answers, and says whether the connection is still of use.
pub(crate) fn hostile(name: &str, call: &str, connection: &mut Connection) -> bool {
    if let Some(answer) = answer(name, call) {
        let bulk: Vec<BorrowedFd<'_>> = answer.bulk.iter().map(|fd| fd.as_fd()).collect();
        return connection.send(&answer.reply, &bulk).is_ok();
    }
    let mut raw = connection.stream();
    match name {
        "frame-many-descriptors" => {
            let one = sealed(b"hello");
            let many = vec![one.as_fd(); 200];
            connection.send(&honest(call).reply, &many).is_ok()
        }
        "frame-without-end" => {
            let block = vec![b'x'; 1 << 20];
            while raw.write_all(&block).is_ok() {}
            false
        }
        "frame-cut" => {
            let _ = raw.write_all(b"{\"done\":");
            false
        }
        "frame-no-json" => raw.write_all(b"\xff\xfe\0").is_ok(),
        "frame-empty" => raw.write_all(b"\0").is_ok(),
        "frame-deep" => {
            let deep = [vec![b'['; 500_000], vec![0]].concat();
            raw.write_all(&deep).is_ok()
        }
        "frame-two-answers" => {
            let answer = honest(call);
            let bulk: Vec<BorrowedFd<'_>> = answer.bulk.iter().map(|fd| fd.as_fd()).collect();
            connection.send(&answer.reply, &bulk).is_ok()
                && connection
                    .send(&json!({ "refused": { "call": null, "reason": "left over" } }), &[])
                    .is_ok()
        }
        "frame-output-without-end" => {
            for number in 0_u64.. {
                let text = "x".repeat(64 * 1024);
                let part = json!({ "output": { "call": call, "seq": number, "error": false, "text": text } });
                if connection.send(&part, &[]).is_err() {
                    break;
                }
            }
            false
        }
        "frame-output-of-another" => {
            let part = json!({ "output": { "call": "another", "seq": 0, "error": false, "text": "x" } });
            connection.send(&part, &[]).is_ok() && connection.send(&honest(call).reply, &[]).is_ok()
        }
        // Waits until it is hung up on.
        _ => connection.receive().is_ok_and(|message| message.is_some()),
    }
}

//! `testudoctl file`: saves a file that the agent gave in a conversation.
//!
//! What is saved is new: nothing that is there is ever written over, and a name that the agent chose leads nowhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Deserialize;
use serde_json::json;
use testudo::proxy::Agent1Proxy;
use testudo::tool::GivenFile;
use testudo::turn::Finished;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::{render, screen};

/// The most bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// `file`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: {session, file, path, size}\n\
    The file is as it was when the agent gave it. Only its owner may read it, and no file is written over.\n\
    The agent's tools forget it a day after it was given, an hour after it was fetched, and when they are restarted: ask for it again.\n\n\
    Example: testudoctl file main f-6c1f…\n         testudoctl file main f-6c1f… --output report.pdf")]
pub struct Args {
    /// The session in which it was given.
    pub session: String,
    /// Its id, as the chat shows it.
    pub id: String,
    /// Where to save it; under its own name in this directory unless given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Runs `file`.
///
/// # Errors
/// When there is no such file any more, or one is in its way.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let agent = Link::open().await?.agent().await?;
    let content = agent.fetch(&args.session, &args.id).await;
    let content = content.doing(format_args!("get the file {}", screen::line(&args.id)))?;
    let path = match args.output {
        Some(path) => path,
        None => PathBuf::from(name(&agent, &args.session, &args.id).await?),
    };
    let size = save(&File::from(OwnedFd::from(content)), &path).map_err(|error| {
        let shown = screen::line(&path.to_string_lossy());
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::Refused(format!(
                "cannot save the file: there is {shown} already; say --output FILE"
            ));
        }
        Failure::Refused(format!("cannot save the file as {shown}: {error}"))
    })?;
    if page.is_json() {
        return Ok(page.json(
            &json!({ "session": args.session, "file": args.id, "path": path.to_string_lossy(), "size": size }),
        )?);
    }
    let size = render::file::size(size);
    Ok(page.line(format!("{} · {size}", screen::line(&path.to_string_lossy())))?)
}

/// What is read of `Agent1.Session`.
#[derive(Debug, Deserialize)]
struct Transcript {
    turns: Vec<Finished>,
}

/// The name that the file was given under; of one whose turn still runs nobody knows it yet.
async fn name(agent: &Agent1Proxy<'_>, session: &str, id: &str) -> Result<String, Failure> {
    let text = agent.session(session).await.doing("look for the file's name")?;
    let transcript: Transcript = link::read("agentd", &text)?;
    let mut files = transcript.turns.iter().flat_map(|turn| &turn.calls).flat_map(|call| &call.files);
    Ok(named(files.find(|file| file.id == id), id))
}

/// Its name if it is a plain one, otherwise its id as far as that is.
fn named(file: Option<&GivenFile>, id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().all(plain) && !name.starts_with(['.', '-']) && name.len() <= 200
    };
    let name = file.map(|file| file.name.as_str()).filter(is_name);
    name.or_else(|| Some(id).filter(is_name)).unwrap_or("file").to_owned()
}

/// Writes a new file that only its owner can read; how long it is. What was begun and not finished is gone.
fn save(content: &File, path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let copied = copy(content, &mut file).and_then(|size| file.sync_all().map(|()| size));
    if copied.is_err() {
        // It is ours: it was not there before.
        let _ = fs::remove_file(path);
    }
    copied
}

/// Copies from the beginning, wherever somebody else has read the same descriptor to.
fn copy(content: &File, file: &mut File) -> io::Result<u64> {
    let mut piece = vec![0; PIECE];
    let mut size = 0;
    loop {
        let length = content.read_at(&mut piece, size)?;
        if length == 0 {
            return Ok(size);
        }
        file.write_all(piece.get(..length).unwrap_or_default())?;
        size += length as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_saved_is_whole_private_and_new() {
        let directory = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * PIECE + 1).collect();
        let mut content = tempfile::tempfile().unwrap();
        content.write_all(&bytes).unwrap();
        content.read_to_end(&mut Vec::new()).unwrap();
        let path = directory.path().join("report.pdf");
        assert_eq!(save(&content, &path).unwrap(), bytes.len() as u64);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "mine").unwrap();
        assert_eq!(save(&content, &path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
        assert!(save(&content, &link).is_err(), "a link is in the way, too");
        assert!(!directory.path().join("elsewhere").exists());
    }

    #[test]
    fn a_name_leads_nowhere() {
        let given = |name: &str| GivenFile {
            id: "f-1".into(),
            name: name.into(),
            mime: String::new(),
            size: 1,
            sha256: String::new(),
        };
        for (name, saved) in [
            ("a.pdf", "a.pdf"),
            ("../a", "f-1"),
            (".bashrc", "f-1"),
            ("-rf", "f-1"),
            ("a\nb", "f-1"),
            ("", "f-1"),
        ] {
            assert_eq!(named(Some(&given(name)), "f-1"), saved);
        }
        assert_eq!(named(None, "f-2"), "f-2");
        assert_eq!(named(None, "../../x"), "file");
    }
}

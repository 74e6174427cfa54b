//! A homeserver of one's own to try talking with: two accounts, a room, and what to tell a client.
//!
//! Synapse from `PyPI`, kept by `tests/talk/homeserver.py`; on loopback alone, without federation. It ends with this
//! value, and with this program however that ends. In a kept state it is the same one the next time.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use testudo_appliance::{Human, Plan};

use crate::session::end_descendants;

const SERVER: &str = "home.test";
const AGENT: &str = "testudo";
const OWNER: &str = "you";
/// What its folder is called beside a kept state; that one belongs to the appliance alone.
const SUFFIX: &str = "homeserver";
/// What it is remembered by there.
const REMEMBERED: &str = "accounts.json";

/// A running homeserver.
pub(crate) struct Matrix {
    remembered: Remembered,
    keeper: Child,
    to: Option<ChildStdin>,
    from: Lines<BufReader<ChildStdout>>,
    url: String,
    _temporary: Option<TempDir>,
}

/// What makes it the same one the next time.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    port: u16,
    owner_password: String,
    agent_password: String,
    store_key: String,
    room: String,
}

/// What its keeper says of an order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    url: String,
    room: String,
    error: Option<String>,
}

impl Matrix {
    /// Starts it with the Python that has Synapse; its accounts and its room are made if they are not there. `wait` waits until
    /// something can be read, and says whether to go on; none if not.
    ///
    /// # Errors
    /// When it does not start; what it said is shown.
    pub(crate) fn start(
        source: &Path,
        python: Option<&Path>,
        keep: Option<&Path>,
        wait: impl FnOnce(BorrowedFd<'_>) -> Result<bool>,
    ) -> Result<Option<Self>> {
        let python = python.context("cannot find a homeserver: start this with ./try, which installs one")?;
        let (folder, temporary) = folder(keep)?;
        let place = folder.join(REMEMBERED);
        let known: Option<Remembered> = match fs::read(&place) {
            Ok(text) => Some(
                serde_json::from_slice(&text).with_context(|| format!("cannot read {}", place.display()))?,
            ),
            Err(_) => None,
        };
        let mut command = Command::new(python);
        command.arg(source.join("tests/talk/homeserver.py")).arg(&folder).args(["--name", SERVER]);
        command.arg("--port").arg(known.as_ref().map_or(0, |known| known.port).to_string());
        // A server has no business as root; it needs nothing but its folder.
        let human = Human::current();
        command.uid(human.uid).gid(human.gid).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().with_context(|| format!("cannot run {}", python.display()))?;
        let to = keeper.stdin.take();
        let from = keeper.stdout.take().context("cannot hear the homeserver")?;
        if !wait(from.as_fd())? {
            // It listens to nobody before it serves. What it started is ours then, and must not write into a folder that goes.
            keeper.kill().and_then(|()| keeper.wait()).context("cannot end the homeserver")?;
            end_descendants();
            return Ok(None);
        }
        let from = BufReader::new(from).lines();
        let (remembered, url) = (known.unwrap_or_default(), String::new());
        let mut matrix = Self { remembered, keeper, to, from, url, _temporary: temporary };
        matrix.url = matrix.answer()?.url;
        if matrix.remembered.room.is_empty() {
            matrix.remembered.port =
                matrix.url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
            matrix.furnish()?;
            let text = serde_json::to_vec(&matrix.remembered).context("cannot write down the accounts")?;
            let file =
                fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&place);
            file.and_then(|mut file| file.write_all(&text))
                .with_context(|| format!("cannot write {}", place.display()))?;
        }
        Ok(Some(matrix))
    }

    fn furnish(&mut self) -> Result<()> {
        let known = &mut self.remembered;
        (known.owner_password, known.agent_password) = (random(8)?, random(16)?);
        known.store_key = random(32)?;
        let owner = format!("register {OWNER} {}", known.owner_password);
        let agent = format!("register {AGENT} {}", known.agent_password);
        let room = format!("room {OWNER} {} @{AGENT}:{SERVER}", known.owner_password);
        self.order(&owner)?;
        self.order(&agent)?;
        self.remembered.room = self.order(&room)?.room;
        Ok(())
    }

    /// Has the appliance talk there.
    pub(crate) fn enter(&self, plan: &mut Plan) {
        let (agent, owner) = (format!("@{AGENT}:{SERVER}"), format!("@{OWNER}:{SERVER}"));
        plan.matrix(&self.url, &agent, &self.remembered.agent_password, &self.remembered.store_key).set(
            "matrixd",
            "owners",
            vec![owner],
        );
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        format!("a homeserver of your own at {}, on this machine alone", self.url)
    }

    /// How somebody joins with any client, and ends it if it is a shell that he is in.
    pub(crate) fn invitation(&self, shell: bool) -> String {
        let known = &self.remembered;
        let end = if shell { "Leave this shell (exit, or Ctrl-D) to end all of it.\n" } else { "" };
        format!(
            "Log in with any Matrix client on this machine that can encrypt, such as Element:\n\
             \x20 homeserver  {}\n\
             \x20 user        {OWNER}\n\
             \x20 password    {}\n\
             \x20 room        Testudo ({})\n\
             The agent is in that room as @{AGENT}:{SERVER}. Invite it into others as you like; it comes to you alone.\n\
             It answers you at once. It takes your approvals and commands when you are verified, so when you are logged in,\n\
             compare emoji between the client and here:\n\
             \x20 testudoctl matrix verify @{OWNER}:{SERVER}\n\
             {end}",
            self.url.replace("127.0.0.1", "localhost"),
            known.owner_password,
            known.room,
        )
    }

    fn order(&mut self, line: &str) -> Result<Answer> {
        let to = self.to.as_mut().context("the homeserver listens no more")?;
        writeln!(to, "{line}").context("cannot tell the homeserver what to do")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let Some(line) = self.from.next() else {
            bail!("the homeserver did not start; what it said is above")
        };
        let line = line.context("cannot hear the homeserver")?;
        let answer: Answer =
            serde_json::from_str(&line).with_context(|| format!("cannot understand {line}"))?;
        match answer.error {
            Some(error) => bail!("the homeserver refused: {error}"),
            None => Ok(answer),
        }
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        // It ends with its input; with an order it also tidies up.
        let _ = self.order("stop");
        self.to = None;
        let _ = self.keeper.wait();
    }
}

/// A folder that belongs to the human.
fn folder(keep: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    let (folder, temporary) = match keep {
        Some(keep) => (keep.with_added_extension(SUFFIX), None),
        None => {
            let temporary = tempfile::tempdir().context("cannot make a folder for the homeserver")?;
            (temporary.path().to_path_buf(), Some(temporary))
        }
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let human = Human::current();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
        .and_then(|()| chown(&folder, Some(human.uid), Some(human.gid)))
        .with_context(|| format!("cannot give {} to its owner", folder.display()))?;
    Ok((folder, temporary))
}

/// So many random bytes, in hexadecimal digits.
fn random(bytes: usize) -> Result<String> {
    let mut random = vec![0; bytes];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .context("cannot get randomness")?;
    Ok(random.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}")))
}

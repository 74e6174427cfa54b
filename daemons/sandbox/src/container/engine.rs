//! Podman, as a program: what can be asked of it beside running a call.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::allowed::Image;

/// How the engine is started.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The program.
    pub program: PathBuf,
    /// Arguments before the command, such as where its storage is.
    pub options: Vec<String>,
}

/// Why the engine is of no use.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such program.
    #[error("cannot find the container engine: {0} is not installed")]
    NotInstalled(PathBuf),
    /// It cannot be started.
    #[error("cannot start the container engine: {0}")]
    Start(#[source] io::Error),
    /// It is there and does not work.
    #[error("cannot use the container engine: {0}")]
    Broken(String),
    /// The image is not in its storage, and is not fetched during a call.
    #[error("cannot find the image {0}: it is not in the engine's storage; fetch it with `podman pull`")]
    ImageMissing(String),
}

impl Engine {
    /// A command of the engine, with nothing of this process's environment but where programs are.
    pub(super) fn command<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, arguments: I) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.options)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of the engine to its end.
    pub(super) fn ask<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        arguments: I,
    ) -> Result<Output, EngineError> {
        self.command(arguments).output().map_err(|error| self.not_started(error))
    }

    pub(super) fn not_started(&self, error: io::Error) -> EngineError {
        if error.kind() == io::ErrorKind::NotFound {
            EngineError::NotInstalled(self.program.clone())
        } else {
            EngineError::Start(error)
        }
    }

    /// Makes sure that an image can be run without being fetched.
    ///
    /// # Errors
    /// It cannot, and why.
    pub fn require(&self, image: &Image) -> Result<(), EngineError> {
        let output = self.ask(["image", "exists", &image.to_string()])?;
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(EngineError::ImageMissing(image.to_string())),
            _ => Err(EngineError::Broken(last_line(&output.stderr))),
        }
    }

    /// Kills a container and removes it; there may be none.
    ///
    /// # Errors
    /// It may still be there.
    pub fn remove(&self, name: &str) -> Result<(), EngineError> {
        let output = self.ask(["rm", "--force", "--ignore", "--time=0", name])?;
        if output.status.success() { Ok(()) } else { Err(EngineError::Broken(last_line(&output.stderr))) }
    }

    /// The engine's version, in its own words.
    ///
    /// # Errors
    /// It is not there or does not work.
    pub fn version(&self) -> Result<String, EngineError> {
        let output = self.ask(["--version"])?;
        if output.status.success() {
            Ok(last_line(&output.stdout))
        } else {
            Err(EngineError::Broken(last_line(&output.stderr)))
        }
    }
}

/// The last line of what a program said, as a sentence for people.
pub(super) fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    line.chars().filter(|letter| !letter.is_control()).take(500).collect()
}

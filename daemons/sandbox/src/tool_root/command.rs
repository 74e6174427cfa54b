//! The words of the command line that concern a tool root: sealing one, verifying one, expecting one.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::{Expected, Manifest, Origin, Stamp, VerifyError, seal, verify};

/// Writes the manifest of a tree into it, and says what to configure.
#[derive(Debug, Args)]
pub struct Seal {
    /// The tree, with usr/bin.
    root: PathBuf,
    /// What it is called.
    #[arg(long)]
    name: String,
    /// Its version.
    #[arg(long = "root-version", value_name = "VERSION")]
    version: String,
    /// What it was built from, such as a package with its version; repeatable.
    #[arg(long = "built-from", value_name = "TEXT")]
    built_from: Vec<String>,
}

impl Seal {
    /// Does it, and returns the lines of `/etc/testudo/tool-root` for this root.
    ///
    /// # Errors
    /// As [`seal`].
    pub fn run(mut self) -> Result<String, VerifyError> {
        self.built_from.sort_unstable();
        let origin = Origin { name: self.name, version: self.version, built_from: self.built_from };
        let digest = seal(&self.root, origin)?;
        Ok(format!("TOOL_ROOT={}\nTOOL_ROOT_DIGEST={digest}", self.root.display()))
    }
}

/// Makes sure that a tree is the one of a digest.
#[derive(Debug, Args)]
pub struct Verify {
    /// The tree.
    #[arg(env = "TOOL_ROOT")]
    root: PathBuf,
    /// The digest that sealing gave it.
    #[arg(long, value_name = "HEX", env = "TOOL_ROOT_DIGEST")]
    digest: String,
    /// A file to say so in, for the runners; gone when the tree is another.
    #[arg(long, value_name = "FILE")]
    stamp: Option<PathBuf>,
}

impl Verify {
    /// Does it, and returns what the root is in one line.
    ///
    /// # Errors
    /// As [`verify`], or the stamp cannot be written.
    pub fn run(self, now: SystemTime) -> anyhow::Result<String> {
        if let Some(stamp) = &self.stamp {
            Stamp::remove(stamp)?;
        }
        let Manifest { origin, entries } = verify(&self.root, &self.digest)?;
        if let Some(stamp) = &self.stamp {
            let verified_at = now.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
            let written = Stamp {
                root: self.root,
                digest: self.digest,
                name: origin.name.clone(),
                version: origin.version.clone(),
                entries: entries.len(),
                verified_at,
            };
            written.write(stamp)?;
        }
        Ok(format!("{} {}: {} entries as they were sealed", origin.name, origin.version, entries.len()))
    }
}

/// The tool root that a runner gives to its calls.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// The tree in place of the host's /usr; no call runs until it is verified.
    #[arg(long, value_name = "DIR", env = "TOOL_ROOT", requires = "root_digest")]
    root: Option<PathBuf>,
    /// Its digest.
    #[arg(long, value_name = "HEX", env = "TOOL_ROOT_DIGEST", requires = "root")]
    root_digest: Option<String>,
    /// Where it is said that it is verified.
    #[arg(long, value_name = "FILE", default_value = super::STAMP)]
    root_stamp: PathBuf,
}

impl Wanted {
    /// What to expect; nothing where calls see the host's programs.
    pub fn expected(self) -> Option<Expected> {
        let (root, digest) = (self.root?, self.root_digest?);
        Some(Expected { root, digest, stamp: self.root_stamp })
    }
}

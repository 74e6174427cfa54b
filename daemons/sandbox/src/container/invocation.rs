//! What the engine is told for one call: everything that a container may have, and nothing by default.
//!
//! Pure, so that a test can hold the whole list against the promises: no network, no capability, no privilege to gain,
//! a root that cannot be written, an image by digest that is never fetched, and an environment from a list.

use std::collections::BTreeMap;
use std::path::Path;

use super::allowed::Image;
use crate::limits::Limits;
use crate::protocol::WORKSPACE;

/// The label by which the runner of a container is known.
pub(super) const RUNNER: &str = "org.testudo.runner";

/// What every call has in its environment unless it brings its own.
const ENVIRONMENT: [(&str, &str); 4] =
    [("HOME", "/tmp"), ("LANG", "C.UTF-8"), ("TERM", "dumb"), ("TMPDIR", "/tmp")];

/// One call in a container.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The container's name in the engine, of which there is only one.
    pub name: &'a str,
    /// Who runs it, to find orphans by.
    pub runner: &'a str,
    /// Where the engine writes the container's id.
    pub id_file: &'a Path,
    /// What it runs in.
    pub image: &'a Image,
    /// What runs.
    pub argv: &'a [String],
    /// Directory to start in, relative to the workspace.
    pub cwd: Option<&'a str>,
    /// Its environment beside the small fixed one.
    pub env: &'a BTreeMap<String, String>,
    /// What it may use up.
    pub limits: &'a Limits,
    /// Percent of one processor.
    pub cpu_percent: u32,
    /// The workspace, or the overlay over it.
    pub workspace: &'a Path,
    /// Whether it may write there.
    pub writable: bool,
    /// A directory of the workspace to cover.
    pub covered: Option<&'a str>,
    /// Whom it runs as: the owner of the workspace, never root.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether it reads from standard input.
    pub input: bool,
}

impl Invocation<'_> {
    /// The arguments after those that belong to the engine.
    pub fn arguments(&self) -> Vec<String> {
        let Limits { memory_bytes, processes, file_bytes, open_files, tmp_bytes, .. } = self.limits;
        let directory = self.cwd.map_or(WORKSPACE.to_owned(), |cwd| format!("{WORKSPACE}/{cwd}"));
        let access = if self.writable { "rw" } else { "ro" };
        let mut words: Vec<String> = [
            "run",
            "--rm",
            "--pull=never",
            "--network=none",
            "--read-only",
            "--read-only-tmpfs=false",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--ipc=private",
            "--hostname=sandbox",
            "--log-driver=none",
            "--http-proxy=false",
            "--env-host=false",
            "--image-volume=ignore",
            "--systemd=false",
            "--entrypoint=",
        ]
        .map(str::to_owned)
        .to_vec();
        words.extend([
            format!("--name={}", self.name),
            format!("--cidfile={}", self.id_file.display()),
            format!("--label={RUNNER}={}", self.runner),
            format!("--user={}:{}", self.uid, self.gid),
            format!("--pids-limit={processes}"),
            format!("--memory={memory_bytes}b"),
            format!("--memory-swap={memory_bytes}b"),
            format!("--cpus={}.{:02}", self.cpu_percent / 100, self.cpu_percent % 100),
            format!("--ulimit=nofile={open_files}:{open_files}"),
            format!("--ulimit=nproc={processes}:{processes}"),
            format!("--ulimit=fsize={file_bytes}:{file_bytes}"),
            "--ulimit=core=0:0".to_owned(),
            format!("--tmpfs=/tmp:rw,nosuid,nodev,size={tmp_bytes},mode=1777"),
            format!("--volume={}:{WORKSPACE}:{access},nosuid,nodev", self.workspace.display()),
            format!("--workdir={directory}"),
        ]);
        if let Some(covered) = self.covered {
            words.push(format!("--tmpfs={WORKSPACE}/{covered}:ro,size=4096,mode=0555"));
        }
        let mut environment: BTreeMap<&str, &str> = ENVIRONMENT.into();
        environment.extend(self.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        words.extend(environment.iter().map(|(name, value)| format!("--env={name}={value}")));
        if self.input {
            words.push("--interactive".to_owned());
        }
        // What follows the image is the program's, whatever it looks like.
        words.push(self.image.to_string());
        words.extend_from_slice(self.argv);
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(change: impl FnOnce(&mut Invocation<'_>)) -> Vec<String> {
        let image = format!("localhost/tool@sha256:{}", "a".repeat(64)).parse().unwrap();
        let (argv, env) = (["ls".to_owned(), "--privileged".to_owned()], BTreeMap::new());
        let limits = Limits::default();
        let mut invocation = Invocation {
            name: "testudo-1-1",
            runner: "7-99",
            id_file: Path::new("/run/scratch/id"),
            image: &image,
            argv: &argv,
            cwd: None,
            env: &env,
            limits: &limits,
            cpu_percent: 100,
            workspace: Path::new("/var/lib/testudo/workspace"),
            writable: false,
            covered: None,
            uid: 990,
            gid: 991,
            input: false,
        };
        change(&mut invocation);
        invocation.arguments()
    }

    #[test]
    fn a_container_has_nothing_that_is_not_given_to_it() {
        let words = arguments(|_| {});
        for promised in [
            "--network=none",
            "--read-only",
            "--cap-drop=all",
            "--security-opt=no-new-privileges",
            "--pull=never",
            "--user=990:991",
            "--pids-limit=64",
            "--memory=536870912b",
            "--memory-swap=536870912b",
            "--cpus=1.00",
            "--env-host=false",
            "--http-proxy=false",
            "--volume=/var/lib/testudo/workspace:/workspace:ro,nosuid,nodev",
            "--label=org.testudo.runner=7-99",
        ] {
            assert!(words.iter().any(|word| word == promised), "{promised}: {words:?}");
        }
        let image = words.iter().position(|word| word.contains("@sha256:")).unwrap();
        let own = words.get(..image).unwrap();
        for never in ["--privileged", "--device", "--cap-add", "=host", "unconfined", "--publish"] {
            assert!(!own.iter().any(|word| word.contains(never)), "{never}: {own:?}");
        }
        assert_eq!(own.iter().filter(|word| word.starts_with("--volume")).count(), 1);
        assert_eq!(
            words.get(image + 1..).unwrap(),
            ["ls", "--privileged"],
            "after the image it is the program's"
        );
    }

    #[test]
    fn what_a_call_brings_is_all_that_changes() {
        let env = BTreeMap::from([("HOME".to_owned(), "/workspace".to_owned())]);
        let words = arguments(|invocation| {
            invocation.writable = true;
            invocation.cwd = Some("sub/dir");
            invocation.covered = Some(".testudo");
            invocation.cpu_percent = 25;
            invocation.input = true;
        });
        for promised in [
            "--volume=/var/lib/testudo/workspace:/workspace:rw,nosuid,nodev",
            "--workdir=/workspace/sub/dir",
            "--tmpfs=/workspace/.testudo:ro,size=4096,mode=0555",
            "--cpus=0.25",
            "--interactive",
            "--env=HOME=/tmp",
        ] {
            assert!(words.iter().any(|word| word == promised), "{promised}: {words:?}");
        }
        let image = format!("localhost/tool@sha256:{}", "a".repeat(64)).parse().unwrap();
        let limits = Limits { processes: 9, ..Limits::default() };
        let own = Invocation {
            name: "n",
            runner: "r",
            id_file: Path::new("/id"),
            image: &image,
            argv: &[],
            cwd: None,
            env: &env,
            limits: &limits,
            cpu_percent: 100,
            workspace: Path::new("/w"),
            writable: false,
            covered: None,
            uid: 1,
            gid: 1,
            input: false,
        };
        let words = own.arguments();
        assert!(
            words.contains(&"--env=HOME=/workspace".to_owned())
                && words.contains(&"--pids-limit=9".to_owned())
        );
    }
}

//! The last step: becoming the program, in a process that is confined already.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::execve;

use crate::builtin;
use crate::protocol::{Program, Run, WORKSPACE};
use crate::session;

/// Exit statuses of a shell for a program that cannot be started, or found.
const NOT_STARTED: i32 = 126;
const NOT_FOUND: i32 = 127;

/// What every call has in its environment unless it brings its own.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("HOME", "/tmp"),
    ("LANG", "C.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
    ("TERM", "dumb"),
    ("TMPDIR", "/tmp"),
    ("USER", "work"),
];

/// A confined process about to become the program.
pub(crate) struct Ready {
    pub(crate) run: Run,
    /// A connection to the proxy, for a built-in tool that needs one.
    pub(crate) connection: Option<OwnedFd>,
}

impl Ready {
    /// Runs the program; returns only with the exit status of a built-in tool or of a failed start.
    pub(crate) fn start(&mut self) -> i32 {
        match &self.run.program {
            Program::Builtin(builtin) => {
                let room = self.run.limits.output_bytes;
                builtin::run(builtin, Path::new(WORKSPACE), self.connection.take(), room)
            }
            Program::Exec { argv, cwd } => Self::say(self.execute(argv, cwd.as_deref())),
            Program::Shell { command, cwd } => {
                let asked = match cwd.as_deref().map(|cwd| builtin::place(Path::new(WORKSPACE), cwd)) {
                    None => String::new(),
                    Some(Ok(path)) => path.to_string_lossy().into_owned(),
                    Some(Err(error)) => return Self::say(Err((NOT_STARTED, error.to_string()))),
                };
                let mut result = Err((NOT_FOUND, "cannot start a shell: there is none".to_owned()));
                for (shell, script) in session::SHELLS {
                    let name = shell.first().copied().unwrap_or_default();
                    let words = shell.iter().copied().chain([script, name, command.as_str(), asked.as_str()]);
                    result = self.execute(&words.map(str::to_owned).collect::<Vec<_>>(), None);
                    if !matches!(result, Err((NOT_FOUND, _))) {
                        break;
                    }
                }
                Self::say(result)
            }
        }
    }

    fn say(result: Result<Infallible, (i32, String)>) -> i32 {
        let Err((status, message)) = result;
        // Standard error may be closed or full; the status says enough.
        let _ = writeln!(io::stderr(), "{message}");
        status
    }

    fn execute(&self, argv: &[String], cwd: Option<&str>) -> Result<Infallible, (i32, String)> {
        let name = argv.first().map(String::as_str).unwrap_or_default();
        if let Some(cwd) = cwd {
            builtin::place(Path::new(WORKSPACE), cwd)
                .and_then(|path| std::env::set_current_dir(path).map_err(Into::into))
                .map_err(|error| (NOT_STARTED, format!("cannot enter {cwd}: {error}")))?;
        }
        let mut environment: BTreeMap<&str, &str> = ENVIRONMENT.into();
        environment.extend(self.run.env.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let path = environment.get("PATH").copied().unwrap_or_default().to_owned();
        let bad = |_| (NOT_STARTED, format!("cannot start {name}: an argument holds a NUL byte"));
        let arguments = argv
            .iter()
            .map(|word| CString::new(word.as_str()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(bad)?;
        let variables = environment
            .iter()
            .map(|(name, value)| CString::new(format!("{name}={value}")))
            .collect::<Result<Vec<_>, _>>()
            .map_err(bad)?;
        let candidates: Vec<String> = if name.contains('/') {
            vec![name.to_owned()]
        } else {
            path.split(':').filter(|part| !part.is_empty()).map(|part| format!("{part}/{name}")).collect()
        };
        let mut cause = Errno::ENOENT;
        for candidate in candidates {
            let file = CString::new(candidate).map_err(bad)?;
            let Err(error) = execve(&file, &arguments, &variables);
            if !matches!(error, Errno::ENOENT | Errno::ENOTDIR) {
                cause = error;
            }
        }
        let status = if cause == Errno::ENOENT { NOT_FOUND } else { NOT_STARTED };
        Err((status, format!("cannot start {name}: {}", cause.desc())))
    }
}

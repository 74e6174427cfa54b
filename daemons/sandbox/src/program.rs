//! The last step: becoming the program, in a process that is confined already.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::CString;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::unistd::execve;

use crate::builtin;
use crate::protocol::{Program, Run, WORKSPACE};

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
pub(crate) struct Ready<'a> {
    pub(crate) run: &'a Run,
}

impl Ready<'_> {
    /// Runs the program; returns only with the exit status of a built-in tool or of a failed start.
    pub(crate) fn start(&self) -> i32 {
        match &self.run.program {
            Program::Builtin(builtin) => builtin::run(builtin, Path::new(WORKSPACE)),
            Program::Exec { argv, cwd } => self.say(self.execute(argv, cwd.as_deref())),
            Program::Shell { command, cwd } => {
                let argv = ["bash", "-c", command].map(str::to_owned);
                self.say(self.execute(&argv, cwd.as_deref()))
            }
        }
    }

    fn say(&self, result: Result<Infallible, (i32, String)>) -> i32 {
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

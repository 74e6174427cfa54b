//! Where the numbers come from: without it no two tables can be compared.

use std::fmt;
use std::fs;

use serde::Serialize;

/// The machine and what it was busy with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// The processor's name, as it gives it itself.
    pub(crate) processor: String,
    /// Processors that this program may use.
    pub(crate) cores: usize,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// How this program, and the daemons beside it, were built.
    pub(crate) profile: &'static str,
    /// The load average over 1, 5 and 15 minutes before the first measurement.
    pub(crate) load: String,
}

impl Machine {
    /// The one that this runs on. What it does not say is left empty.
    pub(crate) fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            load: read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, profile, load } = self;
        write!(f, "{processor}, {cores} cores, Linux {kernel}, {profile} build, load average {load}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_has_a_name_or_at_least_an_architecture() {
        assert_eq!(processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"), "Some CPU @ 2 GHz");
        assert_eq!(processor(""), std::env::consts::ARCH);
    }
}

//! What one call may use up, and the ceilings that no request can lift.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;

/// Limits of one call. Absent fields take the defaults; [`Limits::exceeded`] names a field above its ceiling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Milliseconds until everything is killed. 60 000; at most one hour.
    pub wall_ms: u64,
    /// Bytes of output, both streams together, until everything is killed. 1 MiB; at most 64 MiB.
    pub output_bytes: u64,
    /// Bytes of private memory for each process; where control groups are delegated, also for all of them together,
    /// private files beside it. 512 MiB; at most 16 GiB.
    pub memory_bytes: u64,
    /// Processes and threads at once. 64; at most 4096.
    pub processes: u64,
    /// Bytes of any one file. 64 MiB; at most 4 GiB.
    pub file_bytes: u64,
    /// Open files of each process. 256; at most 4096.
    pub open_files: u64,
    /// Bytes of the call's private `/tmp` and `/dev/shm` together. 64 MiB; at most 4 GiB.
    pub tmp_bytes: u64,
    /// Entries of the change set. 1000; at most 100 000.
    pub change_entries: u64,
    /// Bytes of new contents in the change set. 16 MiB; at most 256 MiB.
    pub change_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_ms: 60_000,
            output_bytes: MIB,
            memory_bytes: 512 * MIB,
            processes: 64,
            file_bytes: 64 * MIB,
            open_files: 256,
            tmp_bytes: 64 * MIB,
            change_entries: 1000,
            change_bytes: 16 * MIB,
        }
    }
}

impl Limits {
    /// The ceilings of all sandboxes.
    pub const fn most() -> Self {
        Self {
            wall_ms: 3_600_000,
            output_bytes: 64 * MIB,
            memory_bytes: 16 * 1024 * MIB,
            processes: 4096,
            file_bytes: 4096 * MIB,
            open_files: 4096,
            tmp_bytes: 4096 * MIB,
            change_entries: 100_000,
            change_bytes: 256 * MIB,
        }
    }

    /// The same, and no more than `ceiling` in any field.
    #[must_use]
    pub fn within(self, ceiling: &Self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(ceiling.wall_ms),
            output_bytes: self.output_bytes.min(ceiling.output_bytes),
            memory_bytes: self.memory_bytes.min(ceiling.memory_bytes),
            processes: self.processes.min(ceiling.processes),
            file_bytes: self.file_bytes.min(ceiling.file_bytes),
            open_files: self.open_files.min(ceiling.open_files),
            tmp_bytes: self.tmp_bytes.min(ceiling.tmp_bytes),
            change_entries: self.change_entries.min(ceiling.change_entries),
            change_bytes: self.change_bytes.min(ceiling.change_bytes),
        }
    }

    /// The first field that lies outside of its range, with the range.
    pub fn exceeded(&self) -> Option<(&'static str, u64, u64)> {
        let most = Self::most();
        let table = [
            ("wall_ms", self.wall_ms, 1, most.wall_ms),
            ("output_bytes", self.output_bytes, 1, most.output_bytes),
            ("memory_bytes", self.memory_bytes, MIB, most.memory_bytes),
            ("processes", self.processes, 2, most.processes),
            ("file_bytes", self.file_bytes, 0, most.file_bytes),
            ("open_files", self.open_files, 8, most.open_files),
            ("tmp_bytes", self.tmp_bytes, 4096, most.tmp_bytes),
            ("change_entries", self.change_entries, 1, most.change_entries),
            ("change_bytes", self.change_bytes, 1, most.change_bytes),
        ];
        table
            .iter()
            .find(|(_, is, least, most)| is < least || is > most)
            .map(|&(name, _, least, most)| (name, least, most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_ceilings() {
        assert_eq!(Limits::default().exceeded(), None);
    }

    #[test]
    fn a_field_above_its_ceiling_is_named() {
        let greedy = Limits { output_bytes: u64::MAX, ..Limits::default() };
        assert_eq!(greedy.exceeded(), Some(("output_bytes", 1, 64 * MIB)));
    }
}

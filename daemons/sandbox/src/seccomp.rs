//! The allow-list of system calls, from `policies/seccomp/standard.toml`.
//!
//! The table is compiled once, when the zygote starts, and loaded by each child as its last step before the
//! program. seccompiler makes a list of it, and one more for each kind of refusal; [`dispatch`] makes one
//! program of all of them, because loading the lists took a fifth of a whole call.

mod dispatch;

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, TargetArch};
use serde::Deserialize;
use serde_json::{Value, json};

pub use dispatch::DispatchError;

/// The shipped table.
const STANDARD: &str = include_str!("../../../policies/seccomp/standard.toml");

/// Why a table gives no filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// It does not follow the format.
    #[error("cannot read the system call table: {0}")]
    Table(#[from] toml::de::Error),
    /// It names a call or architecture that is unknown, or contradicts itself.
    #[error("cannot compile the system call table: {0}")]
    Compile(#[from] seccompiler::Error),
    /// The compiled table cannot be made into one program.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// An error name is not one of those a refusal may give.
    #[error("cannot compile the system call table: it has no error {0}")]
    ErrorName(String),
    /// An entry does not say why it is there.
    #[error("cannot accept the system call table: the entry of {0} gives no reason")]
    Reason(String),
    /// This processor has no table.
    #[error("cannot filter system calls on {0}")]
    Architecture(String),
    /// The kernel refused the filter.
    #[error("cannot load the system call filter: {0}")]
    Load(#[source] seccompiler::Error),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    allow: Vec<Allow>,
    #[serde(default)]
    refuse: Vec<Refuse>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    reason: String,
    calls: Vec<String>,
    arch: Option<String>,
    #[serde(default)]
    when: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    argument: u8,
    #[serde(default)]
    size: Size,
    mask: Option<u64>,
    is: Option<u64>,
    not: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    #[default]
    Dword,
    Qword,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refuse {
    reason: String,
    error: String,
    calls: Vec<String>,
}

/// A compiled table.
#[derive(Debug, Clone)]
pub struct Filter(BpfProgram);

impl Filter {
    /// The shipped table, for the processor that this runs on.
    ///
    /// # Errors
    /// The processor has no table.
    pub fn standard() -> Result<Self, SeccompError> {
        Self::compile(STANDARD, std::env::consts::ARCH)
    }

    /// Compiles a table for an architecture.
    ///
    /// # Errors
    /// The table is wrong, or the architecture unknown.
    pub fn compile(table: &str, arch: &str) -> Result<Self, SeccompError> {
        let target = TargetArch::try_from(arch).map_err(|_| SeccompError::Architecture(arch.to_owned()))?;
        Ok(Self(dispatch::search(&linear(table, arch, target)?)?))
    }

    /// Loads the filter into this process, for good.
    pub(crate) fn load(&self) -> Result<(), SeccompError> {
        seccompiler::apply_filter(&self.0).map_err(SeccompError::Load)
    }
}

/// The refusals and the list, of which the first that does not let a call pass has the word.
fn linear(table: &str, arch: &str, target: TargetArch) -> Result<Vec<BpfProgram>, SeccompError> {
    let table: Table = toml::from_str(table)?;
    let reasons = table.allow.iter().map(|allow| (&allow.reason, &allow.calls));
    let mut reasons = reasons.chain(table.refuse.iter().map(|refuse| (&refuse.reason, &refuse.calls)));
    if let Some((_, calls)) = reasons.find(|(reason, _)| reason.trim().is_empty()) {
        return Err(SeccompError::Reason(calls.join(", ")));
    }
    let mut programs = Vec::new();
    for refuse in &table.refuse {
        let rules: Vec<Value> = refuse.calls.iter().map(|name| json!({ "syscall": name })).collect();
        let action = json!({ "errno": number(&refuse.error)? });
        programs.push(program(&json!("allow"), &action, &rules, target)?);
    }
    let mut passing: Vec<Value> = Vec::new();
    for allow in table.allow.iter().filter(|allow| allow.arch.as_deref().is_none_or(|only| only == arch)) {
        let conditions: Vec<Value> = allow.when.iter().map(condition).collect();
        for name in &allow.calls {
            passing.push(if conditions.is_empty() {
                json!({ "syscall": name })
            } else {
                json!({ "syscall": name, "args": conditions })
            });
        }
    }
    let denied = json!({ "errno": number("EPERM")? });
    programs.push(program(&denied, &json!("allow"), &passing, target)?);
    Ok(programs)
}

fn condition(condition: &Condition) -> Value {
    let size = match condition.size {
        Size::Dword => "dword",
        Size::Qword => "qword",
    };
    let (operator, value) = match (condition.mask, condition.is, condition.not) {
        (Some(mask), is, _) => (json!({ "masked_eq": mask }), is.unwrap_or_default()),
        (None, Some(is), _) => (json!("eq"), is),
        (None, None, not) => (json!("ne"), not.unwrap_or_default()),
    };
    json!({ "index": condition.argument, "type": size, "op": operator, "val": value })
}

fn program(
    otherwise: &Value,
    matched: &Value,
    rules: &[Value],
    target: TargetArch,
) -> Result<BpfProgram, SeccompError> {
    let text = json!({ "filter": {
        "mismatch_action": otherwise, "match_action": matched, "filter": rules,
    }});
    let mut programs: BTreeMap<_, _> =
        seccompiler::compile_from_json(text.to_string().as_bytes(), target)?.into_iter().collect();
    Ok(programs.remove("filter").unwrap_or_default())
}

fn number(error: &str) -> Result<i32, SeccompError> {
    use nix::libc::{EACCES, ENOSYS, EPERM};
    match error {
        "EPERM" => Ok(EPERM),
        "EACCES" => Ok(EACCES),
        "ENOSYS" => Ok(ENOSYS),
        other => Err(SeccompError::ErrorName(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_compiles_for_both_architectures() {
        for arch in ["x86_64", "aarch64"] {
            let filter = Filter::compile(STANDARD, arch).unwrap_or_else(|error| panic!("{arch}: {error}"));
            assert!(!filter.0.is_empty());
        }
    }

    #[test]
    fn what_attacks_kernels_is_absent() {
        let table: Table = toml::from_str(STANDARD).unwrap();
        let allowed: Vec<&str> = table.allow.iter().flat_map(|a| &a.calls).map(String::as_str).collect();
        for name in [
            "ptrace",
            "mount",
            "umount2",
            "pivot_root",
            "unshare",
            "setns",
            "bpf",
            "keyctl",
            "add_key",
            "io_uring_enter",
            "userfaultfd",
            "perf_event_open",
            "process_vm_readv",
            "process_vm_writev",
            "kexec_load",
            "init_module",
            "socket",
            "open_by_handle_at",
            "pidfd_getfd",
            "chroot",
            "mount_setattr",
            "move_mount",
            "fsopen",
            "open_tree",
            "quotactl",
            "reboot",
            "swapon",
            "settimeofday",
            "clock_settime",
            "sethostname",
            "iopl",
            "ioperm",
            "kcmp",
        ] {
            assert!(!allowed.contains(&name), "{name}");
        }
    }

    #[test]
    fn every_entry_has_a_reason_and_no_call_is_listed_twice_without_conditions() {
        let table: Table = toml::from_str(STANDARD).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for allow in &table.allow {
            assert!(allow.reason.len() > 10, "{allow:?}");
            for name in allow.calls.iter().filter(|_| allow.when.is_empty()) {
                assert!(seen.insert(name), "{name}");
            }
        }
    }

    #[test]
    fn a_wrong_table_is_an_error() {
        for wrong in [
            "allow = 3",
            "[[allow]]\nreason='x'\ncalls=['no_such_call']",
            "[[allow]]\nreason=' '\ncalls=['read']",
        ] {
            assert!(Filter::compile(wrong, "x86_64").is_err(), "{wrong}");
        }
    }
}

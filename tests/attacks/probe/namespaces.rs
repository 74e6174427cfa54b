//! New namespaces, joining others, and what a namespace of one's own would open up.

use nix::libc;

use crate::system::{Outcome, address, call, in_copy, own_namespaces, text};
use crate::{Probe, Stage};

pub(crate) const PROBES: &[Probe] = &[
    ("unshare-user", |_| own_namespaces(0).map(|()| "a user namespace".to_owned())),
    ("unshare-network", |_| own_namespaces(libc::CLONE_NEWNET).map(|()| "a network namespace".to_owned())),
    ("clone-user", clone_user),
    ("clone3-user", clone3_user),
    ("join-namespace", join_namespace),
    ("change-root-directory", change_root_directory),
    ("set-host-name", set_host_name),
    ("learn-host-name", learn_host_name),
    ("keep-bounding-capabilities", |_| status("CapBnd", |value| value.trim_matches('0').is_empty())),
    ("keep-way-to-privileges", |_| status("NoNewPrivs", |value| value == "1")),
    ("gain-capabilities", gain_capabilities),
];

fn flag(flag: libc::c_int) -> usize {
    usize::try_from(flag).unwrap_or(0)
}

fn clone_user(_: &Stage) -> Outcome {
    let flags = flag(libc::CLONE_NEWUSER | libc::SIGCHLD);
    let pid = call(libc::SYS_clone, &[flags])?;
    if pid == 0 {
        std::process::exit(0);
    }
    Ok("a process in a user namespace".to_owned())
}

/// The flags lie in memory, where a filter of numbers cannot see them.
fn clone3_user(_: &Stage) -> Outcome {
    let arguments: [u64; 11] = [
        u64::from(libc::CLONE_NEWUSER.cast_unsigned()),
        0,
        0,
        0,
        u64::from(libc::SIGCHLD.cast_unsigned()),
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    let pid = call(libc::SYS_clone3, &[address(&arguments), size_of_val(&arguments)])?;
    if pid == 0 {
        std::process::exit(0);
    }
    Ok("a process in a user namespace".to_owned())
}

fn join_namespace(_: &Stage) -> Outcome {
    // As far as one's own reach: without capabilities there is nothing else to join.
    let _ = own_namespaces(libc::CLONE_NEWUTS);
    let space = std::fs::File::open("/proc/self/ns/uts").map_err(|error| crate::errno(&error))?;
    call(libc::SYS_setns, &[crate::system::number(&space), 0])?;
    Ok("joined".to_owned())
}

fn change_root_directory(_: &Stage) -> Outcome {
    let _ = own_namespaces(0);
    call(libc::SYS_chroot, &[text(c"/tmp")])?;
    Ok("another root".to_owned())
}

fn set_host_name(_: &Stage) -> Outcome {
    let _ = own_namespaces(libc::CLONE_NEWUTS);
    call(libc::SYS_sethostname, &[text(c"owned"), 5])?;
    Ok("another name".to_owned())
}

fn learn_host_name(stage: &Stage) -> Outcome {
    let name = nix::unistd::gethostname()?;
    if name.to_string_lossy() == stage.get("host-name")? {
        return Ok("the machine's".to_owned());
    }
    Err(nix::errno::Errno::ENOENT)
}

fn status(key: &str, harmless: impl Fn(&str) -> bool) -> Outcome {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| crate::errno(&error))?;
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .ok_or(nix::errno::Errno::EINVAL)?
        .trim();
    if harmless(value) { Err(nix::errno::Errno::EPERM) } else { Ok(format!("{key} is {value}")) }
}

/// By way of a user namespace: a capability in it is one over whatever is made in it.
fn gain_capabilities(_: &Stage) -> Outcome {
    let ended = in_copy(|| {
        let _ = own_namespaces(0);
        // Succeeds with CAP_SETPCAP only.
        i32::from(call(libc::SYS_prctl, &[flag(libc::PR_CAPBSET_DROP), 21]).is_err())
    })?;
    if ended == 0 { Ok("CAP_SETPCAP".to_owned()) } else { Err(nix::errno::Errno::EPERM) }
}

//! Mounts, by the old and the new calls, from a user namespace of one's own where one can be had.

use nix::errno::Errno;
use nix::libc;

use crate::Probe;
use crate::system::{Outcome, address, address_mut, call, own_namespaces, text};

pub(crate) const PROBES: &[Probe] = &[
    ("mount-memory", |_| mounted(mount)),
    ("unmount", |_| mounted(|| mount().and_then(|_| call(libc::SYS_umount2, &[text(c"/tmp"), 2])))),
    ("open-new-file-system", |_| mounted(open_file_system)),
    ("open-mount-tree", |_| mounted(|| open_tree(c"/tmp"))),
    ("move-mount", |_| mounted(move_mount)),
    ("change-mount-attributes", |_| mounted(change_attributes)),
    ("pivot-root", |_| mounted(pivot)),
    ("name-file-by-handle", |_| mounted(handle)),
    ("list-mounts", |_| list_mounts()),
    ("remount", |_| mounted(remount)),
];

const CLONE_TREE: usize = 1;
const MOVE_EMPTY_SOURCE: usize = 4;
const HERE: usize = libc::AT_FDCWD.cast_unsigned() as usize;

fn mounted(act: impl FnOnce() -> Result<usize, Errno>) -> Outcome {
    // If this is refused, what follows is too, and says why.
    let _ = own_namespaces(libc::CLONE_NEWNS);
    act().map(|value| format!("gave {value}"))
}

fn mount() -> Result<usize, Errno> {
    call(libc::SYS_mount, &[text(c"x"), text(c"/tmp"), text(c"tmpfs"), 0, 0])
}

fn open_file_system() -> Result<usize, Errno> {
    call(libc::SYS_fsopen, &[text(c"tmpfs"), 0])
}

fn open_tree(path: &std::ffi::CStr) -> Result<usize, Errno> {
    call(libc::SYS_open_tree, &[HERE, text(path), CLONE_TREE])
}

fn move_mount() -> Result<usize, Errno> {
    let tree = open_tree(c"/tmp")?;
    call(libc::SYS_move_mount, &[tree, text(c""), HERE, text(c"/workspace"), MOVE_EMPTY_SOURCE])
}

fn change_attributes() -> Result<usize, Errno> {
    let attributes = [libc::MOUNT_ATTR_NOSUID, 0, 0, 0];
    call(libc::SYS_mount_setattr, &[HERE, text(c"/tmp"), 0, address(&attributes), size_of_val(&attributes)])
}

fn pivot() -> Result<usize, Errno> {
    mount()?;
    std::env::set_current_dir("/tmp").map_err(|error| crate::errno(&error))?;
    call(libc::SYS_pivot_root, &[text(c"."), text(c".")])
}

/// Files by number instead of path are files past every path rule.
fn handle() -> Result<usize, Errno> {
    mount()?;
    std::fs::write("/tmp/named", "x").or_else(|_| std::fs::create_dir("/tmp/named")).ok();
    let mut handle = [0_u32; 34];
    handle[0] = 128;
    let mut number = 0_i32;
    let place = address_mut(&mut handle);
    call(libc::SYS_name_to_handle_at, &[HERE, text(c"/tmp"), place, address_mut(&mut number), 0])?;
    let open = std::fs::File::open("/tmp").map_err(|error| crate::errno(&error))?;
    call(libc::SYS_open_by_handle_at, &[crate::system::number(&open), place, 0])
}

fn list_mounts() -> Outcome {
    let request = [24_u64, u64::MAX, 0];
    let mut found = [0_u64; 64];
    let number = 458;
    call(number, &[address(&request), address_mut(&mut found), found.len(), 0]).map(|n| format!("{n} mounts"))
}

fn remount() -> Result<usize, Errno> {
    // A copy of one's own first: what the namespace above made is locked.
    call(libc::SYS_mount, &[text(c"/tmp"), text(c"/tmp"), 0, flag(libc::MS_BIND), 0])?;
    let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_NOSUID | libc::MS_NODEV;
    call(libc::SYS_mount, &[0, text(c"/tmp"), 0, flag(flags), 0])
}

fn flag(flags: libc::c_ulong) -> usize {
    usize::try_from(flags).unwrap_or(0)
}

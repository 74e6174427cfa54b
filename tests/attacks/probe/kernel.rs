//! Parts of the kernel that programs have no business with, and through which kernels are attacked.

use nix::errno::Errno;
use nix::libc;

use crate::Probe;
use crate::system::{Outcome, address, address_mut, call, own_namespaces, served, text};

const GETTING: usize = 0;
const TTY_INJECT: usize = 0x5412;
const TTY_CONSOLE: usize = 0x541c;

pub(crate) const PROBES: &[Probe] = &[
    ("add-key", |_| add_key()),
    ("read-session-keyring", |_| {
        served(libc::SYS_keyctl, &[GETTING, (-3_isize).cast_unsigned(), 0], &[Errno::ENOKEY])
    }),
    ("request-key", |_| request_key()),
    ("io-uring", |_| io_uring()),
    ("bpf", |_| bpf()),
    ("perf", |_| perf()),
    ("userfaultfd", |_| call(libc::SYS_userfaultfd, &[1]).map(|fd| format!("descriptor {fd}"))),
    ("fanotify", |_| call(libc::SYS_fanotify_init, &[0x200, 0]).map(|fd| format!("descriptor {fd}"))),
    ("personality", |_| call(libc::SYS_personality, &[0x040_0000]).map(|old| format!("was {old:x}"))),
    ("quotactl", |_| call(libc::SYS_quotactl, &[0x0080_0001 << 8, 0, 0, 0]).map(|_| "synced".to_owned())),
    ("steer-clock", |_| steer_clock()),
    ("asynchronous-io", |_| asynchronous_io()),
    ("secret-memory", |_| call(447, &[0]).map(|fd| format!("descriptor {fd}"))),
    ("message-queue-sysv", |_| call(libc::SYS_msgget, &[0, 0o1600]).map(|id| format!("queue {id}"))),
    ("semaphore-sysv", |_| call(libc::SYS_semget, &[0, 1, 0o1600]).map(|id| format!("set {id}"))),
    ("memory-policy", |_| call(libc::SYS_set_mempolicy, &[0, 0, 0]).map(|_| "set".to_owned())),
    ("inject-terminal-input", |_| terminal(TTY_INJECT)),
    ("inject-terminal-input-high-bits", |_| terminal(TTY_INJECT | 1 << 32)),
    ("control-console", |_| terminal(TTY_CONSOLE)),
    ("load-module", |_| load_module()),
    ("load-kernel", |_| served(libc::SYS_kexec_load, &[0, 0, 0, 0], &[Errno::EINVAL])),
    ("reboot", |_| served(libc::SYS_reboot, &[1, 2, 3, 0], &[Errno::EINVAL])),
    ("swap-on", |_| served(libc::SYS_swapon, &[text(c"/dev/null"), 0], &[Errno::EINVAL, Errno::ENOTBLK])),
    ("accounting", |_| served(libc::SYS_acct, &[text(c"/dev/null")], &[Errno::EACCES])),
    ("set-clock", |_| call(libc::SYS_settimeofday, &[0, 0]).map(|_| "set".to_owned())),
    ("descriptor-table", |_| descriptor_table()),
];

fn add_key() -> Outcome {
    let session = (-3_isize).cast_unsigned();
    call(libc::SYS_add_key, &[text(c"user"), text(c"testudo-probe"), text(c"x"), 1, session])
        .map(|key| format!("key {key}"))
}

fn request_key() -> Outcome {
    served(libc::SYS_request_key, &[text(c"user"), text(c"testudo-no-such"), 0, 0], &[Errno::ENOKEY])
}

fn io_uring() -> Outcome {
    let mut parameters = [0_u32; 30];
    call(libc::SYS_io_uring_setup, &[1, address_mut(&mut parameters)]).map(|fd| format!("descriptor {fd}"))
}

/// Looks at a map by a descriptor that is none: everybody may, whom nothing forbids the call.
fn bpf() -> Outcome {
    let attributes = [u32::MAX; 16];
    served(libc::SYS_bpf, &[1, address(&attributes), 32], &[Errno::EBADF, Errno::EINVAL])
}

/// Counts one's own task clock, user space only.
fn perf() -> Outcome {
    let mut attributes = [0_u64; 16];
    attributes[0] = 1 | 128 << 32;
    attributes[1] = 1;
    // disabled, exclude_kernel, exclude_hv
    attributes[5] = 1 | 1 << 5 | 1 << 6;
    let anywhere = (-1_isize).cast_unsigned();
    call(libc::SYS_perf_event_open, &[address(&attributes), 0, anywhere, anywhere, 0])
        .map(|fd| format!("descriptor {fd}"))
}

fn steer_clock() -> Outcome {
    // Asks only; setting needs a capability that no user namespace gives.
    let mut timex = [0_u64; 64];
    call(libc::SYS_adjtimex, &[address_mut(&mut timex)]).map(|state| format!("state {state}"))
}

fn asynchronous_io() -> Outcome {
    let mut context = 0_usize;
    call(libc::SYS_io_setup, &[1, address_mut(&mut context)]).map(|_| "a context".to_owned())
}

/// Something that is no terminal answers ENOTTY: then the kernel took the command.
fn terminal(command: usize) -> Outcome {
    let byte = b'x';
    served(libc::SYS_ioctl, &[1, command, address(&byte)], &[Errno::ENOTTY])
}

fn load_module() -> Outcome {
    let _ = own_namespaces(0);
    served(libc::SYS_init_module, &[0, 0, text(c"")], &[Errno::ENOEXEC, Errno::EFAULT])
}

/// The processor's own tables of segments; a wealth of kernel bugs.
#[cfg(target_arch = "x86_64")]
fn descriptor_table() -> Outcome {
    let mut table = [0_u8; 64];
    call(libc::SYS_modify_ldt, &[0, address_mut(&mut table), table.len()]).map(|n| format!("{n} bytes"))
}

/// Where there are none, another rarely used call.
#[cfg(not(target_arch = "x86_64"))]
fn descriptor_table() -> Outcome {
    call(libc::SYS_remap_file_pages, &[0, 0, 0, 0, 0]).map(|n| format!("{n}"))
}

use super::*;

/// What no table may name: kernels are attacked through it, and no tool needs it.
const NEVER: [&str; 45] = [
    "ptrace",
    "mount",
    "umount2",
    "pivot_root",
    "unshare",
    "setns",
    "bpf",
    "keyctl",
    "add_key",
    "request_key",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "perf_event_open",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "open_by_handle_at",
    "pidfd_getfd",
    "chroot",
    "mount_setattr",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "open_tree",
    "quotactl",
    "reboot",
    "swapon",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "sethostname",
    "setdomainname",
    "iopl",
    "ioperm",
    "kcmp",
    "syslog",
    "acct",
];

fn table(profile: Profile) -> Table {
    Table::read(shipped(profile)).unwrap()
}

fn allowed(table: &Table) -> Vec<&str> {
    table.allow.iter().flat_map(|allow| &allow.calls).map(String::as_str).collect()
}

#[test]
fn the_shipped_tables_compile_for_both_architectures() {
    for profile in Profile::ALL {
        for arch in ["x86_64", "aarch64"] {
            let filter = Filter::compile(shipped(profile), arch);
            let filter = filter.unwrap_or_else(|error| panic!("{profile:?} {arch}: {error}"));
            assert!(!filter.0.is_empty());
        }
    }
}

#[test]
fn what_attacks_kernels_is_in_no_table() {
    for profile in Profile::ALL {
        let table = table(profile);
        let allowed = allowed(&table);
        for name in NEVER {
            assert!(!allowed.contains(&name), "{profile:?} {name}");
        }
    }
}

#[test]
fn strict_starts_no_process_and_opens_nothing_to_write() {
    let table = table(Profile::Strict);
    let allowed = allowed(&table);
    for name in [
        "clone",
        "clone3",
        "fork",
        "vfork",
        "execve",
        "execveat",
        "socket",
        "socketpair",
        "connect",
        "kill",
        "ioctl",
        "unlinkat",
        "renameat2",
        "mkdirat",
        "mknodat",
        "linkat",
        "truncate",
        "ftruncate",
        "fchmod",
        "setxattr",
        "memfd_create",
        "openat2",
        "creat",
        "pidfd_send_signal",
        "seccomp",
    ] {
        assert!(!allowed.contains(&name), "{name}");
    }
}

#[test]
fn each_profile_allows_what_the_narrower_ones_do() {
    for pair in Profile::ALL.windows(2) {
        let [narrow, wide] = pair else { panic!("a window of two") };
        let (narrow, wide) = (table(*narrow), table(*wide));
        let wide = allowed(&wide);
        for name in allowed(&narrow) {
            assert!(wide.contains(&name), "{name}");
        }
    }
}

#[test]
fn every_entry_has_a_reason_and_no_call_is_listed_twice_without_conditions() {
    for profile in Profile::ALL {
        let table = table(profile);
        let mut seen = std::collections::BTreeSet::new();
        for allow in &table.allow {
            assert!(allow.reason.len() >= 6, "{allow:?}");
            for name in allow.calls.iter().filter(|_| allow.when.is_empty()) {
                assert!(seen.insert(name), "{profile:?} {name}");
            }
        }
        let refused = table.refuse.iter().flat_map(|refuse| &refuse.calls);
        let both: Vec<_> = refused.filter(|name| allowed(&table).contains(&name.as_str())).collect();
        assert!(both.is_empty(), "{both:?}");
    }
}

#[test]
fn a_table_says_the_last_word_on_a_call_of_its_base() {
    let text =
        "extends = 'standard'\n[[refuse]]\nreason = 'here'\nerror = 'EACCES'\ncalls = ['execve', 'openat']";
    let table = Table::read(text).unwrap();
    assert!(!allowed(&table).contains(&"execve") && !allowed(&table).contains(&"openat"));
    assert!(allowed(&table).contains(&"read"));
    assert!(Filter::compile(text, "x86_64").is_ok());
}

#[test]
fn a_profile_wider_than_the_template_has_no_filter() {
    let filters = Filters::up_to(Profile::Strict).unwrap();
    assert!(filters.of(Profile::Strict).is_ok());
    let error = filters.of(Profile::Standard).unwrap_err();
    assert!(error.to_string().contains("wider"), "{error}");
}

#[test]
fn a_wrong_table_is_an_error() {
    for wrong in [
        "allow = 3",
        "extends = 'nothing'",
        "[[allow]]\nreason='x'\ncalls=['no_such_call']",
        "[[allow]]\nreason=' '\ncalls=['read']",
        "[[allow]]\nreason='x'\ncalls=['read']\nwhen=[{argument=0}]",
        "[[allow]]\nreason='x'\ncalls=['read']\nwhen=[{argument=0, is=1, not=2}]",
        "[[allow]]\nreason='x'\ncalls=['read']\nwhen=[{argument=0, mask=1, not=2}]",
    ] {
        assert!(Filter::compile(wrong, "x86_64").is_err(), "{wrong}");
    }
}

/// What a call gives under a profile: 0 or an error number. Tried in a process of its own, which the filter then binds.
fn under(profile: Profile, number: nix::libc::c_long, arguments: [u64; 4]) -> i32 {
    let filter = Filter::shipped(profile).unwrap();
    match crate::syscall::clone_into(0).unwrap() {
        crate::syscall::Fork::Child => {
            nix::sys::prctl::set_no_new_privs().unwrap();
            filter.load().unwrap();
            crate::syscall::exit_now(crate::syscall::tried(number, arguments));
        }
        crate::syscall::Fork::Parent(pid) => {
            let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
            match status {
                nix::sys::wait::WaitStatus::Exited(_, code) => code,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn the_kernel_answers_as_the_tables_say() {
    use Profile::{Standard, StandardNet, Strict};
    use nix::libc::*;
    let (stream, dgram, raw) = (SOCK_STREAM as u64, SOCK_DGRAM as u64, SOCK_RAW as u64);
    let (inet, unix, inet6) = (AF_INET as u64, AF_UNIX as u64, AF_INET6 as u64);
    let here = AT_FDCWD.cast_unsigned().into();
    let root = c"/".as_ptr() as u64;
    let bad = u64::MAX;
    for (profile, number, arguments, expected) in [
        // Sockets: TCP over IPv4 and nothing else.
        (StandardNet, SYS_socket, [inet, stream, 0, 0], 0),
        (StandardNet, SYS_socket, [inet, stream | SOCK_CLOEXEC as u64 | SOCK_NONBLOCK as u64, 6, 0], 0),
        (StandardNet, SYS_socket, [inet, dgram, 0, 0], EPERM),
        (StandardNet, SYS_socket, [inet, raw, 1, 0], EPERM),
        (StandardNet, SYS_socket, [inet, stream, IPPROTO_MPTCP as u64, 0], EPERM),
        (StandardNet, SYS_socket, [inet6, stream, 0, 0], EPERM),
        (StandardNet, SYS_socket, [unix, stream, 0, 0], EPERM),
        (StandardNet, SYS_socket, [AF_NETLINK as u64, raw, 0, 0], EPERM),
        (StandardNet, SYS_socket, [AF_VSOCK as u64, stream, 0, 0], EPERM),
        (StandardNet, SYS_connect, [bad, 0, 0, 0], EBADF),
        (StandardNet, SYS_bind, [bad, 0, 0, 0], EACCES),
        (StandardNet, SYS_listen, [bad, 0, 0, 0], EACCES),
        (StandardNet, SYS_accept4, [bad, 0, 0, 0], EACCES),
        (StandardNet, SYS_sendto, [bad, 0, 0, 0], EBADF),
        (StandardNet, SYS_sendto, [bad, 0, 0, MSG_FASTOPEN as u64], EPERM),
        (StandardNet, SYS_sendmsg, [bad, 0, MSG_FASTOPEN as u64, 0], EPERM),
        (StandardNet, SYS_sendmmsg, [bad, 0, 0, MSG_FASTOPEN as u64], EPERM),
        (Standard, SYS_socket, [inet, stream, 0, 0], EACCES),
        (Standard, SYS_socketpair, [inet, stream, 0, 0], EPERM),
        // Namespaces, terminals, personality, what a process tells of itself.
        (Standard, SYS_clone, [(CLONE_NEWUSER | SIGCHLD) as u64, 0, 0, 0], EPERM),
        (Standard, SYS_clone, [(CLONE_NEWNS | SIGCHLD) as u64, 0, 0, 0], EPERM),
        (Standard, SYS_clone3, [0, 0, 0, 0], ENOSYS),
        (Standard, SYS_unshare, [CLONE_NEWUSER as u64, 0, 0, 0], EPERM),
        (Standard, SYS_ioctl, [bad, TIOCSTI, 0, 0], EPERM),
        (Standard, SYS_ioctl, [bad, TIOCSTI | 1 << 32, 0, 0], EPERM),
        (Standard, SYS_ioctl, [bad, 0x541c, 0, 0], EPERM),
        (Standard, SYS_ioctl, [bad, 0x5413, 0, 0], EBADF),
        (Standard, SYS_personality, [0x0004_0000, 0, 0, 0], EPERM),
        (Standard, SYS_personality, [0xffff_ffff, 0, 0, 0], 0),
        (Standard, SYS_prctl, [PR_SET_MM as u64, 0, 0, 0], EPERM),
        (Standard, SYS_prctl, [PR_SET_SECUREBITS as u64, 0, 0, 0], EPERM),
        (Standard, SYS_prctl, [PR_SET_NO_NEW_PRIVS as u64, 1, 0, 0], 0),
        (Standard, SYS_openat, [here, root, O_WRONLY as u64, 0], EISDIR),
        // Strict: opens to read, starts nothing.
        (Strict, SYS_openat, [here, root, (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK) as u64, 0], 0),
        (Strict, SYS_openat, [here, root, O_WRONLY as u64, 0], EPERM),
        (Strict, SYS_openat, [here, root, O_RDWR as u64, 0], EPERM),
        (Strict, SYS_openat, [here, root, (O_RDONLY | O_CREAT) as u64, 0o600], EPERM),
        (Strict, SYS_openat, [here, root, (O_RDONLY | O_TRUNC) as u64, 0], EPERM),
        (Strict, SYS_openat, [here, root, (O_RDWR | O_TMPFILE) as u64, 0o600], EPERM),
        (Strict, SYS_openat2, [here, root, 0, 0], ENOSYS),
        (Strict, SYS_clone, [SIGCHLD as u64, 0, 0, 0], EPERM),
        (Strict, SYS_execve, [root, 0, 0, 0], EPERM),
        (Strict, SYS_kill, [1, 0, 0, 0], EPERM),
        (Strict, SYS_unlinkat, [here, root, 0, 0], EPERM),
        (Strict, SYS_socketpair, [unix, stream, 0, 0], EPERM),
        (Strict, SYS_ptrace, [0, 0, 0, 0], EPERM),
        (Strict, SYS_io_uring_setup, [1, 0, 0, 0], ENOSYS),
    ] {
        assert_eq!(under(profile, number, arguments), expected, "{profile:?} {number} {arguments:x?}");
    }
}

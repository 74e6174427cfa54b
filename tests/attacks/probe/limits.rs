//! Using the machine up. Each takes a little more than a call may have, and gives it back.

use std::fs::{self, File};
use std::io::Write as _;

use nix::errno::Errno;
use nix::libc;

use crate::system::{Outcome, Sleeper, address_mut, call, number};
use crate::{Probe, errno};

pub(crate) const PROBES: &[Probe] = &[
    ("many-processes", |_| many_processes()),
    ("many-threads", |_| many_threads()),
    ("much-memory", |_| much_memory()),
    ("locked-memory", |_| locked_memory()),
    ("huge-file", |_| huge_file("/workspace/.testudo-probe-huge", 80)),
    ("huge-hidden-file", |_| huge_hidden_file()),
    ("full-disk", |_| full_disk()),
    ("many-files", |_| many_files()),
    ("many-descriptors", |_| many_descriptors()),
    ("much-output", |_| much_output()),
    ("much-processor-time", |_| much_processor_time()),
    ("past-deadline", |_| past_deadline()),
    ("message-queue-posix", |_| message_queue()),
    ("raise-limits", |_| raise_limits()),
];

const MIB: usize = 1024 * 1024;

fn many_processes() -> Outcome {
    let children: Result<Vec<Sleeper>, Errno> = (0..200).map(|_| Sleeper::start()).collect();
    children.map(|all| format!("{} processes", all.len()))
}

fn many_threads() -> Outcome {
    let mut threads = Vec::new();
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let mut stopped = None;
    for _ in 0..200 {
        let wait = wait.clone();
        let builder = std::thread::Builder::new().stack_size(64 * 1024);
        match builder.spawn(move || wait.lock().is_ok_and(|wait| wait.recv().is_ok())) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                stopped = Some(errno(&error));
                break;
            }
        }
    }
    drop(release);
    let count = threads.len();
    for thread in threads {
        drop(thread.join());
    }
    stopped.map_or_else(|| Ok(format!("{count} threads")), Err)
}

/// Asked for, never touched: a limit on what may be had is one on what may be used.
fn much_memory() -> Outcome {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    let length = 20 * 1024 * MIB;
    let arguments =
        [0, length, rights.cast_unsigned() as usize, flags.cast_unsigned() as usize, usize::MAX, 0];
    call(libc::SYS_mmap, &arguments).map(|_| "20 GiB".to_owned())
}

fn locked_memory() -> Outcome {
    let memory = vec![1_u8; MIB];
    call(libc::SYS_mlock, &[memory.as_ptr() as usize, memory.len()]).map(|_| "1 MiB".to_owned())
}

fn huge_file(path: &str, mib: usize) -> Outcome {
    // The limit's signal would end the probe before it can say so.
    ignore_file_size_signal();
    let result = File::create(path).and_then(|mut file| {
        let block = vec![0_u8; MIB];
        (0..mib).try_for_each(|_| file.write_all(&block))
    });
    let _ = fs::remove_file(path);
    result.map(|()| format!("{mib} MiB")).map_err(|error| errno(&error))
}

fn ignore_file_size_signal() {
    let ignore = nix::sys::signal::SigSet::from(nix::sys::signal::Signal::SIGXFSZ);
    let _ = ignore.thread_block();
}

/// In memory, under no path.
fn huge_hidden_file() -> Outcome {
    ignore_file_size_signal();
    let file = nix::sys::memfd::memfd_create(c"huge", nix::sys::memfd::MFdFlags::empty())?;
    call(libc::SYS_ftruncate, &[number(&file), 5 * 1024 * MIB]).map(|_| "5 GiB".to_owned())
}

/// Several files, none of which is too large by itself.
fn full_disk() -> Outcome {
    let path = |index: usize| format!("/workspace/.testudo-probe-{index}");
    let written = (0..6).try_for_each(|index| {
        let block = vec![0_u8; MIB];
        let mut file = File::create(path(index))?;
        (0..50).try_for_each(|_| file.write_all(&block))
    });
    (0..6).for_each(|index| drop(fs::remove_file(path(index))));
    written.map(|()| "300 MiB".to_owned()).map_err(|error| errno(&error))
}

fn many_files() -> Outcome {
    let folder = "/workspace/.testudo-probe-files";
    let made = fs::create_dir(folder)
        .and_then(|()| (0..51_000).try_for_each(|index| fs::create_dir(format!("{folder}/{index}"))));
    let _ = fs::remove_dir_all(folder);
    made.map(|()| "51000 folders".to_owned()).map_err(|error| errno(&error))
}

fn many_descriptors() -> Outcome {
    // Up to what is allowed at most, which a program may do by itself.
    let mut limit = [0_u64; 2];
    call(libc::SYS_prlimit64, &[0, 7, 0, address_mut(&mut limit)])?;
    limit[0] = limit[1];
    call(libc::SYS_prlimit64, &[0, 7, address_mut(&mut limit), 0])?;
    let files: Result<Vec<File>, _> = (0..4200).map(|_| File::open("/dev/null")).collect();
    files.map(|all| format!("{} descriptors", all.len())).map_err(|error| errno(&error))
}

/// More than a call may print; what is above the limit never comes, so it is said at the end.
fn much_output() -> Outcome {
    let block = vec![b'x'; MIB];
    let mut out = std::io::stdout();
    for _ in 0..3 {
        out.write_all(&block).map_err(|error| errno(&error))?;
    }
    out.write_all(b"\n").map_err(|error| errno(&error))?;
    Ok("3 MiB".to_owned())
}

/// Asks the kernel when it would end this; waiting for it would take as long.
fn much_processor_time() -> Outcome {
    let mut limit = [0_u64; 2];
    call(libc::SYS_prlimit64, &[0, 0, 0, address_mut(&mut limit)])?;
    if limit[1] > 4000 { Ok(format!("{} seconds", limit[1])) } else { Err(Errno::EPERM) }
}

/// Sleeps through every polite request to end.
fn past_deadline() -> Outcome {
    let all = nix::sys::signal::SigSet::all();
    all.thread_block()?;
    std::thread::sleep(std::time::Duration::from_millis(1500));
    Ok("1.5 s".to_owned())
}

fn message_queue() -> Outcome {
    let name = c"testudo-probe";
    let make = usize::try_from(libc::O_CREAT | libc::O_RDWR).unwrap_or(0);
    call(libc::SYS_mq_open, &[crate::system::text(name), make, 0o600, 0])?;
    let _ = call(libc::SYS_mq_unlink, &[crate::system::text(name)]);
    Ok("a queue".to_owned())
}

/// Each limit to the most that there is.
fn raise_limits() -> Outcome {
    let mut raised = Vec::new();
    // Core files, data, processes, open files, locked memory, message queues.
    for resource in [4_usize, 2, 6, 7, 8, 12] {
        let mut now = [0_u64; 2];
        call(libc::SYS_prlimit64, &[0, resource, 0, address_mut(&mut now)])?;
        if now[1] == u64::MAX {
            raised.push(resource);
        }
    }
    if raised.is_empty() { Err(Errno::EPERM) } else { Ok(format!("{raised:?} have none")) }
}

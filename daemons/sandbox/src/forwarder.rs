//! The way out of a call that runs programs: a process of its own that carries bytes between the call and `egressd`.
//!
//! It listens at the ports of one call on the loopback device, for the time of that call. What connects there is led to
//! the socket of `egressd`, after a frame with the call's ticket, which the call never sees; what connects to the port of
//! a tunnel is led through a CONNECT to that tunnel's host. It has nothing but these sockets: no file, no program, no
//! process, no other address. It dies with the call, and with the zygote.

mod pair;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, accept4, connect, socket};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};

use crate::layers::{Layer, Layers};
use crate::protocol::{Network, Tunnel};
use crate::seccomp::Filter;
use crate::syscall::{self, Fork};
use crate::tunnels::PROXY;
use pair::Pair;

/// The system calls that are left to it.
const TABLE: &str = include_str!("../../../policies/seccomp/forwarder.toml");
/// Most connections at once; more wait. As many as `egressd` gives to a call.
const MOST: usize = 32;

/// A running forwarder; dropping it ends it with all of its connections.
#[derive(Debug)]
pub(crate) struct Forwarder(Pid);

impl Forwarder {
    /// Starts one for a call.
    pub(crate) fn start(egress: &Path, network: &Network, layers: Layers) -> io::Result<Self> {
        let filter = Filter::compile(TABLE, std::env::consts::ARCH).map_err(io::Error::other)?;
        let listen = |port: u16, tunnel: Option<Tunnel>| -> io::Result<Door> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok(Door { listener, tunnel })
        };
        let mut doors = vec![listen(PROXY, None)?];
        for tunnel in &network.tunnels {
            doors.push(listen(tunnel.local, Some(tunnel.clone()))?);
        }
        let address = UnixAddr::new(egress)?;
        let hello = hello(&network.ticket);
        let zygote = nix::unistd::getpid();
        match syscall::clone_into(0)? {
            Fork::Parent(pid) => Ok(Self(Pid::from_raw(pid))),
            Fork::Child => {
                let confined = confine(zygote, &doors, &filter, layers);
                let ended = confined.and_then(|()| Hall { doors, address, hello, pairs: Vec::new() }.serve());
                if let Err(error) = ended {
                    eprintln!("<4>the forwarder of a call ends: {error}");
                }
                syscall::exit_now(1)
            }
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        // It cannot be another process: this one has not been waited for yet.
        let _ = kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// The frame that tells `egressd` whose connection this is.
pub(crate) fn hello(ticket: &str) -> Vec<u8> {
    let mut frame = serde_json::json!({ "ticket": ticket }).to_string().into_bytes();
    frame.push(0);
    frame
}

/// Gives up everything that carrying bytes does not need.
fn confine(zygote: Pid, doors: &[Door], filter: &Filter, layers: Layers) -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != zygote {
        return Err(io::Error::other("the zygote is gone"));
    }
    SigSet::empty().thread_set_mask()?;
    let kept = doors.iter().map(|door| door.listener.as_raw_fd()).collect();
    syscall::close_all_but(kept)?;
    // Two for each connection, the doors, and the standard three.
    setrlimit(Resource::RLIMIT_NOFILE, 128, 128)?;
    setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    prctl::set_no_new_privs()?;
    if layers.has(Layer::Landlock) {
        restrict().map_err(io::Error::other)?;
    }
    if layers.has(Layer::Seccomp) {
        filter.load().map_err(io::Error::other)?;
    }
    Ok(())
}

/// No file at all, no TCP of its own, no signal to others. That it connects to a path is no file access in this ABI.
fn restrict() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Ok(()),
        _ => Err("the kernel enforces only part of the forwarder's restrictions".into()),
    }
}

/// A port at which the call may knock.
struct Door {
    listener: TcpListener,
    tunnel: Option<Tunnel>,
}

/// Everything that the process holds.
struct Hall {
    doors: Vec<Door>,
    address: UnixAddr,
    hello: Vec<u8>,
    pairs: Vec<Pair>,
}

impl Hall {
    fn serve(mut self) -> io::Result<()> {
        loop {
            let open = if self.pairs.len() < MOST { self.doors.as_slice() } else { &[] };
            let mut polled: Vec<_> =
                open.iter().map(|door| PollFd::new(door.listener.as_fd(), PollFlags::POLLIN)).collect();
            let knocking = polled.len();
            let mut counts = Vec::with_capacity(self.pairs.len());
            for pair in &self.pairs {
                let before = polled.len();
                polled.extend(pair.wishes());
                counts.push(polled.len() - before);
            }
            match poll(&mut polled, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let happened: Vec<bool> = polled.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            drop(polled);
            let (doors, pairs) = happened.split_at(knocking);
            let mut pairs = pairs.iter();
            let mut counts = counts.into_iter();
            self.pairs.retain_mut(|pair| {
                let moved =
                    pairs.by_ref().take(counts.next().unwrap_or_default()).fold(false, |any, one| any | one);
                !moved || pair.carry()
            });
            let knocked: Vec<usize> =
                doors.iter().enumerate().filter(|(_, one)| **one).map(|(at, _)| at).collect();
            for at in knocked {
                self.admit(at);
            }
        }
    }

    /// Takes one connection in. One that cannot be led on is closed, which its program sees.
    fn admit(&mut self, door: usize) {
        let Some(door) = self.doors.get(door) else { return };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let Ok(client) = accept4(door.listener.as_raw_fd(), flags) else { return };
        let client = syscall::adopt(client);
        let Ok(egress) = self.connect() else { return };
        self.pairs.push(Pair::new(client.into(), egress.into(), &self.hello, door.tunnel.as_ref()));
    }

    fn connect(&self) -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let egress = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(egress.as_raw_fd(), &self.address)?;
        Ok(egress)
    }
}

/// An open connection to `egressd` that belongs to a call, for a built-in tool that may open none.
pub(crate) fn connection(egress: &Path, ticket: &str) -> io::Result<OwnedFd> {
    use std::io::Write;
    let mut stream = std::os::unix::net::UnixStream::connect(egress)?;
    stream.write_all(&hello(ticket))?;
    Ok(stream.into())
}

/// The variables by which programs find the forwarder.
pub(crate) fn variables() -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://127.0.0.1:{PROXY}");
    let names = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let own = ["no_proxy", "NO_PROXY"].map(|name| (name.to_owned(), "localhost,127.0.0.1".to_owned()));
    names.into_iter().map(move |name| (name.to_owned(), proxy.clone())).chain(own)
}

/// Where `egressd` is, as far as this sandbox knows.
pub(crate) fn socket_of(egress: Option<&PathBuf>) -> Result<&Path, String> {
    let path = egress.ok_or("this sandbox has no way out")?;
    if path.exists() {
        Ok(path)
    } else {
        Err("egressd is away: its socket is not in this sandbox".to_owned())
    }
}

#[cfg(test)]
mod tests;

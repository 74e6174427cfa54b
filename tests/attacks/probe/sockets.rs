//! Sockets of every kind, and what they could reach: servers of the machine, daemons, a container engine, other programs' memory.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as LocalAddr, UnixStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

use crate::system::{Outcome, call, own_namespaces};
use crate::{Probe, Stage, errno};

pub(crate) const PROBES: &[Probe] = &[
    ("make-unix-socket", |_| socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)),
    ("make-unix-datagram-socket", |_| socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)),
    ("make-tcp-socket", |_| socket(libc::AF_INET, libc::SOCK_STREAM, 0)),
    ("make-tcp6-socket", |_| socket(libc::AF_INET6, libc::SOCK_STREAM, 0)),
    ("make-udp-socket", |_| socket(libc::AF_INET, libc::SOCK_DGRAM, 0)),
    ("make-netlink-socket", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
    ("make-audit-socket", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 9)),
    ("make-machine-socket", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    ("make-packet-socket", |_| own_network(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    ("make-raw-socket", |_| own_network(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    ("make-socket-pair-tcp", |_| {
        let mut pair = [0_i32; 2];
        let place = crate::system::address_mut(&mut pair);
        crate::system::served(libc::SYS_socketpair, &[2, 1, 0, place], &[Errno::EOPNOTSUPP])
    }),
    ("connect-to-machine", |stage| tcp(port(stage)?)),
    ("connect-to-machine-by-datagram", |stage| udp(stage)),
    ("connect-to-abstract-socket", |stage| abstract_socket(stage.get("abstract")?)),
    ("connect-to-container-engine", |stage| path_socket(stage.get("engine")?)),
    ("connect-to-bus", |_| path_socket("/run/testudo/bus")),
    ("connect-to-egress", |_| path_socket("/run/testudo/egress/calls.sock")),
    ("listen", |_| listen()),
    ("attach-shared-memory", attach),
];

fn word(number: libc::c_int) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn socket(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> Outcome {
    call(libc::SYS_socket, &[word(family), word(kind), word(protocol)]).map(|fd| format!("descriptor {fd}"))
}

/// Where a capability is needed, in a network of one's own, where one would have it.
fn own_network(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> Outcome {
    let _ = own_namespaces(libc::CLONE_NEWNET);
    socket(family, kind, protocol)
}

fn port(stage: &Stage) -> Result<u16, Errno> {
    stage.get("tcp")?.parse().map_err(|_| Errno::EINVAL)
}

fn tcp(port: u16) -> Outcome {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(|error| errno(&error))?;
    Ok(format!("connected to {address}"))
}

fn udp(stage: &Stage) -> Outcome {
    let port: u16 = stage.get("udp")?.parse().map_err(|_| Errno::EINVAL)?;
    let act = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(b"hello", (Ipv4Addr::LOCALHOST, port))?;
        socket.recv(&mut [0; 16])
    };
    act().map(|length| format!("an answer of {length} bytes")).map_err(|error| errno(&error))
}

fn abstract_socket(name: &str) -> Outcome {
    let address = LocalAddr::from_abstract_name(name).map_err(|error| errno(&error))?;
    UnixStream::connect_addr(&address).map_err(|error| errno(&error))?;
    Ok("connected".to_owned())
}

/// Connected is reached: what a daemon would then make of the caller is the daemon's to say.
fn path_socket(path: &str) -> Outcome {
    let mut stream = UnixStream::connect(path).map_err(|error| errno(&error))?;
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    let _ = stream.write_all(b"\0").and_then(|()| stream.read(&mut [0; 1]));
    Ok(format!("connected to {path}"))
}

fn listen() -> Outcome {
    std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(|error| errno(&error))?;
    Ok("a port".to_owned())
}

fn attach(stage: &Stage) -> Outcome {
    let key: usize = stage.get("shared-memory")?.parse().map_err(|_| Errno::EINVAL)?;
    call(libc::SYS_shmget, &[key, 16, 0]).map(|id| format!("segment {id}"))
}

//! Networks, and the sockets of the daemons.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::attack::{Attack, EMPTY_NETWORK, LANDLOCK, OWN_NETWORK, OWN_ROOT, OWN_RUN, SECCOMP, unharmed};
use testudo_tests::Scene;

/// Families and types of sockets that an ordinary program may make, by their numbers.
const SOCKETS: [(&str, i32, i32); 7] = [
    ("unix", 1, 1),
    ("unix datagram", 1, 2),
    ("tcp", 2, 1),
    ("udp", 2, 2),
    ("tcp 6", 10, 1),
    ("udp 6", 10, 2),
    ("netlink", 16, 2),
];
/// These need a capability in the first place, which no call can have.
const PRIVILEGED_SOCKETS: [(&str, i32, i32); 3] = [("packet", 17, 3), ("raw", 2, 3), ("vsock", 40, 1)];

#[test]
fn making_any_socket() {
    let one =
        |(_, family, kind): &(&str, i32, i32)| format!("perl -e 'socket(S, {family}, {kind}, 0) or exit 1'");
    let scene = Scene::start();
    let before = scene.pids();
    for socket in SOCKETS.iter().chain(&PRIVILEGED_SOCKETS) {
        let said = scene.shell(&one(socket));
        assert_eq!(said["exit"], 1, "{}: {said}", socket.0);
    }
    unharmed(&scene, &before);
    let all: Vec<String> = SOCKETS.iter().map(one).collect();
    Attack::new(format!("{} && @DONE", all.join(" && "))).stopped_by(&[SECCOMP]);
}

#[test]
fn connecting_to_a_server_of_the_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    Attack::new(format!(
        "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(\"127.0.0.1:{port}\")' && @DONE"
    ))
    .stopped_by(&[OWN_NETWORK, EMPTY_NETWORK, LANDLOCK, SECCOMP]);
}

#[test]
fn connecting_to_an_abstract_socket() {
    let name = format!("testudo-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("it is free");
    Attack::new(format!(
        "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 1; \
         connect(S, pack(\"S\", AF_UNIX) . \"\\0{name}\") or exit 1' && @DONE"
    ))
    .stopped_by(&[OWN_NETWORK, EMPTY_NETWORK, LANDLOCK, SECCOMP]);
}

#[test]
fn connecting_to_the_bus() {
    // The bus is neither in sight of the instance nor of the call, and there is no socket to reach it with.
    Attack::new(
        "perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer => \"/run/testudo/bus\")' && @DONE",
    )
    .stopped_by(&[OWN_RUN, OWN_ROOT, SECCOMP]);
}

#[test]
fn the_daemons_sockets_are_not_in_sight() {
    let scene = Scene::start();
    let said = scene.shell("ls -d /run /run/testudo /run/testudo/*.sock /run/systemd /run/dbus");
    assert_eq!(said["stdout"], "", "{said}");
}

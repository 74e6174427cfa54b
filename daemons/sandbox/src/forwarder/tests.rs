use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::*;

/// Two ends of a pair that is carried in a thread until it is over: the program's, and that of `egressd`.
fn carried(tunnel: Option<&Tunnel>) -> (TcpStream, UnixStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (client, _) = listener.accept().unwrap();
    let (egress, far) = UnixStream::pair().unwrap();
    client.set_nonblocking(true).unwrap();
    egress.set_nonblocking(true).unwrap();
    let mut pair = Pair::new(client, egress, b"{}\0", tunnel);
    thread::spawn(move || {
        loop {
            let mut polled: Vec<_> = pair.wishes().collect();
            poll(&mut polled, PollTimeout::NONE).unwrap();
            drop(polled);
            if !pair.carry() {
                break;
            }
        }
    });
    (program, far)
}

fn exactly(from: &mut impl Read, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    from.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

fn rest(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = from.read_to_end(&mut bytes);
    bytes
}

#[test]
fn bytes_go_both_ways_after_the_hello_and_each_way_ends_by_itself() {
    let (mut program, mut far) = carried(None);
    exactly(&mut far, b"{}\0");
    program.write_all(b"ping").unwrap();
    exactly(&mut far, b"ping");
    program.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&far), b"");
    let much = vec![b'x'; 1 << 20];
    let writing = thread::spawn(move || far.write_all(&much).unwrap());
    assert_eq!(rest(&program).len(), 1 << 20);
    writing.join().unwrap();
}

#[test]
fn a_tunnel_begins_when_it_is_granted() {
    let (mut program, mut far) =
        carried(Some(&Tunnel { host: "db.example".into(), port: 5432, local: 5432 }));
    program.write_all(b"too early").unwrap();
    exactly(&mut far, b"{}\0CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n");
    far.write_all(b"HTTP/1.1 200 OK\r\nx: y\r\n\r").unwrap();
    far.write_all(b"\nwelcome").unwrap();
    exactly(&mut program, b"welcome");
    exactly(&mut far, b"too early");
}

#[test]
fn a_tunnel_that_is_refused_is_closed_and_gets_nothing() {
    for answer in ["HTTP/1.1 403 Forbidden\r\n\r\nno", "HTTP/1.1 2000 X\r\n\r\n", "SSH-2.0\r\n\r\n"] {
        let (mut program, mut far) =
            carried(Some(&Tunnel { host: "a.example".into(), port: 1, local: 2000 }));
        program.write_all(b"secret").unwrap();
        far.write_all(answer.as_bytes()).unwrap();
        assert_eq!(rest(&program), b"", "{answer}");
        let all = rest(&far);
        assert!(!all.windows(6).any(|six| six == b"secret"), "{answer}");
    }
    let (program, mut far) = carried(Some(&Tunnel { host: "a.example".into(), port: 1, local: 2000 }));
    far.write_all(&vec![b'x'; 64 * 1024]).unwrap_or_default();
    assert_eq!(rest(&program), b"");
}

#[test]
fn the_table_compiles_for_both_architectures_and_lets_no_program_run() {
    for arch in ["x86_64", "aarch64"] {
        Filter::compile(TABLE, arch).unwrap();
    }
    for name in ["execve", "open", "openat", "clone", "fork", "bind", "listen", "ptrace", "sendmsg"] {
        assert!(!TABLE.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn a_real_one_leads_to_the_socket_with_the_ticket_and_ends_when_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("egress.sock");
    let egressd = UnixListener::bind(&path).unwrap();
    // Another port than the shipped one may be taken here; a tunnel's is ours to choose.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tunnel = Tunnel { host: "a.example".into(), port: 1, local: free };
    let network = Network { ticket: "t-1".into(), tunnels: vec![tunnel] };
    let Ok(forwarder) = Forwarder::start(&path, &network, Layers::all()) else {
        // Something else of this machine listens at the proxy's port.
        assert!(TcpStream::connect(("127.0.0.1", PROXY)).is_ok());
        return;
    };
    let mut program = TcpStream::connect(("127.0.0.1", PROXY)).unwrap();
    program.write_all(b"GET ").unwrap();
    let (mut far, _) = egressd.accept().unwrap();
    exactly(&mut far, b"{\"ticket\":\"t-1\"}\0GET ");
    let mut tunnelled = TcpStream::connect(("127.0.0.1", free)).unwrap();
    let (mut second, _) = egressd.accept().unwrap();
    exactly(&mut second, b"{\"ticket\":\"t-1\"}\0CONNECT a.example:1 HTTP/1.1\r\n");
    second.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
    exactly(&mut tunnelled, b"hello");
    drop(forwarder);
    assert_eq!(rest(&program), b"");
    assert!(TcpStream::connect(("127.0.0.1", PROXY)).is_err());
}

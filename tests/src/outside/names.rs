//! A name server that answers each query as the test says, so that one name can lead to two places.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

const A: u16 = 1;
const AAAA: u16 = 28;

/// The server.
pub struct Names {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: BTreeMap<String, Vec<Vec<IpAddr>>>,
    /// How often each name and type was asked for.
    asked: BTreeMap<(String, u16), usize>,
    queries: Vec<String>,
}

impl Names {
    /// Starts it.
    ///
    /// # Panics
    /// When loopback has no room for it.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..length], &shared) {
                    // A client that is gone needs no answer.
                    let _sent = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, state }
    }

    /// The first query for the addresses of `name` gets the first list, and so on; the last list stays.
    /// A and AAAA are counted apart, and each gets the addresses of its own kind.
    ///
    /// # Panics
    /// When the server stopped in the middle of an answer.
    pub fn answer(&self, name: &str, answers: &[&[IpAddr]]) {
        let answers = answers.iter().map(|list| list.to_vec()).collect();
        self.state.lock().unwrap().answers.insert(name.to_owned(), answers);
    }

    /// The names that were asked for, in their order; each once for A and once for AAAA.
    ///
    /// # Panics
    /// As [`Names::answer`].
    pub fn queries(&self) -> Vec<String> {
        self.state.lock().unwrap().queries.clone()
    }
}

/// The answer to one query; none to what is no query.
fn answer(query: &[u8], state: &Mutex<State>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let name = labels.join(".");
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let question = query.get(12..at + 4)?;
    let addresses = addresses(&name, kind, state);
    // A response with recursion; "no such name" where nothing is known of it.
    let code = if addresses.is_some() { 0 } else { 3 };
    let addresses = addresses.unwrap_or_default();
    let count = u16::try_from(addresses.len()).ok()?;
    let mut answer = query.get(..2)?.to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1]);
    answer.extend(count.to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(question);
    for address in addresses {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // The name of the question, its type, class IN, not to be kept.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(octets.len()).ok()?.to_be_bytes());
        answer.extend(octets);
    }
    Some(answer)
}

/// The addresses of one kind; none when the name does not exist.
fn addresses(name: &str, kind: u16, state: &Mutex<State>) -> Option<Vec<IpAddr>> {
    let mut state = state.lock().unwrap();
    state.queries.push(name.to_owned());
    let scripted = state.answers.get(name).cloned();
    let known = scripted.or_else(|| {
        (name.rsplit('.').next() == Some("test")).then(|| vec![vec![Ipv4Addr::LOCALHOST.into()]])
    })?;
    let asked = state.asked.entry((name.to_owned(), kind)).or_default();
    let list = known.get(*asked).or(known.last()).cloned().unwrap_or_default();
    *asked += 1;
    let of_kind = |address: &IpAddr| (kind == A && address.is_ipv4()) || (kind == AAAA && address.is_ipv6());
    Some(list.into_iter().filter(of_kind).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a name as a resolver does, and gives the code and the records of the answer.
    fn ask(names: &Names, name: &str, kind: u16) -> (u8, Vec<u8>) {
        let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).unwrap());
            query.extend(label.as_bytes());
        }
        query.push(0);
        query.extend(kind.to_be_bytes());
        query.extend([0, 1]);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&query, names.address).unwrap();
        let mut answer = [0; 512];
        let (length, _) = socket.recv_from(&mut answer).unwrap();
        assert_eq!((&answer[..2], answer[7]), (&[7, 7][..], u8::from(length > query.len())));
        (answer[3] & 15, answer[query.len()..length].to_vec())
    }

    #[test]
    fn one_name_can_lead_to_two_places() {
        let names = Names::start();
        names.answer("bank.example", &[&["203.0.113.7".parse().unwrap()], &["127.0.0.1".parse().unwrap()]]);
        assert!(ask(&names, "bank.example", A).1.ends_with(&[0, 4, 203, 0, 113, 7]));
        assert!(ask(&names, "Bank.example", A).1.ends_with(&[0, 4, 127, 0, 0, 1]));
        assert_eq!(ask(&names, "bank.example", AAAA), (0, Vec::new()));
        assert!(ask(&names, "any.test", A).1.ends_with(&[0, 4, 127, 0, 0, 1]));
        assert_eq!(ask(&names, "none.example", A), (3, Vec::new()));
        assert_eq!(names.queries()[..2], ["bank.example", "bank.example"]);
    }
}

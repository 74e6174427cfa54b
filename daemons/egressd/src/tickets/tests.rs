use std::time::Duration;

use super::*;
use testudo::egress::Endpoint;
use testudo::identity::{Daemon, Principal};

fn pass(call: &str) -> Pass {
    Pass {
        call: call.into(),
        session: "main".into(),
        requester: Principal::Daemon(Daemon::Agentd),
        tool: "web.fetch".into(),
        listed: Vec::new(),
        tunnels: Vec::new(),
        unattended: false,
        approver: None,
    }
}

fn tickets() -> Tickets {
    Tickets::new(testudo::config::parse("t", "").unwrap().egressd)
}

#[tokio::test]
async fn a_ticket_is_long_its_own_and_found_until_it_is_closed() {
    let (tickets, now) = (tickets(), Instant::now());
    let first = tickets.open(pass("c-1"), ":1.1", now).unwrap();
    let second = tickets.open(pass("c-2"), ":1.1", now).unwrap();
    assert!(first.len() == 64 && first != second && first.bytes().all(|b| b.is_ascii_hexdigit()));
    let found = tickets.find(&first, now).unwrap();
    assert!(matches!(&found.who, Who::Call(pass) if pass.call == "c-1"));
    for other in ["", "c-1", &first[1..], &first.to_uppercase(), &format!("{first} ")] {
        assert!(tickets.find(other, now).is_none(), "{other}");
    }
    assert_eq!(tickets.open(pass("c-1"), ":1.1", now), Err(TicketError::Twice("c-1".into())));
    assert!(tickets.close("c-1").is_some() && tickets.close("c-1").is_none());
    assert!(found.is_closed() && tickets.find(&first, now).is_none());
    assert!(!tickets.find(&second, now).unwrap().is_closed());
    assert!(tickets.account("c-1").is_some(), "its connections may have something to say");
    tickets.forget("c-1");
    tickets.forget("c-2");
    assert!(tickets.account("c-1").is_none() && tickets.account("c-2").is_some());
    assert!(tickets.open(pass("c-1"), ":1.1", now).is_ok());
}

#[tokio::test]
async fn a_ticket_ends_with_its_owner_and_with_its_time() {
    let (tickets, now) = (tickets(), Instant::now());
    let mine = tickets.open(pass("c-1"), ":1.1", now).unwrap();
    let other = tickets.open(pass("c-2"), ":1.2", now).unwrap();
    let found = tickets.find(&mine, now).unwrap();
    assert_eq!((tickets.depart(":1.1"), tickets.depart(":1.1")), (1, 0));
    assert!(found.is_closed() && tickets.find(&mine, now).is_none());
    let found = tickets.find(&other, now).unwrap();
    let later = now + Duration::from_hours(1);
    assert!(tickets.find(&other, later - Duration::from_millis(1)).is_some());
    assert!(tickets.find(&other, later).is_none() && found.is_closed());
    assert_eq!(tickets.list(later).len(), 0);
}

#[tokio::test]
async fn passes_are_checked_and_counted() {
    let (tickets, now) = (tickets(), Instant::now());
    let endpoint = |text: &str| Endpoint::parse(text).unwrap();
    let long = "x".repeat(LONGEST + 1);
    for wrong in [
        pass(""),
        pass(&long),
        Pass { session: String::new(), ..pass("c") },
        Pass { tool: String::new(), ..pass("c") },
        Pass { listed: vec![endpoint("https://a.example/"); MOST_LISTED + 1], ..pass("c") },
        Pass {
            listed: vec![Endpoint { path: String::new(), ..endpoint("https://a.example/") }],
            ..pass("c")
        },
        Pass { listed: vec![Endpoint { port: 0, ..endpoint("https://a.example/") }], ..pass("c") },
        Pass { tunnels: vec![endpoint("https://a.example/")], ..pass("c") },
        Pass { tunnels: vec![endpoint("tcp://*.example:1")], ..pass("c") },
        Pass { tunnels: vec![endpoint("tcp://a.example:1"); MOST_TUNNELS + 1], ..pass("c") },
    ] {
        assert!(matches!(tickets.open(wrong.clone(), "o", now), Err(TicketError::Pass(_))), "{wrong:?}");
    }
    for number in 0..MOST {
        tickets.open(pass(&number.to_string()), "o", now).unwrap();
    }
    assert_eq!(tickets.open(pass("more"), "o", now), Err(TicketError::Full));
    let later = now + Duration::from_hours(2);
    assert!(tickets.open(pass("more"), "o", later).is_ok(), "what is over makes room");
}

#[test]
fn only_a_hash_is_kept() {
    let (tickets, now) = (tickets(), Instant::now());
    let ticket = tickets.open(pass("c-1"), "o", now).unwrap();
    assert!(!format!("{tickets:?}").contains(&ticket));
}

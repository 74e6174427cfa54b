//! The chain shows every change: by tables for what people do to a log, and for anything at all by chance.

#![expect(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value};
use testudo::record::Entry;
use testudo_auditd::chain::{Tip, seal};
use testudo_auditd::row::Row;
use testudo_auditd::walk::{AUDITD, Break, Expected, verify};

/// A chain over these entries, and its end.
fn chain(entries: impl IntoIterator<Item = Entry>) -> (Vec<Row>, Tip) {
    let mut tip = Tip::genesis();
    let mut rows = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let writer = if entry.event.starts_with("audit.") { AUDITD } else { "toold" };
        let record = seal(&tip, &format!("2026-01-01T00:00:00.{index:03}Z"), writer, entry).unwrap();
        tip = Tip::of(&record);
        rows.push(Row::of(&record));
    }
    (rows, tip)
}

fn ten() -> (Vec<Row>, Tip) {
    chain((0..10).map(|n| Entry::new("call.decided").session("main").call("c-1", "fs.read").with("n", n)))
}

/// Makes a row's hash fit its content, as somebody who knows the format would.
fn rehash(row: &mut Row) {
    row.hash = testudo_auditd::chain::hash(&row.record().unwrap()).unwrap();
}

#[test]
fn an_untouched_chain_verifies() {
    for length in 0..4 {
        let (rows, tip) = chain((0..length).map(|_| Entry::new("x")));
        let findings = verify(&rows, Expected::AtLeast(tip.clone()));
        assert!(findings.verification.ok && findings.news.is_none());
        assert_eq!((findings.verification.records, findings.verification.head), (length, tip.hash));
    }
}

#[test]
fn a_head_that_is_behind_is_no_break() {
    let (rows, _) = ten();
    for behind in 0..10 {
        let tip = rows[..behind]
            .last()
            .map_or_else(Tip::genesis, |row| Tip { seq: row.seq, hash: row.hash.clone() });
        assert!(verify(&rows, Expected::AtLeast(tip)).verification.ok, "{behind}");
    }
}

#[test]
fn each_kind_of_meddling_is_found_at_its_place() {
    type Meddle = fn(&mut Vec<Row>);
    let cases: [(&str, Meddle, u64, &str); 11] = [
        ("changed", |rows| rows[4].event = "x".into(), 5, "record 5 is not what was written"),
        (
            "changed, with its hash",
            |rows| (rows[4].event = "x".into(), rehash(&mut rows[4])).1,
            6,
            "does not follow",
        ),
        ("removed", |rows| drop(rows.remove(4)), 5, "record 5 is missing"),
        ("several removed", |rows| drop(rows.drain(1..4)), 2, "records 2 to 4 are missing"),
        ("the first removed", |rows| drop(rows.remove(0)), 1, "record 1 is missing"),
        ("swapped", |rows| rows.swap(3, 6), 4, "records 4 to 6 are missing"),
        (
            "swapped, with their numbers",
            |rows| {
                rows.swap(3, 6);
                (rows[3].seq, rows[6].seq) = (4, 7);
            },
            4,
            "does not follow",
        ),
        ("doubled", |rows| rows.insert(4, rows[3].clone()), 5, "record 4 stands where record 5 must be"),
        ("cut", |rows| rows.truncate(7), 8, "10 records had been acknowledged"),
        ("emptied", Vec::clear, 1, "empty, but 10 records"),
        (
            "the last changed, with its hash",
            |rows| (rows[9].event = "x".into(), rehash(&mut rows[9])).1,
            10,
            "not the one that was acknowledged",
        ),
    ];
    for (name, meddle, first_bad, problem) in cases {
        let (mut rows, tip) = ten();
        meddle(&mut rows);
        let findings = verify(&rows, Expected::AtLeast(tip));
        assert!(!findings.verification.ok, "{name}");
        assert_eq!(findings.verification.first_bad, Some(first_bad), "{name}");
        assert_eq!(findings.verification.records, rows.len() as u64, "{name}");
        let found = findings.news.unwrap();
        assert!(found.problem.contains(problem), "{name}: {}", found.problem);
        assert_eq!(findings.verification.problem, Some(found.problem));
    }
}

#[test]
fn a_cut_tail_cannot_be_told_without_a_head_and_that_is_said() {
    let (rows, _) = ten();
    let findings = verify(&rows[..7], Expected::Unknown("the head file is missing".into()));
    assert_eq!(findings.verification.first_bad, Some(8));
    assert!(findings.verification.problem.unwrap().contains("the head file is missing"));
}

#[test]
fn a_break_that_was_written_down_is_reported_for_ever_and_is_no_news() {
    // Seven records, then the tail was cut, and that was found and written down as the eighth.
    let found = Break { seq: 8, problem: "the record ends here".into() };
    let before = (0..7).map(|_| Entry::new("x"));
    let (rows, tip) = chain(before.chain([found.entry(), Entry::new("audit.started")]));
    let findings = verify(&rows, Expected::AtLeast(tip));
    assert_eq!(findings.verification.first_bad, Some(8));
    assert!(findings.verification.problem.unwrap().contains("the record ends here"));
    assert_eq!(findings.news, None);
}

#[test]
fn only_auditd_itself_can_tell_of_a_break() {
    let entry = Break { seq: 1, problem: "lies".into() }.entry();
    let record = seal(&Tip::genesis(), "t", "toold", entry).unwrap();
    assert!(verify([&Row::of(&record)], Expected::AtLeast(Tip::of(&record))).verification.ok);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.]{1,8}", ".{0,12}", Just("\u{0}\"\\\u{2028}é".to_owned())]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let option = || prop::option::of(text());
    let detail = prop::collection::btree_map(text(), json(), 0..3);
    ("[a-z.]{1,8}", option(), option(), option(), option(), detail).prop_map(
        |(event, session, call, tool, decision, detail)| Entry {
            event,
            session,
            call,
            tool,
            decision,
            detail: detail.into_iter().collect::<Map<_, _>>(),
        },
    )
}

/// Changes one field to something else.
fn edit(row: &mut Row, field: usize, with: &str) {
    let optional = |text: &mut Option<String>| {
        *text = if text.as_deref() == Some(with) { None } else { Some(with.to_owned()) };
    };
    match field {
        0 => row.seq = row.seq.wrapping_add(1 + with.len() as u64),
        1 => row.time.push_str(with),
        2 => row.writer.push_str(with),
        3 => row.event.push_str(with),
        4 => optional(&mut row.session),
        5 => optional(&mut row.call),
        6 => optional(&mut row.tool),
        7 => optional(&mut row.decision),
        8 => row.detail.push_str(with),
        9 => row.previous.push_str(with),
        10 => row.hash.push_str(with),
        11 => row.exact = false,
        _ => row.detail = Value::from_iter([("forged", with)]).to_string(),
    }
}

proptest! {
    #[test]
    fn what_was_written_verifies(entries in prop::collection::vec(entry(), 0..12)) {
        let (rows, tip) = chain(entries);
        let findings = verify(&rows, Expected::AtLeast(tip));
        prop_assert!(findings.verification.ok, "{findings:?}");
    }

    #[test]
    fn any_edit_of_any_field_is_found(
        entries in prop::collection::vec(entry(), 1..12), at: Index, field in 0usize..13, with in "[ -~]{1,4}",
    ) {
        let (mut rows, tip) = chain(entries);
        let at = at.index(rows.len());
        edit(&mut rows[at], field, &with);
        let findings = verify(&rows, Expected::AtLeast(tip));
        prop_assert!(findings.verification.first_bad.is_some_and(|seq| seq <= at as u64 + 2), "{findings:?}");
    }

    #[test]
    fn any_removal_swap_insertion_or_cut_is_found(
        entries in prop::collection::vec(entry(), 2..12), a: Index, b: Index, what in 0usize..5,
    ) {
        let (mut rows, tip) = chain(entries);
        let (a, b) = (a.index(rows.len()), b.index(rows.len()));
        prop_assume!(a != b);
        match what {
            0 => drop(rows.remove(a)),
            1 => rows.swap(a, b),
            2 => rows.insert(b, rows[a].clone()),
            3 => rows.truncate(a),
            // An insertion that makes room for itself: everything after it gets the next number.
            _ => {
                let mut forged = rows[a].clone();
                forged.event.push('x');
                rehash(&mut forged);
                rows.insert(a, forged);
                rows.iter_mut().zip(1..).for_each(|(row, seq)| row.seq = seq);
            }
        }
        let findings = verify(&rows, Expected::AtLeast(tip));
        prop_assert!(!findings.verification.ok, "{findings:?}");
        prop_assert!(findings.news.is_some());
    }
}

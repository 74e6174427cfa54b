use super::*;
use crate::plan::tests::{bearer, calling, granted, writing};
use testudo::plan::Step;

type Change<T> = fn(&mut T);

const KEY: [u8; 32] = [7; 32];
const NOW: i64 = 1_000_000;

fn mint() -> Mint {
    Mint::new(KEY, Checks::ALL).unwrap()
}

fn ids(prefix: &str) -> impl FnMut() -> String {
    let prefix = prefix.to_owned();
    let mut count = 0;
    move || {
        count += 1;
        format!("{prefix}{count}")
    }
}

fn issue(mint: &Mint, steps: Vec<Step>) -> Vec<Token> {
    mint.issue(&granted(steps), Terms::default(), ids("t"), NOW).unwrap()
}

/// What the holder of the token would do if he did as he was granted.
fn fitting(token: &Token) -> Presented {
    let paths = token.paths.clone();
    Presented { bearer: Some(bearer()), tool: token.tool.clone(), digest: token.digest.clone(), paths }
}

fn one(mint: &Mint) -> (Token, Presented) {
    let token = issue(mint, vec![calling("a")]).remove(0);
    let presented = fitting(&token);
    (token, presented)
}

#[test]
fn a_token_works_once_and_a_replay_does_not() {
    let mint = mint();
    let (token, presented) = one(&mint);
    assert_eq!((token.max_ops, token.expires_ms), (1, NOW + 30_000), "the defaults");
    assert!(mint.validate(&token, &presented, NOW));
    assert!(!mint.validate(&token.clone(), &presented, NOW), "byte for byte the same");
}

#[test]
fn uses_are_counted_down_to_none() {
    let mint = mint();
    let terms = Terms { max_ops: 3, ..Terms::default() };
    let token = mint.issue(&granted(vec![calling("a")]), terms, ids("t"), NOW).unwrap().remove(0);
    let uses = (0..5).filter(|_| mint.validate(&token, &fitting(&token), NOW)).count();
    assert_eq!(uses, 3);
}

#[test]
fn at_the_time_of_its_end_it_is_over() {
    let mint = mint();
    let (token, presented) = one(&mint);
    assert!(!mint.validate(&token, &presented, token.expires_ms));
    assert!(!mint.validate(&token, &presented, token.expires_ms + 1));
    assert!(mint.validate(&token, &presented, token.expires_ms - 1), "and no use was lost by trying");
}

#[test]
fn a_restart_ends_every_token() {
    let before = mint();
    let (token, presented) = one(&before);
    let other_key = Mint::new([8; 32], Checks::ALL).unwrap();
    assert!(!other_key.validate(&token, &presented, NOW));
    // Even one who kept the key would not know what was issued and used.
    assert!(!mint().validate(&token, &presented, NOW));
}

#[test]
fn nothing_else_is_covered() {
    let mint = mint();
    let token = issue(&mint, vec![writing("a")]).remove(1);
    let call = issue(&mint, vec![calling("a")]).remove(0);
    let changes: [(&str, Change<Presented>); 8] = [
        ("no sandbox", |p| p.bearer = None),
        ("another unit", |p| p.bearer.as_mut().unwrap().unit = "testudo-sandbox-workshop@2.service".into()),
        ("another invocation", |p| p.bearer.as_mut().unwrap().invocation = "bb".into()),
        ("another tool", |p| p.tool = "shell.run".into()),
        ("another action", |p| p.digest = "0".repeat(64)),
        ("another path", |p| p.paths = vec!["b".into()]),
        ("a second path", |p| p.paths.push("b".into())),
        ("no path", |p| p.paths.clear()),
    ];
    for (what, change) in changes {
        let mut presented = fitting(&token);
        change(&mut presented);
        assert!(!mint.validate(&token, &presented, NOW), "{what}");
    }
    assert!(mint.validate(&call, &fitting(&call), NOW), "the probe itself works");
}

#[test]
fn no_field_can_be_changed_and_no_signature_made() {
    let mint = mint();
    let (token, presented) = one(&mint);
    let changes: [(&str, Change<Token>); 10] = [
        ("id", |t| t.id.push('x')),
        ("unit", |t| t.unit.push('x')),
        ("invocation", |t| t.invocation.push('x')),
        ("tool", |t| t.tool.push('x')),
        ("digest", |t| t.digest.push('0')),
        ("paths", |t| t.paths.push("**".into())),
        ("max_ops", |t| t.max_ops += 1),
        ("expires_ms", |t| t.expires_ms += 1),
        ("nonce", |t| t.nonce += 1),
        ("signature", |t| t.signature = "0".repeat(64)),
    ];
    for (field, change) in changes {
        let mut forged = token.clone();
        change(&mut forged);
        // As if the forger could also present whatever fits his forgery.
        let bearer = Bearer { unit: forged.unit.clone(), invocation: forged.invocation.clone() };
        let fits = Presented { bearer: Some(bearer), ..fitting(&forged) };
        assert!(!mint.validate(&forged, &fits, NOW), "{field}");
        assert!(!mint.validate(&forged, &presented, NOW), "{field}");
    }
    for signature in ["", "zz", &token.signature[..62], &token.signature.to_uppercase()] {
        let forged = Token { signature: signature.to_owned(), ..token.clone() };
        assert!(!mint.validate(&forged, &presented, NOW), "{signature}");
    }
    assert!(mint.validate(&token, &presented, NOW), "none of the attempts used it up");
}

#[test]
fn ten_at_once_give_one_success() {
    let mint = mint();
    let (token, presented) = one(&mint);
    let start = std::sync::Barrier::new(10);
    let successes: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..10)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    usize::from(mint.validate(&token, &presented, NOW))
                })
            })
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(successes, 1);
}

#[test]
fn a_revoked_token_is_none_and_ends_what_waits_for_it() {
    let mint = mint();
    let tokens = issue(&mint, vec![calling("a"), calling("b")]);
    mint.revoke(&tokens[0].id);
    assert!(!mint.validate(&tokens[0], &fitting(&tokens[0]), NOW));
    assert!(!mint.validate(&tokens[1], &fitting(&tokens[1]), NOW));
}

#[test]
fn steps_come_in_their_order() {
    let mint = mint();
    let tokens = issue(&mint, vec![calling("a"), calling("b"), calling("c")]);
    let spend = |at: usize| mint.validate(&tokens[at], &fitting(&tokens[at]), NOW);
    assert!(!spend(1) && !spend(2), "before the first");
    assert!(spend(0));
    assert!(!spend(2), "before the second");
    assert!(spend(1) && spend(2));
    assert!(!spend(0) && !spend(1) && !spend(2));
}

#[test]
fn an_application_comes_after_its_call_and_before_the_next_step() {
    let mint = mint();
    let tokens = issue(&mint, vec![writing("a"), writing("b"), calling("c")]);
    let spend = |at: usize| mint.validate(&tokens[at], &fitting(&tokens[at]), NOW);
    assert!(!spend(1), "applied before it ran");
    assert!(spend(0) && spend(1));
    // The second write changed nothing, so nothing was applied; once the next step ran, it is too late for that.
    assert!(spend(2) && spend(4));
    assert!(!spend(3), "applied out of turn");
}

#[test]
fn two_plans_do_not_wait_for_each_other() {
    let mint = mint();
    let first = issue(&mint, vec![calling("a"), calling("b")]);
    let steps = granted(vec![calling("a"), calling("b")]);
    let second = mint.issue(&steps, Terms::default(), ids("u"), NOW).unwrap();
    assert!(mint.validate(&second[0], &fitting(&second[0]), NOW));
    assert!(mint.validate(&first[0], &fitting(&first[0]), NOW), "another plan's first step");
    assert!(first[0].nonce < second[0].nonce);
}

#[test]
fn without_a_check_what_it_stops_goes_through() {
    let unordered = Mint::new(KEY, Checks { order: false, ..Checks::ALL }).unwrap();
    let tokens = issue(&unordered, vec![calling("a"), calling("b")]);
    assert!(unordered.validate(&tokens[1], &fitting(&tokens[1]), NOW));
    let unbound = Mint::new(KEY, Checks { binding: false, ..Checks::ALL }).unwrap();
    let (token, presented) = one(&unbound);
    let other = Presented { digest: "0".repeat(64), bearer: None, ..presented };
    assert!(unbound.validate(&token, &other, NOW));
}

#[test]
fn a_mint_shows_nothing_of_its_key() {
    let shown = format!("{:?}", mint());
    assert_eq!(shown, "Mint { .. }");
}

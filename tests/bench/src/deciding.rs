//! How long a decision takes: by 10, 100 and 1,000 rules, in process and over the bus, beside Cedar on equal rules.
//!
//! In process it is everything that one decision costs here: the digest of the action, the built-in rules, the rules
//! and the answer with its reasons. Of Cedar it is the evaluation alone, of a request that is already there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testudo::action::Judged;
use testudo::bus;
use testudo::proxy::Policy1Proxy;
use testudo::verdict::{Decision, Verdict};
use testudo_appliance::{Appliance, Plan};
use testudo_policy::engine::Hearing;
use testudo_policy::index::RuleSet;
use testudo_policy::rule;
use tokio::runtime::Builder;
use zbus::fdo::PeerProxy;

use crate::percentile::Summary;
use crate::rounds::{Subject, take_turns};
use crate::rulebook::{Kind, Rulebook};
use crate::table::Table;

/// Rows: rules, kind, our name, Cedar's name, the name over the bus.
const BOOKS: [(usize, Kind, &str, &str, Option<&str>); 4] = [
    (
        10,
        Kind::ByTool,
        "decision by 10 rules",
        "Cedar, 10 policies",
        Some("decision by 10 rules, over the bus"),
    ),
    (
        100,
        Kind::ByTool,
        "decision by 100 rules",
        "Cedar, 100 policies",
        Some("decision by 100 rules, over the bus"),
    ),
    (
        1000,
        Kind::ByTool,
        "decision by 1,000 rules",
        "Cedar, 1,000 policies",
        Some("decision by 1,000 rules, over the bus"),
    ),
    (
        1000,
        Kind::AnyTool,
        "decision by 1,000 rules, none about a tool",
        "Cedar, 1,000 policies, none about an action",
        None,
    ),
];
/// What a call over the bus costs at least.
const PING: &str = "ping of policyd over the bus";

/// Adds a row for each number of rules, and Cedar's if it is built in.
///
/// # Errors
/// When the two do not agree about every call: then they do not do the same.
pub(crate) fn in_process(rounds: u16, table: &mut Table) -> Result<()> {
    for (count, kind, ours, theirs, _) in BOOKS {
        let book = Rulebook::of(kind, count);
        let rules = rules(&book)?;
        let expected: Vec<bool> = book
            .calls
            .iter()
            .map(|call| decide(&rules, call).is_ok_and(|decision| allows(&decision)))
            .collect();
        ensure!(expected.contains(&true) && expected.contains(&false), "the calls are all decided alike");
        let cedar = rival(&book, &expected)?;
        let (mut us, mut them) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            for (number, call) in book.calls.iter().enumerate() {
                // In turns, so that what else the machine does hits both. The first round warms up.
                let measured = [
                    timed(|| decide(&rules, call).map(drop))?,
                    cedar.as_ref().map_or(Ok(Duration::ZERO), |cedar| timed(|| cedar.once(number)))?,
                ];
                if round > 0 {
                    us.push(measured[0]);
                    them.push(measured[1]);
                }
            }
        }
        let beside = cedar.and_then(|_| Some((theirs, Summary::of(&them)?)));
        table.moment(ours, Summary::of(&us), beside);
        if let Some((theirs, summary)) = beside {
            table.moment(theirs, Some(summary), None);
        }
    }
    Ok(())
}

/// Adds a row for each number of rules, decided by the daemon in an appliance of its own and asked by an operator.
///
/// # Errors
/// When an appliance does not start, or does not decide as the library does.
pub(crate) fn over_the_bus(rounds: u16, table: &mut Table) -> Result<()> {
    for (count, kind, _, _, name) in BOOKS {
        let Some(name) = name else { continue };
        let book = Rulebook::of(kind, count);
        let folder = tempfile::tempdir_in("/var/tmp")?;
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, &book.toml)?;
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut plan = Plan::from_repo(&repository, &Plan::bin_dir_of_test()?)?;
        plan.visible.push(folder.path().to_path_buf());
        plan.set("policyd", "rules", [&file]);
        let appliance = Appliance::start(plan).context("cannot start the appliance")?;
        asked(&appliance, &book, rounds, name, table)?;
        appliance.stop()?;
    }
    Ok(())
}

fn asked(
    appliance: &Appliance,
    book: &Rulebook,
    rounds: u16,
    name: &'static str,
    table: &mut Table,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (policy, peer) = runtime.block_on(async {
        let connection = zbus::connection::Builder::address(appliance.bus_address().as_str()).build().await?;
        let peer = PeerProxy::builder(&connection).destination(bus::POLICY).path(bus::POLICY_PATH);
        anyhow::Ok((Policy1Proxy::new(&connection).await?, peer.build().await?))
    })?;
    let rules = rules(book)?;
    let texts: Vec<(String, Verdict)> = book
        .calls
        .iter()
        .map(|call| Ok((serde_json::to_string(call)?, decide(&rules, call)?.verdict)))
        .collect::<Result<_>>()?;
    let mut turn = texts.iter().cycle();
    let mut subjects = [
        Subject::new(name, || {
            let (text, expected) = turn.next().context("there are no calls")?;
            let answer = runtime.block_on(policy.explain(text))?;
            let explained: serde_json::Value = serde_json::from_str(&answer)?;
            ensure!(
                explained.get("verdict").is_some_and(|verdict| verdict == expected.word()),
                "it is {answer}"
            );
            Ok(())
        })
        .beside(PING),
        Subject::new(PING, || Ok(runtime.block_on(peer.ping())?)),
    ];
    let series = take_turns(&mut subjects, rounds)?;
    let [ours, ping] = [0, 1].map(|at| series.get(at).and_then(|series| Summary::of(series)));
    table.time(name, ours, ping.map(|ping| (PING, ping)));
    Ok(())
}

fn rules(book: &Rulebook) -> Result<RuleSet> {
    let (policy, _) = rule::parse("rules.toml", &book.toml)?;
    Ok(RuleSet::new([policy]))
}

/// As `policyd` does it where neither token, extension, lease nor sentinel has a say.
fn decide(rules: &RuleSet, judged: &Judged) -> Result<Decision> {
    let heard =
        Hearing::open(judged, judged.action.digest()?).and_then(|hearing| hearing.rules(rules, judged));
    Ok(heard.map_or_else(|decision| *decision, Hearing::conclude))
}

fn allows(decision: &Decision) -> bool {
    decision.verdict == Verdict::Allow
}

fn timed(once: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    once()?;
    Ok(began.elapsed())
}

#[cfg(feature = "rivals")]
fn rival(book: &Rulebook, expected: &[bool]) -> Result<Option<crate::cedar::Cedar>> {
    crate::cedar::Cedar::new(book, expected).map(Some)
}

#[cfg(not(feature = "rivals"))]
#[expect(clippy::unnecessary_wraps, reason = "it has the shape of a rival")]
const fn rival(_book: &Rulebook, _expected: &[bool]) -> Result<Option<Nobody>> {
    Ok(None)
}

/// Stands for a rival that is not built in: there is none.
#[cfg(not(feature = "rivals"))]
enum Nobody {}

#[cfg(not(feature = "rivals"))]
impl Nobody {
    const fn once(&self, _number: usize) -> Result<()> {
        match *self {}
    }
}

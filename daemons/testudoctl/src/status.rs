//! `testudoctl status`: is every daemon there, and is the record whole?

use serde::Serialize;
use testudo::bus;
use testudo::record::Verification;

use crate::failure::{Doing as _, Failure};
use crate::link::Link;
use crate::page::Page;
use crate::paint::Paint;
use crate::stop::{self, Stops};
use crate::{approvals, audit, screen, session, systemd};

/// Each daemon that is always there, with its bus name.
const DAEMONS: [(&str, &str); 6] = [
    ("auditd", bus::AUDIT),
    ("policyd", bus::POLICY),
    ("toold", bus::TOOLS),
    ("egressd", bus::EGRESS),
    ("modeld", bus::MODELS),
    ("agentd", bus::AGENT),
];

/// The one that is there where it is configured.
const MATRIX: (&str, &str) = ("matrixd", bus::MATRIX);

/// Every daemon that should be there, with its bus name: the one that talks only where it has a homeserver. Whoever
/// may not read the configuration sees it where it runs.
///
/// # Errors
/// When the bus does not answer.
pub async fn daemons(link: &Link) -> Result<Vec<(&'static str, &'static str)>, Failure> {
    let is_talking = match testudo::config::load(None) {
        Ok(config) => config.matrixd.homeserver.is_some(),
        Err(_) => systemd::is_owned(link.connection(), MATRIX.1).await.doing("ask who is on the bus")?,
    };
    Ok(listed(is_talking))
}

fn listed(is_talking: bool) -> Vec<(&'static str, &'static str)> {
    DAEMONS.into_iter().chain(is_talking.then_some(MATRIX)).collect()
}

/// One daemon.
#[derive(Debug, Serialize)]
struct Daemon {
    #[serde(rename = "daemon")]
    name: &'static str,
    bus_name: &'static str,
    owned: bool,
    unit: String,
    /// As systemd has it; null where it does not run.
    state: Option<String>,
    status: Option<String>,
}

/// Everything, as `--json` gives it; what could not be asked is null.
#[derive(Debug, Serialize)]
struct Status {
    ok: bool,
    daemons: Vec<Daemon>,
    chain: Option<Verification>,
    approvals: Option<usize>,
    sessions: Option<usize>,
    stops: Option<Stops>,
}

/// Runs `status`.
///
/// # Errors
/// Also when a daemon is missing or the record is broken.
pub async fn run(page: &Page) -> Result<(), Failure> {
    let link = Link::open().await?;
    let status = ask(&link).await?;
    if page.is_json() {
        page.json(&status)?;
    } else {
        page.text(&shown(&status, page.paint()))?;
    }
    if status.ok { Ok(()) } else { Err(Failure::Shown) }
}

/// The same for people, for a chat.
///
/// # Errors
/// When the bus does not answer.
pub async fn text(link: &Link, paint: Paint) -> Result<String, Failure> {
    Ok(shown(&ask(link).await?, paint))
}

async fn ask(link: &Link) -> Result<Status, Failure> {
    let mut daemons = Vec::new();
    for (daemon, bus_name) in self::daemons(link).await? {
        let owned = systemd::is_owned(link.connection(), bus_name).await.doing("ask who is on the bus")?;
        let unit = format!("testudo-{daemon}.service");
        let known = systemd::unit(link.connection(), &unit).await;
        let (state, status) = known.map_or((None, None), |known| (Some(known.state), known.status));
        daemons.push(Daemon { name: daemon, bus_name, owned, unit, state, status });
    }
    let chain = audit::verify(&link.audit().await?).await.ok();
    let approvals = approvals::pending(&link.policy().await?, None).await.ok().map(|list| list.len());
    let sessions = session::sessions(link).await.ok().map(|list| list.len());
    let stops = stop::stops(link).await.ok();
    let ok = daemons.iter().all(|daemon| daemon.owned) && chain.as_ref().is_some_and(|chain| chain.ok);
    Ok(Status { ok, daemons, chain, approvals, sessions, stops })
}

fn shown(status: &Status, paint: Paint) -> String {
    let mut out = String::new();
    for daemon in &status.daemons {
        let mark = if daemon.owned { paint.green("●") } else { paint.red("○") };
        let state =
            daemon.state.as_deref().map_or_else(String::new, |state| format!("  {}", screen::line(state)));
        let there = if daemon.owned { "" } else { "  not on the bus" };
        let status = daemon
            .status
            .as_deref()
            .map_or_else(String::new, |text| format!("  {}", paint.dim(&screen::line(text))));
        let name = paint.bold(&format!("{:<8}", daemon.name));
        let bus_name = format!("{:<20}", daemon.bus_name);
        out.push_str(format!("{mark} {name} {bus_name}{state}{there}{status}").trim_end());
        out.push('\n');
    }
    let unknown = || "unknown".to_owned();
    let record = match &status.chain {
        Some(chain) if chain.ok => audit::verdict(chain),
        Some(chain) => paint.red(&audit::verdict(chain)),
        None => unknown(),
    };
    let count = |value: Option<usize>| value.map_or_else(unknown, |count| count.to_string());
    let waiting = count(status.approvals);
    let waiting =
        if status.approvals.is_some_and(|count| count > 0) { paint.yellow(&waiting) } else { waiting };
    out.push_str(&format!("record     {record}\n"));
    out.push_str(&format!("approvals  {waiting} waiting\n"));
    out.push_str(&format!("sessions   {}\n", count(status.sessions)));
    if let Some(stops) = &status.stops {
        out.push_str(&stop::lines(stops, paint));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_talks_is_listed_where_it_does() {
        assert_eq!(listed(false), DAEMONS);
        assert_eq!(listed(true).last(), Some(&("matrixd", "org.testudo.Matrix1")));
    }

    #[test]
    fn a_missing_daemon_is_seen() {
        let daemon = |name, owned| Daemon {
            name,
            bus_name: "org.testudo.X1",
            owned,
            unit: format!("testudo-{name}.service"),
            state: None,
            status: None,
        };
        let status = Status {
            ok: false,
            daemons: vec![daemon("auditd", true), daemon("toold", false)],
            chain: None,
            approvals: Some(2),
            sessions: None,
            stops: None,
        };
        assert_eq!(
            shown(&status, Paint::new(false)),
            "● auditd   org.testudo.X1\n○ toold    org.testudo.X1        not on the bus\nrecord     unknown\napprovals  2 waiting\nsessions   unknown\n"
        );
    }
}

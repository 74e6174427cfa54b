//! `testudoctl leases` and `revoke`: the yeses that hold for longer than once.

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde_json::json;
use testudo::approval::Scope;
use testudo::approval::lease::Lease;
use testudo::proxy::{Options, Policy1Proxy};

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::page::Page;
use crate::paint::Paint;
use crate::render::{clock, gutter};
use crate::screen;

/// Columns before the lines of a lease.
const INDENT: usize = 2;

/// `revoke`
#[derive(Debug, ClapArgs)]
#[command(after_help = "JSON: {id}\n\nExample: testudoctl revoke l-3")]
pub struct RevokeArgs {
    /// The lease, such as l-3.
    pub id: String,
}

/// Runs `leases`.
///
/// # Errors
/// When `policyd` gives no list.
pub async fn list(page: &Page) -> Result<(), Failure> {
    let leases = leases(&Link::open().await?.policy().await?).await?;
    if page.is_json() {
        return Ok(page.json(&leases)?);
    }
    page.text(&listed(&leases, page))?;
    if leases.is_empty() { Ok(()) } else { Ok(page.line("End one with: testudoctl revoke ID")?) }
}

/// The same for people, for a chat.
///
/// # Errors
/// When `policyd` gives no list.
pub async fn text(policy: &Policy1Proxy<'_>, page: &Page) -> Result<String, Failure> {
    Ok(listed(&leases(policy).await?, page))
}

async fn leases(policy: &Policy1Proxy<'_>) -> Result<Vec<Lease>, Failure> {
    link::read("policyd", &policy.leases().await.doing("list the leases")?)
}

fn listed(leases: &[Lease], page: &Page) -> String {
    if leases.is_empty() {
        return "No yes holds for longer than once.\n".to_owned();
    }
    let now = Timestamp::now();
    leases.iter().map(|lease| shown(lease, now, page.width(), page.paint())).collect()
}

/// Runs `revoke`.
///
/// # Errors
/// When there is no such lease.
pub async fn revoke(args: RevokeArgs, page: &Page) -> Result<(), Failure> {
    let id = screen::line(&args.id);
    let policy = Link::open().await?.policy().await?;
    policy.revoke(&args.id, Options::new()).await.doing(format_args!("revoke {id}"))?;
    if page.is_json() {
        return Ok(page.json(&json!({ "id": args.id }))?);
    }
    Ok(page.line(page.paint().green(&format!("✓ {id} is over: what it covered is asked about again")))?)
}

/// One lease: what it covers, exactly.
fn shown(lease: &Lease, now: Timestamp, width: Option<usize>, paint: Paint) -> String {
    let until = match (&lease.scope, lease.expires_at.as_deref()) {
        (Scope::Always, _) | (_, None) => "until it is revoked".to_owned(),
        (_, Some(end)) => format!("ends {}", clock::until(end, now)),
    };
    let place = lease.session.as_deref();
    let place =
        place.map_or_else(|| "every session".to_owned(), |name| format!("session {}", screen::line(name)));
    let mut out = format!(
        "{} {} ({}) for {} in {place} · {until}\n",
        paint.bold(&screen::line(&lease.id)),
        paint.cyan(&screen::line(&lease.tool)),
        lease.phase.word(),
        screen::line(&lease.requester.to_string()),
    );
    let mut lines: Vec<String> = Vec::new();
    let exactly = lease.exactly.iter();
    lines.extend(
        exactly.map(|(name, value)| {
            format!("{} {}", screen::line(name), screen::brief(&value.to_string(), 200))
        }),
    );
    lines.extend(lease.freely.iter().map(|name| format!("{} anything", screen::line(name))));
    lines.extend(lease.paths.iter().map(|path| format!("changes {}", screen::line(path))));
    let rules: Vec<String> = lease.rules.iter().map(|rule| screen::line(rule)).collect();
    lines.push(format!("answers {} · given by {}", rules.join(", "), screen::line(&lease.by)));
    out.push_str(&gutter::exact(lines, "  ", INDENT, width, |_, part| part.to_owned()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::action::Phase;
    use testudo::identity::{Daemon, Principal};
    use testudo::verdict::Weight;

    #[test]
    fn a_lease_says_what_it_covers() {
        let lease = Lease {
            id: "l-3".into(),
            scope: Scope::Session,
            session: Some("main".into()),
            requester: Principal::Daemon(Daemon::Agentd),
            tool: "fs.write".into(),
            phase: Phase::Apply,
            exactly: [("path".to_owned(), json!("a\u{202e}.txt"))].into(),
            freely: vec!["content".into()],
            paths: vec!["a.txt".into()],
            rules: vec!["confirm-changes".into()],
            weight: Weight::Reply,
            by: "root".into(),
            given_at: "2026-01-01T00:00:00Z".into(),
            expires_at: Some("2026-01-01T00:30:00Z".into()),
        };
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            shown(&lease, now, None, Paint::new(false)),
            "l-3 fs.write (apply) for agentd in session main · ends in 30 min\n  path \"a\\u{202e}.txt\"\n  content anything\n  \
             changes a.txt\n  answers confirm-changes · given by root\n"
        );
    }
}

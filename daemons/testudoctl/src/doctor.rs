//! `testudoctl doctor`: tries everything that can be wrong on this machine, and says how to mend it.
//!
//! Facts of the machine are read from `/proc` and `/sys`; whether containment works is not concluded from them
//! but tried, by calls that run in the sandbox.

mod containment;
pub mod machine;
mod root;

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;
use crate::link::Link;
use crate::page::Page;
use crate::paint::Paint;
use crate::{audit, call, policy, screen, status, systemd};

/// The session in which the probes run.
const SESSION: &str = "doctor";
/// The oldest systemd with everything that the units use.
const SYSTEMD_FLOOR: u32 = 257;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Well.
    Pass,
    /// It works, and less well than it should.
    Warn,
    /// It does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub check: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What to do, where something is to be done.
    pub fix: Option<String>,
}

impl Check {
    /// It is well.
    pub fn pass(check: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check: check.into(), outcome: Outcome::Pass, detail: detail.into(), fix: None }
    }

    /// It is not well.
    pub fn bad(outcome: Outcome, check: impl Into<String>, detail: impl Into<String>, fix: &str) -> Self {
        let fix = (!fix.is_empty()).then(|| fix.to_owned());
        Self { check: check.into(), outcome, detail: detail.into(), fix }
    }
}

/// Runs `doctor`.
///
/// # Errors
/// Also when a check fails.
pub async fn run(page: &Page) -> Result<(), Failure> {
    let mut checks = machine::checks();
    match Link::open().await {
        Ok(link) => {
            checks.push(Check::pass("bus", "it can be reached"));
            checks.extend(appliance(&link).await);
        }
        Err(failure) => checks.push(failed("bus", &failure)),
    }
    confirm(&mut checks);
    let ok = checks.iter().all(|check| check.outcome != Outcome::Fail);
    if page.is_json() {
        page.json(&json!({"ok": ok, "checks": checks}))?;
    } else {
        page.text(&shown(&checks, page.paint()))?;
    }
    if ok { Ok(()) } else { Err(Failure::Shown) }
}

async fn appliance(link: &Link) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(version) = systemd::version(link.connection()).await {
        let detail = format!("version {version}");
        checks.push(if version >= SYSTEMD_FLOOR {
            Check::pass("systemd", detail)
        } else {
            Check::bad(
                Outcome::Warn,
                "systemd",
                detail,
                "version 257 or later has everything that the units use",
            )
        });
    }
    let daemons = match status::daemons(link).await {
        Ok(daemons) => daemons,
        Err(failure) => {
            checks.push(failed("daemons", &failure));
            Vec::new()
        }
    };
    for (daemon, name) in daemons {
        let fix = format!("systemctl status testudo-{daemon}; journalctl -u testudo-{daemon}");
        checks.push(match systemd::is_owned(link.connection(), name).await {
            Ok(true) => Check::pass(daemon, format!("{name} is on the bus")),
            Ok(false) => Check::bad(Outcome::Fail, daemon, format!("{name} is not on the bus"), &fix),
            Err(error) => Check::bad(Outcome::Fail, daemon, testudo::fault::bus_error_text(&error), &fix),
        });
    }
    checks.push(match record(link).await {
        Ok(check) => check,
        Err(failure) => failed("record", &failure),
    });
    checks.extend(files(link).await);
    checks.push(root::check(jiff::Timestamp::now()));
    for (name, tool, arguments) in
        [("mediation", "echo", json!({"text": "doctor"})), ("sandbox", "fs.list", json!({}))]
    {
        checks.push(probe(link, name, tool, &arguments).await);
    }
    checks.extend(isolation(link).await);
    checks
}

/// What the sandbox that just worked says of the way it contains calls here.
async fn isolation(link: &Link) -> Option<Check> {
    let told = link.tools().await.ok()?.containment(SESSION).await.ok()?;
    let told: serde_json::Value = serde_json::from_str(&told).ok()?;
    containment::isolation(told.get("workshop")?)
}

/// What could not be read of the machine is settled where the sandbox works, which it never does without.
fn confirm(checks: &mut [Check]) {
    let works = checks.iter().any(|check| check.check == "sandbox" && check.outcome == Outcome::Pass);
    for check in checks.iter_mut().filter(|check| works && check.outcome == Outcome::Warn) {
        if matches!(check.check.as_str(), "landlock" | "user namespaces") {
            *check = Check::pass(check.check.clone(), "the sandbox works, and it never does without");
        }
    }
}

/// The files that the daemons read, where this user can read them too.
async fn files(link: &Link) -> Vec<Check> {
    let config = match testudo::config::load(None) {
        Ok(config) => config,
        Err(error) => {
            let fix = "mend the file; the daemons refuse it too when they start";
            return vec![Check::bad(Outcome::Fail, "configuration", error.to_string(), fix)];
        }
    };
    let mut checks = vec![Check::pass("configuration", "no mistakes")];
    checks.extend(containment::checks(&config.toold));
    for path in &config.policyd.rules {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let name = path.display().to_string();
        checks.push(match policy::check_text(link, &name, &text).await {
            Ok(report) if report.ok => Check::pass("policy", format!("{name}: {} rules", report.rules)),
            Ok(report) => Check::bad(
                Outcome::Fail,
                "policy",
                report.findings.join("; "),
                "testudoctl policy check FILE",
            ),
            Err(failure) => failed("policy", &failure),
        });
    }
    checks
}

async fn record(link: &Link) -> Result<Check, Failure> {
    let report = audit::verify(&link.audit().await?).await?;
    let detail = audit::verdict(&report);
    Ok(if report.ok {
        Check::pass("record", detail)
    } else {
        let fix = "keep the file as evidence; journalctl TESTUDO_DAEMON=auditd tells since when";
        Check::bad(Outcome::Fail, "record", detail, fix)
    })
}

async fn probe(link: &Link, name: &str, tool: &str, arguments: &serde_json::Value) -> Check {
    match call::invoke(link, SESSION, tool, arguments).await {
        Ok(outcome) => match outcome.error {
            None => Check::pass(
                name,
                format!("{tool} took {}", crate::render::clock::duration(outcome.duration_ms)),
            ),
            Some(refusal) => Check::bad(
                Outcome::Fail,
                name,
                format!("{tool}: {}", crate::render::call::refused(&refusal)),
                "journalctl -u testudo-toold -u 'testudo-sandbox-*@*' has the details",
            ),
        },
        Err(failure) => failed(name, &failure),
    }
}

fn failed(check: &str, failure: &Failure) -> Check {
    Check::bad(Outcome::Fail, check, failure.to_string(), failure.remedy().unwrap_or_default())
}

fn shown(checks: &[Check], paint: Paint) -> String {
    let mut out = String::new();
    for check in checks {
        let mark = match check.outcome {
            Outcome::Pass => paint.green("✓"),
            Outcome::Warn => paint.yellow("!"),
            Outcome::Fail => paint.red("✗"),
        };
        let name = paint.bold(&format!("{:<16}", screen::line(&check.check)));
        out.push_str(&format!("{mark} {name} {}\n", screen::line(&check.detail)));
        if let Some(fix) = &check.fix {
            out.push_str(&format!("  {:<16} {}\n", "", paint.dim(fix)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_working_sandbox_settles_what_could_not_be_read() {
        let unknown = || Check::bad(Outcome::Warn, "landlock", "cannot be read", "");
        let mut checks = [unknown(), Check::pass("sandbox", "worked")];
        confirm(&mut checks);
        assert_eq!(checks[0].outcome, Outcome::Pass);
        let mut checks = [unknown(), Check::bad(Outcome::Fail, "sandbox", "no", "")];
        confirm(&mut checks);
        assert_eq!(checks[0], unknown());
    }

    #[test]
    fn a_failed_check_says_what_to_do() {
        let checks = [Check::pass("bus", "there"), Check::bad(Outcome::Fail, "toold", "gone\n", "start it")];
        assert_eq!(
            shown(&checks, Paint::new(false)),
            "✓ bus              there\n✗ toold            gone\\n\n                   start it\n"
        );
    }
}

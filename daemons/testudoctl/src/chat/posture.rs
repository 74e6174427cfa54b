//! `/security`: how the appliance is guarded right now, in a few lines. `testudoctl doctor` looks deeper.

use serde_json::Value;
use testudo::egress::status::Status;

use crate::failure::{Doing as _, Failure};
use crate::link::{self, Link};
use crate::paint::Paint;
use crate::stop::{self, Stops};
use crate::{approvals, rules, screen};

/// What was found out; what could not be asked is none.
#[derive(Debug, Default)]
struct Posture {
    /// As `Policy1.Files` has it.
    policy: Option<Value>,
    /// As `Policy1.Rules` has it.
    plain: Option<Value>,
    leases: Option<usize>,
    waiting: Option<usize>,
    egress: Option<Status>,
    stops: Option<Stops>,
}

/// The posture for people.
///
/// # Errors
/// When the connection is broken; a daemon that does not answer is only said to.
pub async fn text(link: &Link, session: &str, paint: Paint) -> Result<String, Failure> {
    let policy = link.policy().await?;
    let files = policy.files().await.doing("read the policy in force");
    let leases = policy.leases().await.doing("list the leases");
    let egress = link.egress().await?.status().await.doing("ask who may reach out");
    let posture = Posture {
        policy: files.and_then(|text| link::read("policyd", &text)).ok(),
        plain: rules::listed(&policy, session).await.ok(),
        leases: leases
            .and_then(|text| link::read::<Vec<Value>>("policyd", &text))
            .ok()
            .map(|list| list.len()),
        waiting: approvals::pending(&policy, None).await.ok().map(|list| list.len()),
        egress: egress.and_then(|text| link::read("egressd", &text)).ok(),
        stops: stop::stops(link).await.ok(),
    };
    Ok(posture.shown(paint))
}

impl Posture {
    fn shown(&self, paint: Paint) -> String {
        let mut out = String::new();
        let mut line = |heading: &str, text: &str| out.push_str(&format!("{heading:<11}{text}\n"));
        line(
            "controls",
            "all on: the daemons have no switch for any of them; testudoctl doctor looks closer",
        );
        line("policy", &self.policy(paint));
        for trouble in list(self.policy.as_ref(), "troubles") {
            line("", &paint.red(&screen::brief(trouble.as_str().unwrap_or_default(), 200)));
        }
        line("judges", &self.judges(paint));
        let count = |number: Option<usize>| number.map_or_else(unknown, |number| number.to_string());
        line("approvals", &format!("{} waiting, {} leases hold", count(self.waiting), count(self.leases)));
        line("exposure", &self.exposure(paint));
        let stops = self.stops.as_ref().map(|stops| stop::lines(stops, paint)).unwrap_or_default();
        out.push_str(&stops);
        out
    }

    fn policy(&self, paint: Paint) -> String {
        let Some(policy) = &self.policy else { return paint.red("policyd does not say") };
        let files = list(Some(policy), "files");
        let rules: usize = files.clone().map(|file| list(Some(file), "rules").count()).sum();
        let amended = files.clone().filter(|file| word(file, "origin") != "declared").count();
        let changes = match word(policy, "amendments") {
            "none" => "cannot be changed from here".to_owned(),
            _ => format!("a change wants an answer by {}", screen::brief(word(policy, "amend_by"), 20)),
        };
        let digest: String = word(policy, "digest").chars().take(12).collect();
        format!(
            "{rules} rules, {} ({amended} not as declared), digest {}; {changes}",
            counted(files.count(), "file"),
            screen::line(&digest)
        )
    }

    fn judges(&self, paint: Paint) -> String {
        let Some(plain) = &self.plain else { return paint.red("policyd does not say") };
        let is = |rule: &Value, key: &str| rule.get(key).and_then(Value::as_bool).unwrap_or(false);
        let all = list(Some(plain), "rules").count();
        let off = list(Some(plain), "rules").filter(|rule| !is(rule, "enabled")).count();
        let off =
            if off == 0 { "none off here".to_owned() } else { paint.yellow(&format!("{off} off here")) };
        let rests = if is(plain, "rests") {
            paint.yellow("; the judge rests, so every call is asked about")
        } else {
            String::new()
        };
        format!("{all} rules in plain language, {off}{rests}")
    }

    fn exposure(&self, paint: Paint) -> String {
        let Some(egress) = &self.egress else {
            return "egressd does not say; without it nothing reaches out".to_owned();
        };
        let open: usize = egress.travellers.iter().map(|traveller| traveller.open.len()).sum();
        let missing = egress.secrets.iter().filter(|secret| !secret.present).count();
        let missing =
            if missing == 0 { String::new() } else { paint.yellow(&format!(" ({missing} not there)")) };
        format!(
            "{} may reach out, {} open; {}{missing}, each for one endpoint; {}",
            egress.travellers.len(),
            counted(open, "connection"),
            counted(egress.secrets.len(), "secret"),
            counted(egress.private.len(), "private destination")
        )
    }
}

fn counted(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

fn unknown() -> String {
    "an unknown number of".to_owned()
}

fn list<'v>(value: Option<&'v Value>, key: &str) -> impl Iterator<Item = &'v Value> + Clone {
    value.and_then(|value| value.get(key)).and_then(Value::as_array).into_iter().flatten()
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_posture_says_what_is_off_and_what_is_not_as_declared() {
        let posture = Posture {
            policy: Some(json!({
                "digest": "0123456789abcdef", "amendments": "add", "amend_by": "local", "troubles": ["x.toml\u{202e}"],
                "files": [{"origin": "declared", "rules": [{}, {}]}, {"origin": "amended", "rules": [{}]}],
            })),
            plain: Some(json!({"rules": [{"enabled": true}, {"enabled": false}], "rests": true})),
            leases: Some(2),
            waiting: None,
            egress: Some(Status { travellers: Vec::new(), secrets: Vec::new(), private: Vec::new() }),
            stops: None,
        };
        assert_eq!(
            posture.shown(Paint::new(false)),
            "controls   all on: the daemons have no switch for any of them; testudoctl doctor looks closer\n\
             policy     3 rules, 2 files (1 not as declared), digest 0123456789ab; a change wants an answer by local\n\
             \u{20}          x.toml\\u{202e}\n\
             judges     2 rules in plain language, 1 off here; the judge rests, so every call is asked about\n\
             approvals  an unknown number of waiting, 2 leases hold\n\
             exposure   0 may reach out, 0 connections open; 0 secrets, each for one endpoint; 0 private destinations\n"
        );
        let nothing = Posture::default().shown(Paint::new(false));
        assert!(
            nothing.contains("policyd does not say") && nothing.contains("nothing reaches out"),
            "{nothing}"
        );
    }
}

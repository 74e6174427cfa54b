//! Changing the policy: an amendment is read, replayed over the last decisions, reviewed by a person, and exchanged.
//!
//! ```text
//!  text ─▶ draft: parsed, replayed ─▶ question (kind `policy.update`) ─▶ yes ─▶ recorded ─▶ file ─▶ exchanged
//! ```
//! Whatever fails on the way, the rules in force stay. A yes is to one text, named by its digest, on top of the rules
//! it was compared with: after another change it is good for nothing. What a person must see is in the [`Report`].

use std::sync::Arc;

use serde_json::{Value, json};
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::config::Amendments;
use testudo::declaration::Declaration;
use testudo::diagnostic::Diagnostics;
use testudo::fault::Fault;
use testudo::identity::Principal;
use testudo::verdict::{Decision, Layer, Reason, Verdict};
use testudo_policy::replay::report::{Made, Report};

use crate::desk::Desk;
use crate::ledger::rfc3339;
use crate::rules_file::shelf::ShelfError;
use crate::rules_file::{InForce, Origin, RulesFile};

mod exchange;
mod text;

/// The kind of a question about a change of the policy; no tool has this name.
pub const TOOL: &str = testudo::approval::AMENDMENT;
/// Stands where a question has its session; no session can have this name.
pub const SESSION: &str = "policy.update";
/// Most bytes of an amendment: people have to read it.
const MOST_BYTES: usize = 128 * 1024;
/// Most amendments that are in force together.
const MOST_AMENDMENTS: usize = 32;
/// Most changed outcomes that stand in the question itself; the report has all.
const MOST_NAMED: usize = 20;

/// What somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// This text.
    Text(String),
    /// The text that was in force before; where there was none, none.
    Last,
}

/// An amendment that could be asked about.
struct Draft {
    report: Report,
    /// What it would be; none when it would be taken out, or has mistakes.
    file: Option<RulesFile>,
}

impl Desk {
    /// What a changed file would do. Nothing is asked, kept or recorded.
    ///
    /// # Errors
    /// When the name cannot be one, or the store fails. Mistakes of the text are in the report.
    pub fn replay(&self, name: &str, text: &str) -> Result<Report, Fault> {
        Ok(self.draft(name, &Wanted::Text(text.to_owned()))?.report)
    }

    /// Asks people to change the policy.
    ///
    /// # Errors
    /// When it may not be amended, nothing would change, or the question cannot be asked. Mistakes of the text are in
    /// the report, which has no approval then.
    pub async fn amend(&self, name: &str, wanted: &Wanted, by: &Principal) -> Result<Report, Fault> {
        self.may_amend(name)?;
        let Draft { mut report, file } = self.draft(name, wanted)?;
        if !report.ok {
            return Ok(report);
        }
        if self.is_as_it_is(name, report.digest.as_deref()) {
            return Err(Fault::InvalidArgument(format!("the policy {name} says exactly this already")));
        }
        if let Some(file) = &file {
            on_shelf(|| self.book.shelf.propose(&file.text))?;
        }
        let judged = Judged {
            // `policy revert` takes it back.
            declaration: Declaration { reversible: true, ..Declaration::default() },
            diff: Some(report.diff.clone()),
            ..Judged::new(question(&report, by.clone()), format!("policy-{name}"))
        };
        let decision = Decision {
            verdict: Verdict::Ask,
            // Nothing that a rule or a lease says can answer this question, and no yes to it lasts.
            layer: Layer::Builtin,
            reasons: reasons(&report),
            abstained: Vec::new(),
            digest: judged
                .action
                .digest()
                .map_err(|error| Fault::Internal(format!("cannot digest the amendment: {error}")))?,
            approve_by: self.book.amend_by,
            approval: None,
            ttl_ms: None,
        };
        // It is policyd's own question: it stays when who proposed it leaves the bus.
        let approval = self.put_question(&judged, &decision, testudo::bus::POLICY).await?;
        report.approval = Some(approval.id);
        report.approve_by = Some(approval.approve_by);
        report.expires_at = Some(approval.expires_at);
        Ok(report)
    }

    /// The files in force and where they come from.
    pub fn policy_files(&self) -> Value {
        let in_force = self.book.in_force();
        let files: Vec<Value> = in_force
            .files()
            .map(|file| {
                json!({
                    "name": file.name,
                    "origin": file.origin.word(),
                    "path": file.path,
                    "digest": file.digest(),
                    "rules": file.policy.rules.iter().map(|rule| json!({
                        "name": rule.name, "action": rule.verdict, "reason": rule.reason,
                    })).collect::<Vec<_>>(),
                    "text": file.text,
                })
            })
            .collect();
        json!({
            "digest": in_force.digest,
            "amendments": self.book.amendments.word(),
            "amend_by": self.book.amend_by,
            "troubles": self.book.troubles().map(|trouble| trouble.text.as_str()).collect::<Vec<_>>(),
            "files": files,
        })
    }

    fn may_amend(&self, name: &str) -> Result<(), Fault> {
        let declared = self.book.in_force().is_declared(name);
        match self.book.amendments {
            Amendments::None => Err(Fault::Denied(
                "the configuration declares the policy, and it is not to be amended: policyd.amendments is \"none\" \
                 (on NixOS: services.testudo.settings.policyd.amendments); change the declared files instead"
                    .into(),
            )),
            Amendments::Add if declared => Err(Fault::Denied(format!(
                "the configuration declares {name}: give the amendment another name, or set policyd.amendments = \
                 \"replace\""
            ))),
            Amendments::Add | Amendments::Replace => Ok(()),
        }
    }

    fn draft(&self, name: &str, wanted: &Wanted) -> Result<Draft, Fault> {
        if !text::is_name(name) {
            return Err(Fault::InvalidArgument(
                "a policy file is named by 1 to 64 of a-z, 0-9 and `-`, the first a letter or digit; without .toml"
                    .into(),
            ));
        }
        let in_force = self.book.in_force();
        let Some(text) = self.wanted_text(&in_force, name, wanted)? else {
            let mut report = self.weigh_again(&in_force, name, None)?;
            report.ok = true;
            return Ok(Draft { report, file: None });
        };
        if text.len() > MOST_BYTES {
            return Err(Fault::TooLarge(format!("a policy file may have {MOST_BYTES} bytes: split it")));
        }
        if in_force.amendment(name).is_none() && in_force.amendment_count() >= MOST_AMENDMENTS {
            return Err(Fault::TooLarge(format!(
                "there are {MOST_AMENDMENTS} amendments already: join some"
            )));
        }
        let named = format!("{name}.toml");
        let (policy, warnings) = match text::check(&named, &text, &in_force, name, self.book.amendments) {
            Ok(checked) => checked,
            Err(Diagnostics(found)) => {
                let findings = found.iter().map(ToString::to_string).collect();
                let base = in_force.digest.clone();
                let report = Report { name: name.into(), findings, base, ..Report::default() };
                return Ok(Draft { report, file: None });
            }
        };
        let path = self.book.shelf.path(name);
        let file = RulesFile { name: name.to_owned(), origin: Origin::Amended, path, text, policy };
        let mut report = self.weigh_again(&in_force, name, Some(file.clone()))?;
        report.ok = true;
        report.findings = warnings.iter().map(ToString::to_string).collect();
        Ok(Draft { report, file: Some(file) })
    }

    fn wanted_text(&self, in_force: &InForce, name: &str, wanted: &Wanted) -> Result<Option<String>, Fault> {
        match wanted {
            Wanted::Text(text) => Ok(Some(text.clone())),
            Wanted::Last => match on_shelf(|| self.book.shelf.last(name))? {
                Some(last) => last.map(Some).map_err(|error| Fault::Internal(error.to_string())),
                None if in_force.amendment(name).is_some() => Ok(None),
                None => Err(Fault::NotFound(format!("there is no amendment `{name}`"))),
            },
        }
    }

    /// Compares the rules in force with those that one exchanged file would make.
    fn weigh_again(&self, in_force: &InForce, name: &str, file: Option<RulesFile>) -> Result<Report, Fault> {
        let before = in_force.file(name).filter(|file| file.origin != Origin::Unreadable);
        let diff = text::unified(
            name,
            before.map(|file| file.text.as_str()),
            file.as_ref().map(|file| file.text.as_str()),
        );
        let digest = file.as_ref().map(RulesFile::digest);
        let after = in_force.with(name, file);
        let latest = tokio::task::block_in_place(|| self.book.history.latest())
            .map_err(|error| Fault::Unavailable(format!("cannot read the last decisions: {error}")))?;
        let mut report = Report {
            name: name.to_owned(),
            rules: after.rule_count(),
            digest,
            base: in_force.digest.clone(),
            left_out: latest.left_out,
            diff,
            ..Report::default()
        };
        let made = latest.decisions.iter().map(|past| Made {
            at: rfc3339(past.at_ms),
            was: past.verdict,
            judged: &past.judged,
        });
        report.weigh(&in_force.set, &after.set, made);
        Ok(report)
    }

    /// Whether the file lies there as wanted; one that is damaged may be written again.
    fn is_as_it_is(&self, name: &str, wanted: Option<&str>) -> bool {
        let in_force = self.book.in_force();
        let file =
            in_force.file(name).filter(|file| matches!(file.origin, Origin::Amended | Origin::Declared));
        file.map(RulesFile::digest).as_deref() == wanted
            && in_force.amendment(name).is_none_or(|file| file.origin == Origin::Amended)
    }

    /// Keeps what was decided. A question that was weighed while the rules were exchanged is weighed again.
    pub(crate) async fn remember(&self, judged: &Judged, decision: &Decision, rules: &Arc<InForce>) {
        let kept = tokio::task::block_in_place(|| self.book.history.keep(judged, decision, (self.clock)()));
        if let Err(error) = kept {
            tracing::error!("a decision could not be kept for a replay: {error}");
        }
        if decision.approval.is_some() && !Arc::ptr_eq(rules, &self.book.in_force()) {
            self.weigh_what_waits().await;
        }
    }

    /// # Errors
    /// When a question is about the policy itself: no daemon uses or withdraws that.
    pub(crate) fn leave_amendments_alone(&self, id: &str) -> Result<(), Fault> {
        let approval = self.with_ledger(|ledger| ledger.find(id, (self.clock)()))?;
        if exchange::is_amendment(&approval) {
            return Err(Fault::Denied(format!("{id} is about the policy itself")));
        }
        Ok(())
    }
}

/// The file system may take its time; the runtime gives the thread's other work away meanwhile.
fn on_shelf<T>(f: impl FnOnce() -> Result<T, ShelfError>) -> Result<T, Fault> {
    tokio::task::block_in_place(f).map_err(|error| Fault::Internal(error.to_string()))
}

/// The exact action that a yes is bound to.
fn question(report: &Report, by: Principal) -> Action {
    let changed: Vec<String> = report
        .changed
        .iter()
        .take(MOST_NAMED)
        .map(|changed| {
            let (before, after) = (changed.change.before.verdict, changed.change.after.verdict);
            let mark = changed.change.mark.word();
            format!("{mark}: {} → {}: {} {}", before.word(), after.word(), changed.tool, changed.arguments)
        })
        .collect();
    Action {
        tool: TOOL.into(),
        arguments: json!({
            "name": report.name,
            "digest": report.digest,
            "base": report.base,
            "replayed": report.replayed,
            "left_out": report.left_out,
            "loosening": report.loosening,
            "breaking": report.breaking,
            "tightening": report.tightening,
            "changed": changed,
            "phrase": report.phrase,
        }),
        effect: Effect::Configure,
        phase: Phase::Call,
        session: SESSION.into(),
        requester: by,
        change_set: None,
    }
}

fn reasons(report: &Report) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut say = |text: String| reasons.push(Reason { rule: TOOL.into(), verdict: Verdict::Ask, text });
    say("a person reviews every change of the policy".into());
    let Report { loosening, breaking, replayed, .. } = report;
    if *loosening > 0 {
        say(format!("{loosening} of the last {replayed} decisions would get through more easily"));
    }
    if *breaking > 0 {
        say(format!("{breaking} of the last {replayed} decisions would be denied"));
    }
    if let Some(phrase) = &report.phrase {
        say(format!("so much breaks that a yes must type: {phrase}"));
    }
    reasons
}

#[cfg(test)]
mod tests;

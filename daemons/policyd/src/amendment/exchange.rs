//! The exchange itself: an approved amendment becomes the policy, or everything stays as it is.
//!
//! It is recorded before it happens. The file is in its place before the rules in memory are exchanged, so a crash in
//! between leaves what people approved, and one before it leaves what was. Decisions that are being weighed finish
//! under the rules that they began with; what waits for a person or for its use is weighed again afterwards.

use std::collections::BTreeSet;

use libsystemd::logging::Priority;
use serde::Deserialize;
use testudo::approval::{Approval, Scope, State};
use testudo::fault::Fault;
use testudo::record::Entry;
use testudo::verdict::{Verdict, Weight};
use testudo::{daemon, journal};
use testudo_policy::{replay, rule};

use super::{TOOL, on_shelf};
use crate::desk::Desk;
use crate::ledger::Ledger;
use crate::rules_file::{InForce, Origin, RulesFile};

/// What a yes to an amendment is a yes to.
#[derive(Debug, Deserialize)]
struct Asked {
    name: String,
    digest: Option<String>,
    base: String,
    phrase: Option<String>,
    loosening: usize,
    breaking: usize,
}

impl Asked {
    fn of(approval: &Approval) -> Result<Self, Fault> {
        serde_json::from_value(approval.arguments.clone())
            .map_err(|error| Fault::Internal(format!("cannot read what {} asks: {error}", approval.id)))
    }
}

/// Whether a question is about the policy itself.
pub(crate) fn is_amendment(approval: &Approval) -> bool {
    approval.tool == TOOL
}

impl Desk {
    /// Says whether a yes to an amendment is one, before it counts. Other questions are not looked at.
    ///
    /// # Errors
    /// When it lacks the phrase, is meant to last, or the policy changed since it was asked.
    pub(crate) fn review(
        &self,
        approval: &Approval,
        scope: Scope,
        phrase: Option<&str>,
    ) -> Result<(), Fault> {
        let needless = || Err(Fault::InvalidArgument(format!("{} wants no phrase", approval.id)));
        if !is_amendment(approval) {
            return phrase.map_or(Ok(()), |_| needless());
        }
        let asked = Asked::of(approval)?;
        // What somebody typed who meant another question is no yes to this one.
        if asked.phrase.is_none() && phrase.is_some() {
            return needless();
        }
        if scope != Scope::Once {
            return Err(Fault::InvalidArgument(
                "a change of the policy is approved once, each one anew".into(),
            ));
        }
        if let Some(wanted) = asked.phrase.as_deref().filter(|_| self.controls().typed_phrase)
            && phrase != Some(wanted)
        {
            return Err(Fault::Denied(format!("{} wants the phrase typed: {wanted}", approval.id)));
        }
        self.still_on_top(&asked)
    }

    fn still_on_top(&self, asked: &Asked) -> Result<(), Fault> {
        if asked.base == self.book.in_force().digest {
            return Ok(());
        }
        Err(Fault::Denied(format!(
            "the policy changed since {} was compared with it: submit it again",
            asked.name
        )))
    }

    /// Makes an approved amendment the policy. Other questions are not looked at.
    ///
    /// # Errors
    /// When it cannot be recorded or written, or the policy changed meanwhile: the rules in force stay, and the yes
    /// is used up.
    pub(crate) async fn install(&self, approval: &Approval, by: &str) -> Result<(), Fault> {
        if !is_amendment(approval) {
            return Ok(());
        }
        let _turn = self.book.changing.lock().await;
        let asked = Asked::of(approval)?;
        let about = |event: &str| {
            Entry::new(event)
                .decision("approved")
                .with("approval", approval.id.as_str())
                .with("name", asked.name.as_str())
                .with("digest", asked.digest.clone())
                .with("base", asked.base.as_str())
                .with("by", by)
                .with("loosening", asked.loosening)
                .with("breaking", asked.breaking)
        };
        match self.put_in_force(approval, &asked, about("policy.amended")).await {
            Ok(rules) => {
                let text = format!("{by} amended the policy {}; {} rules decide", asked.name, rules);
                journal::event(
                    journal::POLICY_AMENDED,
                    Priority::Notice,
                    &text,
                    &[("APPROVAL", &approval.id), ("POLICY", &asked.name), ("BY", by)],
                );
                daemon::status(&self.status());
                self.weigh_what_waits().await;
                Ok(())
            }
            Err(fault) => {
                let entry = about("policy.kept").decision("deny").with("reason", fault.text());
                if let Err(error) = self.recorder.append(&entry).await {
                    tracing::error!(
                        "that {} did not change the policy is not in the record: {error}",
                        approval.id
                    );
                }
                Err(fault)
            }
        }
    }

    /// Returns how many rules decide now.
    async fn put_in_force(&self, approval: &Approval, asked: &Asked, entry: Entry) -> Result<usize, Fault> {
        self.with_ledger(|ledger| ledger.redeem(&approval.id, &approval.digest, (self.clock)()))?;
        self.still_on_top(asked)?;
        let file = match &asked.digest {
            None => None,
            Some(digest) => Some(self.proposed(&asked.name, digest)?),
        };
        self.record(&entry).await?;
        let text = file.as_ref().map(|file| file.text.as_str());
        on_shelf(|| self.book.shelf.put(&asked.name, text))?;
        let rules = self.book.in_force().with(&asked.name, file);
        let count = rules.rule_count();
        self.note_rules(&rules);
        self.book.exchange(rules);
        Ok(count)
    }

    fn proposed(&self, name: &str, digest: &str) -> Result<RulesFile, Fault> {
        let text = on_shelf(|| self.book.shelf.proposed(digest))?;
        let (policy, _) = rule::parse(&format!("{name}.toml"), &text)
            .map_err(|mistakes| Fault::Internal(mistakes.to_string()))?;
        let path = self.book.shelf.path(name);
        Ok(RulesFile { name: name.to_owned(), origin: Origin::Amended, path, text, policy })
    }

    /// What `systemctl status` says.
    pub fn status(&self) -> String {
        let in_force = self.book.in_force();
        let damaged = self.book.troubles().any(|trouble| trouble.is_damage);
        let trouble = if damaged { " An amendment of the policy is damaged: see the journal." } else { "" };
        format!(
            "Deciding by {} rules; an unanswered question becomes a no after {:?}.{trouble}",
            in_force.rule_count(),
            self.ttl
        )
    }

    /// At the start: says what is wrong with amendments, and weighs again what waited while the rules were exchanged.
    pub(crate) async fn take_up_rules(&self) {
        for trouble in self.book.troubles() {
            if trouble.is_damage {
                journal::event(journal::POLICY_DAMAGED, Priority::Error, &trouble.text, &[]);
            } else {
                tracing::error!("{}", trouble.text);
            }
        }
        if self.note_rules(&self.book.in_force()) {
            self.weigh_what_waits().await;
        }
    }

    /// Whether they are others than before.
    fn note_rules(&self, rules: &InForce) -> bool {
        match tokio::task::block_in_place(|| self.book.history.decide_by(&rules.digest)) {
            Ok(changed) => changed,
            Err(error) => {
                tracing::error!("by which rules is decided could not be noted: {error}");
                true
            }
        }
    }

    /// Withdraws what the rules in force deny or want a heavier answer to, of all that waits for an answer or for its
    /// use, and what they cannot be tried on. Other amendments were compared with rules that are gone, so they end too.
    pub(crate) async fn weigh_what_waits(&self) {
        let now = (self.clock)();
        let unused = match self.with_ledger(|ledger| ledger.unused(now)) {
            Ok(unused) => unused,
            Err(fault) => return tracing::error!("cannot weigh again what waits: {}", fault.text()),
        };
        let rules = self.book.in_force();
        for approval in unused {
            let reason = if is_amendment(&approval) {
                "the policy changed meanwhile: submit it again"
            } else {
                match tokio::task::block_in_place(|| self.book.history.behind(&approval.id)) {
                    Ok(Some(judged)) => {
                        let after = replay::outcome(&rules.set, &judged);
                        let Some(reason) = outdated(&after, self.given(&approval)) else { continue };
                        reason
                    }
                    Ok(None) | Err(_) => "the policy changed, and what was asked cannot be weighed again",
                }
            };
            self.revoke(&approval, reason).await;
        }
        self.forget_proposals();
    }

    /// How heavy the answer is, or, where there is none yet, must be.
    fn given(&self, approval: &Approval) -> Weight {
        let outcome = self.with_ledger(|ledger| ledger.outcome(&approval.id, i64::MIN));
        outcome.ok().and_then(|outcome| outcome.weight).unwrap_or(approval.approve_by)
    }

    async fn revoke(&self, approval: &Approval, reason: &str) {
        if approval.state == State::Pending {
            return self.end(&approval.id, State::Withdrawn, "policyd", reason).await;
        }
        let revoked = self.with_ledger(|ledger| ledger.revoke(&approval.id, reason, (self.clock)()));
        let Ok(outcome) = revoked else { return };
        let entry = crate::desk::about(approval, "approval.withdrawn", "deny").with("reason", reason);
        if let Err(error) = self.recorder.append(&entry).await {
            tracing::error!("the end of {} is not in the record: {error}", approval.id);
        }
        self.announce(approval, &outcome);
    }

    fn forget_proposals(&self) {
        let waiting = self.with_ledger(Ledger::pending).unwrap_or_default();
        let wanted: BTreeSet<String> = waiting
            .iter()
            .filter(|entry| is_amendment(&entry.approval))
            .filter_map(|entry| Asked::of(&entry.approval).ok()?.digest)
            .collect();
        if let Err(error) = tokio::task::block_in_place(|| self.book.shelf.forget_proposals_but(&wanted)) {
            tracing::warn!("{error}");
        }
    }
}

/// Why an answer of this weight is none under the rules in force, if so.
pub(super) fn outdated(after: &replay::Outcome, given: Weight) -> Option<&'static str> {
    match after.verdict {
        Verdict::Deny => Some("the changed policy denies it"),
        Verdict::Ask if after.approve_by > given => Some("the changed policy wants a heavier answer"),
        Verdict::Ask | Verdict::Allow => None,
    }
}

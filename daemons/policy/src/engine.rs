//! The decision itself: pure, without a clock and without I/O.
//!
//! Strictest wins. Within a layer every rule is heard, so the order of rules cannot change the answer; a denial by
//! the built-in rules ends it, everything else goes on to the policy files. A lease can turn their *ask* into an
//! allow, and nothing else.
//!
//! A forgotten look at what came out does not compile, here and wherever this workspace's lints hold. Each of these
//! is refused, and the same with a look at it is not:
//!
//! ```compile_fail
//! #![deny(unused_must_use)]
//! fn forgets_the_decision(hearing: testudo_policy::engine::Hearing) {
//!     hearing.conclude();
//! }
//! ```
//! ```compile_fail
//! #![deny(unused_must_use)]
//! fn forgets_that_a_layer_may_end_it(hearing: testudo_policy::engine::Hearing) {
//!     hearing.token(false);
//! }
//! ```
//! ```compile_fail
//! #![deny(unused_must_use)]
//! fn forgets_the_hearing(hearing: testudo_policy::engine::Hearing) {
//!     hearing.sentinel(Vec::new());
//! }
//! ```
//! ```compile_fail
//! #![deny(unused_must_use)]
//! fn forgets_the_verdict(hearing: testudo_policy::engine::Hearing) {
//!     hearing.leaning();
//! }
//! ```
//! ```
//! #![deny(unused_must_use)]
//! use testudo::verdict::Verdict;
//! fn looks(hearing: testudo_policy::engine::Hearing) -> bool {
//!     let leaning = hearing.leaning();
//!     let Ok(hearing) = hearing.token(false) else { return false };
//!     let decision = hearing.sentinel(Vec::new()).conclude();
//!     (leaning, decision.verdict) == (Verdict::Allow, Verdict::Allow)
//! }
//! ```

use std::time::Duration;

use testudo::action::Judged;
use testudo::verdict::{Decision, Layer, Reason, Verdict, Weight};

use crate::builtin;
use crate::index::RuleSet;

/// Decides by built-in rules and rules of files alone. `digest` is the action's own.
pub fn decide(rules: &RuleSet, judged: &Judged, digest: String) -> Decision {
    let heard = Hearing::open(judged, digest).and_then(|hearing| hearing.rules(rules, judged));
    heard.map_or_else(|decision| *decision, Hearing::conclude)
}

/// A layer either settles the matter, as an error of the chain, or leaves it open for the next one.
pub type Heard = Result<Hearing, Box<Decision>>;

/// An action before the decision point, between two layers.
#[derive(Debug, Clone)]
#[must_use = "a hearing that is not concluded decides nothing"]
pub struct Hearing {
    digest: String,
    reasons: Vec<Reason>,
    abstained: Vec<String>,
    builtin: Option<Verdict>,
    spoken: Option<(Verdict, Layer)>,
    approve_by: Option<Weight>,
    ttl: Option<Duration>,
}

impl Hearing {
    /// The built-in rules are heard first; their denial ends it.
    pub fn open(judged: &Judged, digest: String) -> Heard {
        let reasons = builtin::reasons(judged);
        let builtin = strictest(&reasons);
        let approve_by = (builtin == Some(Verdict::Ask)).then(Weight::default);
        let hearing =
            Self { digest, reasons, abstained: Vec::new(), builtin, spoken: None, approve_by, ttl: None };
        if builtin == Some(Verdict::Deny) {
            return Err(Box::new(hearing.settle(Verdict::Deny, Layer::Builtin)));
        }
        Ok(hearing)
    }

    /// A valid token spares the rules of files and the extensions, unless a built-in rule asks.
    pub fn token(mut self, valid: bool) -> Heard {
        if !valid {
            return Ok(self);
        }
        if self.builtin == Some(Verdict::Ask) {
            return Err(Box::new(self.settle(Verdict::Ask, Layer::Builtin)));
        }
        self.reasons.push(Reason {
            rule: "token".into(),
            verdict: Verdict::Allow,
            text: "a person approved exactly this step".into(),
        });
        Err(Box::new(self.settle(Verdict::Allow, Layer::Token)))
    }

    /// The rules of files; a denial ends it.
    pub fn rules(mut self, rules: &RuleSet, judged: &Judged) -> Heard {
        let said = rules.ask(judged);
        self.abstained.extend(said.abstained);
        self.abstained.sort();
        self.ttl = self.ttl.into_iter().chain(said.ttl).min();
        self.weigh(Layer::Rules, said.reasons, said.approve_by)
    }

    /// What one more layer says, which is of the same rank as the rules; a denial ends it.
    pub fn hear(self, layer: Layer, spoken: Vec<Reason>) -> Heard {
        let approve_by = weight(&spoken);
        self.weigh(layer, spoken, approve_by)
    }

    fn weigh(mut self, layer: Layer, mut spoken: Vec<Reason>, approve_by: Option<Weight>) -> Heard {
        // In the order of names, so that two files read in another order give the same answer to the last byte.
        spoken.sort_by(|a, b| (&a.rule, a.verdict, &a.text).cmp(&(&b.rule, b.verdict, &b.text)));
        if let Some(verdict) = strictest(&spoken)
            && self.spoken.is_none_or(|(before, _)| verdict > before)
        {
            self.spoken = Some((verdict, layer));
        }
        self.approve_by = self.approve_by.max(approve_by);
        self.reasons.extend(spoken);
        match self.spoken {
            Some((Verdict::Deny, layer)) => Err(Box::new(self.settle(Verdict::Deny, layer))),
            _ => Ok(self),
        }
    }

    /// Everything that was said so far.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// How heavy an answer it would want as it stands.
    pub fn approve_by(&self) -> Weight {
        self.approve_by.unwrap_or_default()
    }

    /// A lease, by its id, turns the question of a rule or an extension into an allow, and nothing else.
    pub fn lease(mut self, lease: Option<&str>) -> Self {
        if let Some(id) = lease
            && self.builtin.is_none()
            && matches!(self.spoken, Some((Verdict::Ask, _)))
        {
            self.reasons.push(Reason {
                rule: "lease".into(),
                verdict: Verdict::Allow,
                text: format!("a person allowed this before ({id})"),
            });
            self.spoken = Some((Verdict::Allow, Layer::Lease));
        }
        self
    }

    /// What would be decided as it stands, without deciding it: the sentinel need not be asked about a denial.
    pub fn leaning(&self) -> Verdict {
        match (self.builtin, self.spoken) {
            (_, None) => Verdict::Deny,
            (builtin, Some((spoken, _))) => builtin.map_or(spoken, |builtin| builtin.stricter(spoken)),
        }
    }

    /// What the sentinel says can only tighten.
    pub fn sentinel(mut self, spoken: Vec<Reason>) -> Self {
        let leaning = self.leaning();
        if let (Some(verdict), Some(_)) = (strictest(&spoken), self.spoken)
            && verdict > leaning
        {
            self.spoken = Some((verdict, Layer::Sentinel));
        }
        self.approve_by = self.approve_by.max(weight(&spoken));
        self.reasons.extend(spoken);
        self
    }

    /// The end of it. Where nothing spoke it is a denial.
    pub fn conclude(mut self) -> Decision {
        match (self.builtin, self.spoken) {
            (_, None) => {
                self.reasons.push(Reason {
                    rule: "default".into(),
                    verdict: Verdict::Deny,
                    text: "no rule allows this".into(),
                });
                self.settle(Verdict::Deny, Layer::Default)
            }
            (Some(builtin), Some((spoken, _))) if builtin >= spoken => self.settle(builtin, Layer::Builtin),
            (_, Some((spoken, layer))) => self.settle(spoken, layer),
        }
    }

    fn settle(self, verdict: Verdict, layer: Layer) -> Decision {
        Decision {
            verdict,
            layer,
            reasons: self.reasons,
            abstained: self.abstained,
            digest: self.digest,
            approve_by: self.approve_by.unwrap_or_default(),
            ttl_ms: self.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            approval: None,
        }
    }
}

/// How heavy an answer a layer wants that does not say it: as heavy as any, if it asks at all.
fn weight(spoken: &[Reason]) -> Option<Weight> {
    spoken.iter().any(|reason| reason.verdict == Verdict::Ask).then(Weight::default)
}

fn strictest(reasons: &[Reason]) -> Option<Verdict> {
    reasons.iter().map(|reason| reason.verdict).max()
}

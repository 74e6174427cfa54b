//! Plans: several steps weighed together, one question, and tokens for what was granted.
//!
//! Weighing a plan remembers nothing and decides nothing: every step is decided when it comes, by its token if it
//! comes as it was granted. The mint's key is made here and dies with the process, and an exchange of the rules ends
//! all tokens: what was granted under other rules is asked about again.

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testudo::action::{Judged, Phase};
use testudo::approval::State;
use testudo::fault::Fault;
use testudo::plan::{Collected, Plan, Planned, Spendable, Step, StepVerdict, foreseen};
use testudo::verdict::{Decision, Layer, Reason, Verdict};
use testudo_policy::plan::{PlanError, Weighed, select};
use testudo_policy::token::{Checks, IssueError, MOST_OPS, Mint, Presented, Terms, Token};

use crate::controls::Controls;
use crate::desk::{Desk, about, fault, lock};
use crate::ledger::{LedgerError, rfc3339};
use crate::routing::Watch;
use crate::rules_file::InForce;

mod shelf;

/// Where the tokens come from.
#[derive(Debug)]
pub struct Plans {
    mint: Mint,
    ttl_ms: i64,
    /// The rules under which the tokens were granted.
    under: Mutex<Option<Arc<InForce>>>,
}

impl Plans {
    /// A mint with a key of its own, whose tokens hold for `ttl`.
    ///
    /// # Errors
    /// When there is no randomness: then there are no tokens, and no `policyd`.
    pub fn new(ttl: Duration, controls: Controls) -> std::io::Result<Self> {
        let mut key = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let checks = Checks { binding: controls.token_binding, order: controls.token_order };
        let mint = Mint::new(key, checks).map_err(std::io::Error::other)?;
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        Ok(Self { mint, ttl_ms, under: Mutex::default() })
    }

    /// Ends all tokens that were granted under other rules than these.
    fn renew(&self, rules: &Arc<InForce>) {
        let mut under = lock(&self.under);
        if under.as_ref().is_none_or(|before| !Arc::ptr_eq(before, rules)) {
            self.mint.revoke_all();
            *under = Some(rules.clone());
        }
    }
}

impl Desk {
    /// Weighs a plan, and puts it to people if a step wants one.
    ///
    /// # Errors
    /// When it is no plan, or the question cannot be kept or recorded.
    pub async fn plan(&self, plan: Plan, asker: &str, watch: &Watch) -> Result<Planned, Fault> {
        // Weighing can take as long as a judge does, and what was weighed under other rules is not asked about.
        let rules = self.book.in_force();
        let Plan { goal, call, steps } = plan;
        let (mut judged, mut found) = (Vec::new(), Vec::new());
        for step in steps {
            let (step, verdict) = self.weigh_step(step).await?;
            judged.push(step);
            found.push(verdict);
        }
        let weighed =
            Weighed::new(Plan { goal, call, steps: judged }, found).map_err(|error| wrong(&error))?;
        let question = weighed.question().map_err(|error| wrong(&error))?;
        let digest = question.action.digest().map_err(|error| Fault::Internal(error.to_string()))?;
        let steps = weighed.found().to_vec();
        let verdict = weighed.verdict();
        if verdict != Verdict::Ask {
            return Ok(Planned { verdict, digest, steps, approval: None });
        }
        self.with_ledger(|ledger| ledger.keep_plan(&digest, &weighed))?;
        let decision = Decision {
            verdict,
            layer: Layer::Rules,
            reasons: reasons(&steps),
            abstained: Vec::new(),
            digest: digest.clone(),
            approve_by: weighed.weight(),
            ttl_ms: None,
            approval: None,
        };
        let approval = self.put_question_to(&question, &decision, asker, watch).await?;
        if !Arc::ptr_eq(&rules, &self.book.in_force()) {
            let why = "the policy was changed while the plan was weighed";
            self.end(&approval.id, State::Withdrawn, "policyd", why).await;
            return Err(Fault::Busy(format!("{why}: submit it again")));
        }
        Ok(Planned { verdict, digest, steps, approval: Some(approval.id) })
    }

    /// A step as it would be decided now, with what can be foreseen of its application.
    async fn weigh_step(&self, step: Step) -> Result<(Step, StepVerdict), Fault> {
        let call = self.sessions.judge(&step.call)?;
        let decision = self.weigh(&call).await?;
        let (mut verdict, mut approve_by) = (decision.verdict, decision.approve_by);
        let mut reasons = decision.reasons;
        let mut applications = Vec::new();
        for application in &step.applications {
            let application = self.sessions.judge(application)?;
            let decision = self.weigh(&application).await?;
            if decision.verdict == Verdict::Ask {
                approve_by = approve_by.max(decision.approve_by);
            }
            verdict = verdict.stricter(decision.verdict);
            let new: Vec<Reason> =
                decision.reasons.into_iter().filter(|reason| !reasons.contains(reason)).collect();
            reasons.extend(new);
            applications.push(application);
        }
        Ok((Step { call, applications }, StepVerdict { verdict, reasons, approve_by }))
    }

    /// Which steps of a plan a person means; nothing for a question that is no plan.
    ///
    /// # Errors
    /// When the question has no steps, or not these.
    pub(crate) fn chosen(&self, id: &str, steps: Option<&str>) -> Result<Option<String>, Fault> {
        let Some(text) = steps else { return Ok(None) };
        let approval = self.with_ledger(|ledger| ledger.find(id, (self.clock)()))?;
        if approval.phase != Phase::Plan {
            return Err(Fault::InvalidArgument(format!("{id} is no plan: it has no steps")));
        }
        let weighed = self.with_ledger(|ledger| ledger.plan(&approval.digest))?;
        let weighed =
            weighed.ok_or_else(|| Fault::NotFound(format!("the plan of {id} is not kept any more")))?;
        let chosen = select(text, weighed.len()).map_err(|error| wrong(&error))?;
        let words: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        Ok(Some(words.join(",")))
    }

    /// Uses up a yes to a plan and mints the tokens of its granted steps. Once: whoever lost them asks again.
    ///
    /// # Errors
    /// When there is no such yes.
    pub async fn collect(&self, id: &str) -> Result<Collected, Fault> {
        let now = (self.clock)();
        let approval = self.with_ledger(|ledger| ledger.find(id, now))?;
        if approval.phase != Phase::Plan {
            return Err(Fault::InvalidArgument(format!("{id} is no plan")));
        }
        let kept = self.with_ledger(|ledger| Ok((ledger.plan(&approval.digest)?, ledger.steps_of(id)?)))?;
        let (Some(weighed), steps) = kept else {
            return Err(Fault::NotFound(format!("the plan of {id} is not kept any more")));
        };
        let chosen =
            select(steps.as_deref().unwrap_or_default(), weighed.len()).map_err(|error| wrong(&error))?;
        let granted =
            weighed.grant(&approval, &chosen).map_err(|error| fault_of(id, approval.state, &error))?;
        self.record(&about(&approval, "plan.granted", "approved").with("steps", steps.as_deref())).await?;
        // Before the yes is used up: tokens are of the rules that it was checked under, and end with them.
        let rules = self.book.in_force();
        // Last, so that a yes is not lost to a record that fails; it gives one success however many race.
        if let Err(error) = self.with_ledger_raw(|ledger| ledger.redeem(id, &approval.digest, now)) {
            self.note_refused(id, "toold", &error.to_string()).await;
            return Err(fault(&error));
        }
        self.plans.renew(&rules);
        let terms = Terms { ttl_ms: self.plans.ttl_ms, max_ops: MOST_OPS };
        let ids = || uuid::Uuid::new_v4().to_string();
        let tokens = self.plans.mint.issue(&granted, terms, ids, now).map_err(unsigned)?;
        let expires_ms = now.saturating_add(self.plans.ttl_ms);
        let tokens = tokens.into_iter().map(spendable).collect::<Result<_, _>>()?;
        Ok(Collected { granted: chosen.into_iter().collect(), expires_at: rfc3339(expires_ms), tokens })
    }

    /// Whether a token is good for this action now; if so, it is used up.
    pub(crate) fn spend(&self, token: &Token, judged: &Judged, digest: &str, rules: &Arc<InForce>) -> bool {
        self.plans.renew(rules);
        let covered = match judged.action.phase {
            Phase::Call => Some(digest.to_owned()),
            Phase::Apply => foreseen(judged),
            Phase::Plan => None,
        };
        let Some(digest) = covered else { return false };
        let presented = Presented {
            bearer: judged.bearer.clone(),
            tool: judged.action.tool.clone(),
            digest,
            paths: files(judged),
        };
        self.plans.mint.validate(token, &presented, (self.clock)())
    }
}

/// The paths whose content changes; directories on the way to them are part of [`foreseen`].
fn files(judged: &Judged) -> Vec<String> {
    let is_file = |change: &&testudo::change::ChangeSummary| change.sha256.is_some();
    judged.changes.iter().filter(is_file).map(|change| change.path.clone()).collect()
}

fn reasons(steps: &[StepVerdict]) -> Vec<Reason> {
    let of_step = |(number, step): (usize, &StepVerdict)| -> Vec<Reason> {
        let asks = step.reasons.iter().filter(|reason| reason.verdict == Verdict::Ask);
        asks.map(|reason| Reason { text: format!("step {number}: {}", reason.text), ..reason.clone() })
            .collect()
    };
    (1..).zip(steps).flat_map(of_step).collect()
}

fn spendable(token: Token) -> Result<Spendable, Fault> {
    let text = serde_json::to_string(&token).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(Spendable { digest: token.digest, token: text })
}

fn wrong(error: &PlanError) -> Fault {
    Fault::InvalidArgument(error.to_string())
}

fn fault_of(id: &str, state: State, error: &PlanError) -> Fault {
    match error {
        PlanError::NotApproved(_) if state != State::Approved => {
            fault(&LedgerError::Settled { id: id.into(), state })
        }
        other => Fault::Denied(other.to_string()),
    }
}

fn unsigned(error: IssueError) -> Fault {
    Fault::Internal(error.to_string())
}

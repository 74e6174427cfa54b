//! Cedar on the same rules: a permit for an allow, a forbid for a deny, an action for a tool, a context for the rest.

use anyhow::{Context as _, Result, ensure};
use cedar_policy::{Authorizer, Context, Decision, Entities, PolicySet, Request, RestrictedExpression};
use testudo::action::Judged;

use crate::rulebook::Rulebook;

/// Policies and requests, ready to be evaluated.
pub(crate) struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<(Request, Decision)>,
}

impl Cedar {
    /// The rules of a book, which must decide every call as expected: true for an allow.
    pub(crate) fn new(book: &Rulebook, expected: &[bool]) -> Result<Self> {
        let decision = |allows: &bool| if *allows { Decision::Allow } else { Decision::Deny };
        let requests: Result<Vec<(Request, Decision)>> = book
            .calls
            .iter()
            .zip(expected)
            .map(|(call, allows)| Ok((request(call)?, decision(allows))))
            .collect();
        let cedar = Self {
            authorizer: Authorizer::new(),
            policies: book.cedar.parse().context("cannot read the policies")?,
            entities: Entities::empty(),
            requests: requests?,
        };
        for number in 0..cedar.requests.len() {
            cedar.once(number)?;
        }
        Ok(cedar)
    }

    /// Decides one call.
    pub(crate) fn once(&self, number: usize) -> Result<()> {
        let (request, expected) = self.requests.get(number).context("there is no such call")?;
        let answer = self.authorizer.is_authorized(request, &self.policies, &self.entities);
        ensure!(answer.decision() == *expected, "Cedar decides call {number} otherwise: {answer:?}");
        Ok(())
    }
}

fn request(call: &Judged) -> Result<Request> {
    let path = call.action.arguments.get("path").and_then(|path| path.as_str()).unwrap_or_default();
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let context = Context::from_pairs([
        ("path".to_owned(), text(path)),
        ("effect".to_owned(), text(call.action.effect.word())),
    ])?;
    let action = format!("Action::\"{}\"", call.action.tool).parse()?;
    Ok(Request::new("User::\"agentd\"".parse()?, action, "Workspace::\"main\"".parse()?, context, None)?)
}

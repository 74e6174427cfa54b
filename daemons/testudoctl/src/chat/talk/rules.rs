//! Rules in plain language, from within the conversation.

use super::Talk;
use crate::failure::Failure;
use crate::rules;

impl Talk {
    /// `/rules`
    pub(super) async fn rules(&mut self) -> Result<(), Failure> {
        match rules::listed(&self.policy, &self.session).await {
            Ok(answer) => self.laid_out(&rules::shown(&answer, self.page.paint())).await,
            Err(failure) => self.failed(&failure).await,
        }
    }

    /// `/disable RULE` and `/enable RULE`, for this session.
    pub(super) async fn switch(&mut self, rule: &str, enabled: bool) -> Result<(), Failure> {
        match rules::switch(&self.policy, &self.session, rule, enabled).await {
            Ok(()) => self.note(&rules::switched(&self.session, rule, enabled)).await,
            Err(failure) => self.failed(&failure).await,
        }
    }
}

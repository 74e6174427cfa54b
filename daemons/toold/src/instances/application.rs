//! One application of a change set, seen to its end even if the runner dies in the middle of it.
//!
//! A runner that went away may have applied everything or nothing. The same request under the same id is then
//! made again, which is harmless: it is applied once only. If that does not help either, recovery is asked what
//! became of it. Only what nobody can say is reported as not known.

use std::path::Path;
use std::thread;
use std::time::Duration;

use testudo::refusal::{Code, Refusal};
use testudo_sandbox::changeset::Proposal;
use testudo_sandbox::client::{Application, ClientError, Instance, Recovery};
use testudo_sandbox::protocol::{Merge, Origin};

use super::{Instances, unavailable};

/// How often the request is made.
const TRIES: u32 = 2;
/// How often recovery is asked afterwards.
const QUESTIONS: u32 = 3;
/// Between two tries, so that a dead runner's place is free again.
const PAUSE: Duration = Duration::from_millis(200);

impl Instances {
    /// Has the apply runner put a proposal into the workspace, under an id that is applied once only.
    ///
    /// # Errors
    /// Why not, and whether it is certain that nothing was applied.
    pub async fn apply(&self, id: String, proposal: Proposal, origin: Origin) -> Result<(), Unapplied> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || carry_out(&path, &id, &proposal, &origin))
            .await
            .map_err(|_| Unapplied { refusal: Refusal::broken(), certain: false })?
    }

    /// Has the apply runner finish or discard what a crash interrupted, and say what became of some applications.
    ///
    /// # Errors
    /// When the runner cannot be reached or its journal cannot be followed.
    pub async fn recover(&self, about: Vec<String>) -> Result<Recovery, Refusal> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || Instance::connect(&path)?.recover(&about))
            .await
            .map_err(|_| Refusal::broken())?
            .map_err(|error| unavailable(&error.to_string()))
    }

    /// Has the apply runner make the change set that undoes an application, by its id or its call's; the latest that
    /// is not undone, without one.
    ///
    /// # Errors
    /// `HANDLER_ERROR` when there is none, or the workspace has changed since.
    pub async fn invert(&self, id: Option<String>) -> Result<(Merge, Proposal), Refusal> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || Instance::connect(&path)?.invert(id.as_deref()))
            .await
            .map_err(|_| Refusal::broken())?
            .map_err(|error| match error {
                ClientError::Refused { reason } => Refusal::new(Code::HandlerError, reason).in_stage(6),
                ClientError::Conflict { .. } => {
                    Refusal::new(Code::HandlerError, format!("cannot undo it: {error}")).in_stage(6)
                }
                other => unavailable(&other.to_string()),
            })
    }

    /// What was applied lately, the newest first.
    ///
    /// # Errors
    /// When the runner cannot be reached, or keeps no history.
    pub async fn history(&self, limit: u16) -> Result<Vec<Merge>, Refusal> {
        let path = self.apply.clone();
        tokio::task::spawn_blocking(move || Instance::connect(&path)?.history(limit))
            .await
            .map_err(|_| Refusal::broken())?
            .map_err(|error| unavailable(&error.to_string()))
    }
}

/// Why a change set is not known to be in the workspace.
#[derive(Debug)]
pub struct Unapplied {
    /// What the caller hears.
    pub refusal: Refusal,
    /// Nothing of it is in the workspace, and nothing will be.
    pub certain: bool,
}

/// What became of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is in the workspace.
    Applied,
    /// Nothing of it is, or will be.
    Discarded,
    /// Part of it may be; it cannot be completed.
    SetAside,
    /// All or nothing, too long ago to be known.
    Forgotten,
    /// The runner does not say.
    Unknown,
}

/// What a recovery that was asked about an application says of it.
pub fn fate(id: &str, recovery: &Recovery) -> Fate {
    let among = |list: &[String]| list.iter().any(|known| known == id);
    if among(&recovery.failed) {
        Fate::SetAside
    } else if among(&recovery.completed) {
        Fate::Applied
    } else if among(&recovery.discarded) {
        Fate::Discarded
    } else {
        Fate::Forgotten
    }
}

/// Has a proposal applied and returns when it is.
///
/// # Errors
/// `HANDLER_ERROR` for a conflict or when it is not known what was applied, `PLUGIN_UNAVAILABLE` when nothing was.
pub(super) fn carry_out(
    runner: &Path,
    id: &str,
    proposal: &Proposal,
    origin: &Origin,
) -> Result<(), Unapplied> {
    let nothing = |refusal| Err(Unapplied { refusal, certain: true });
    for number in 0..TRIES {
        let first = number == 0;
        if !first {
            thread::sleep(PAUSE);
        }
        match Instance::connect(runner).and_then(|mut runner| runner.apply_of(id, proposal, Some(origin))) {
            Ok(Application::Applied { .. }) => return Ok(()),
            Ok(Application::Conflict { path, message }) => {
                let message = format!(
                    "nothing was applied, because the workspace changed meanwhile: {path}: {message}"
                );
                return nothing(Refusal::new(Code::HandlerError, message).in_stage(6));
            }
            // Of a later try this says nothing about the earlier one.
            Err(error) if first && is_harmless(&error) => {
                return nothing(Refusal::new(Code::PluginUnavailable, error.to_string()));
            }
            Err(error) => tracing::warn!("the application {id} was interrupted: {error}"),
        }
    }
    match ask(runner, id) {
        Fate::Applied => Ok(()),
        Fate::Discarded => nothing(Refusal::new(
            Code::PluginUnavailable,
            "nothing was applied: the runner that applies changes died before it began",
        )),
        Fate::SetAside | Fate::Forgotten | Fate::Unknown => Err(Unapplied {
            refusal: Refusal::new(
                Code::HandlerError,
                "the application was interrupted, and what was applied is not known; see testudoctl audit",
            )
            .in_stage(6),
            certain: false,
        }),
    }
}

/// Whether the request was certainly not begun.
const fn is_harmless(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Connect { .. }
            | ClientError::Refused { .. }
            | ClientError::Bulk(_)
            | ClientError::Proposal(_)
    )
}

fn ask(runner: &Path, id: &str) -> Fate {
    for _ in 0..QUESTIONS {
        thread::sleep(PAUSE);
        match Instance::connect(runner).and_then(|mut runner| runner.recover(&[id.to_owned()])) {
            Ok(recovery) => return fate(id, &recovery),
            Err(error) => tracing::warn!("what became of the application {id} cannot be asked: {error}"),
        }
    }
    Fate::Unknown
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use testudo_sandbox::protocol::{Reply, Request};
    use testudo_sandbox::wire::Connection;

    use super::*;

    /// A runner that gives these answers, a connection each, and hangs up instead where there is none.
    /// Returns what became of the application, and how many connections there were.
    fn against(answers: Vec<Option<Reply>>) -> (Result<(), Unapplied>, usize) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("apply.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let runner = thread::spawn(move || {
            let mut served = 0;
            for answer in answers {
                let mut connection = Connection::new(listener.accept().unwrap().0);
                let message = connection.receive().unwrap().unwrap();
                let request: Request = serde_json::from_slice(&message.frame).unwrap();
                match request {
                    Request::Apply(apply) => assert_eq!(apply.id, "ap-1"),
                    Request::Recover { about } => assert_eq!(about, ["ap-1"]),
                    other => panic!("{other:?}"),
                }
                if let Some(answer) = answer {
                    connection.send(&answer, &[]).unwrap();
                }
                served += 1;
            }
            served
        });
        let result = carry_out(&path, "ap-1", &Proposal::default(), &Origin::default());
        (result, runner.join().unwrap())
    }

    fn recovered(list: &str) -> Reply {
        let of = |name| if name == list { vec!["ap-1".to_owned()] } else { vec![] };
        Reply::Recovered { completed: of("completed"), discarded: of("discarded"), failed: of("failed") }
    }

    fn refused() -> Reply {
        Reply::Refused { call: None, reason: "the disk is full".into() }
    }

    fn applied() -> Reply {
        Reply::Applied { id: "ap-1".into(), changes: 1, already: true }
    }

    #[test]
    fn a_runner_that_dies_is_asked_again_until_the_truth_is_known() {
        let unfinished = Some(Reply::Unfinished { id: "ap-1".into(), reason: "stuck".into() });
        for answers in [
            vec![Some(applied())],
            vec![None, Some(applied())],
            vec![unfinished, Some(applied())],
            vec![None, None, Some(recovered("completed"))],
            vec![None, Some(refused()), None, Some(recovered("completed"))],
        ] {
            let (count, (result, served)) = (answers.len(), against(answers));
            assert!(result.is_ok(), "{result:?}");
            assert_eq!(served, count);
        }
    }

    #[test]
    fn what_was_not_applied_is_refused_and_may_be_tried_again() {
        for answers in [vec![Some(refused())], vec![None, None, Some(recovered("discarded"))]] {
            let unapplied = against(answers).0.unwrap_err();
            assert!(unapplied.certain && unapplied.refusal.retriable, "{unapplied:?}");
            assert_eq!(unapplied.refusal.code, Code::PluginUnavailable);
        }
    }

    #[test]
    fn a_conflict_after_a_death_is_a_conflict() {
        let conflict = Reply::Conflict { id: "ap-1".into(), path: "a".into(), message: "it changed".into() };
        let unapplied = against(vec![None, Some(conflict)]).0.unwrap_err();
        assert!(unapplied.certain && !unapplied.refusal.retriable, "{unapplied:?}");
        assert!(unapplied.refusal.message.starts_with("nothing was applied"));
    }

    #[test]
    fn what_nobody_knows_is_said_to_be_unknown_and_not_to_be_retried() {
        for answers in [
            vec![None, None, Some(recovered("failed"))],
            vec![None, None, Some(recovered(""))],
            vec![None, Some(refused()), Some(refused()), Some(refused()), None],
        ] {
            let unapplied = against(answers).0.unwrap_err();
            assert!(!unapplied.certain && !unapplied.refusal.retriable, "{unapplied:?}");
            assert!(unapplied.refusal.message.contains("not known"));
        }
    }
}

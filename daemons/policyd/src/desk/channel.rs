//! Who answers: an operator, whom the bus vouches for, or an owner of the appliance whose answer a channel brings.
//!
//! A channel cannot answer for itself. It says whose answer it is, and that is one whom the configuration calls an owner;
//! how he answered; and what he was shown. It cannot have polkit authenticate anybody: nobody is at its machine.

use std::fmt;

use testudo::config::Matrixd;
use testudo::fault::Fault;
use testudo::identity::Daemon;
use testudo::observation::Author;
use testudo::options::GivenOptions;

use super::Manner;

/// The daemons that bring answers of owners.
pub(crate) const CARRIERS: [Daemon; 1] = [Daemon::Matrixd];

/// A person who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// An operator, by user name.
    Operator(String),
    /// An owner, by the id that the channel vouches for.
    Owner(String),
    /// Anybody: only where a harness took the control out that would have refused him.
    Unchecked(String),
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(name) | Self::Unchecked(name) => f.write_str(name),
            Self::Owner(id) => write!(f, "matrix {id}"),
        }
    }
}

/// Whose answer a channel brings.
///
/// # Errors
/// [`Fault::Denied`] when it does not say, and for everybody who is no owner.
pub(crate) fn owner(options: &mut GivenOptions, matrix: &Matrixd) -> Result<Person, Fault> {
    match options.string("by")? {
        Some(by) if matrix.author(&by) == Author::Owner => Ok(Person::Owner(by)),
        Some(_) => Err(Fault::Denied("the configuration does not call this person an owner".into())),
        None => Err(Fault::Denied("a channel may not answer for itself: it must say for whom".into())),
    }
}

/// What a yes over a channel must say beside whose it is.
///
/// # Errors
/// [`Fault::Denied`] names what is missing.
pub(super) fn require_proof(by: &Person, given: Option<Manner>, seen: Option<&str>) -> Result<(), Fault> {
    if !matches!(by, Person::Owner(_)) {
        return Ok(());
    }
    let denied = |why: &str| Err(Fault::Denied(why.into()));
    match (given, seen) {
        (None, _) => denied("a channel must say how the person answered"),
        (Some(Manner::Local), _) => denied("nobody can be authenticated at this machine through a channel"),
        (Some(Manner::Reply | Manner::Reaction), None) => {
            denied("a channel must say what the person was shown")
        }
        (Some(Manner::Reply | Manner::Reaction), Some(_)) => Ok(()),
    }
}

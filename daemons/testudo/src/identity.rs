//! Who calls: taken from the bus, never from a parameter.
//!
//! The bus vouches for a connection's user. Daemons are told apart by their users, operators are root and the
//! members of the group `testudo`; everybody else is a stranger whatever the bus policy let through.

use std::fmt;

use nix::unistd::{Gid, Group, Uid, User};
use serde::{Deserialize, Serialize};
use zbus::message::Header;
use zbus::{Connection, fdo};

use crate::fault::Fault;

/// The group whose members may talk to the agent, approve its actions and read the record.
pub const OPERATORS: &str = "testudo";

/// One of our daemons, by its verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Daemon {
    /// Thinks.
    Agentd,
    /// Records.
    Auditd,
    /// Reaches out.
    Egressd,
    /// Talks.
    Matrixd,
    /// Infers.
    Modeld,
    /// Decides.
    Policyd,
    /// Acts.
    Toold,
}

impl Daemon {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Agentd, Self::Auditd, Self::Egressd, Self::Matrixd, Self::Modeld, Self::Policyd, Self::Toold];

    /// The directory name, which all other names are made of.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agentd => "agentd",
            Self::Auditd => "auditd",
            Self::Egressd => "egressd",
            Self::Matrixd => "matrixd",
            Self::Modeld => "modeld",
            Self::Policyd => "policyd",
            Self::Toold => "toold",
        }
    }

    /// What the names of its sessions begin with; none where it has no sessions of its own.
    pub const fn sessions(self) -> Option<&'static str> {
        match self {
            Self::Matrixd => Some("m-"),
            _ => None,
        }
    }

    fn from_user(user: &str) -> Option<Self> {
        let name = user.strip_prefix("testudo-")?;
        Self::ALL.into_iter().find(|daemon| daemon.name() == name)
    }
}

/// On whose behalf something is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Principal {
    /// One of our daemons.
    Daemon(Daemon),
    /// A person who operates this appliance, by user name.
    Operator(String),
    /// Anybody else, by user name or number.
    Stranger(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(daemon) => f.write_str(daemon.name()),
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Stranger(name) => write!(f, "stranger {name}"),
        }
    }
}

/// A connection of the bus and who is behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The unique name, such as `:1.42`.
    pub connection: String,
    /// The kernel's word for who it is.
    pub principal: Principal,
}

impl Caller {
    /// Asks the bus who sent this message.
    ///
    /// # Errors
    /// [`Fault::Denied`] when the bus cannot say: a caller without an identity has no rights.
    pub async fn of(header: &Header<'_>, connection: &Connection) -> Result<Self, Fault> {
        let sender = header.sender().ok_or_else(|| Fault::Denied("the message has no sender".into()))?;
        let bus = fdo::DBusProxy::new(connection).await?;
        let credentials = bus
            .get_connection_credentials(sender.clone().into())
            .await
            .map_err(|error| Fault::Denied(format!("the bus cannot say who {sender} is: {error}")))?;
        let uid = credentials
            .unix_user_id()
            .ok_or_else(|| Fault::Denied(format!("the bus gives no user for {sender}")))?;
        let gids = credentials.unix_group_ids().map(Vec::as_slice).unwrap_or_default();
        Ok(Self { connection: sender.to_string(), principal: principal_of(Uid::from_raw(uid), gids) })
    }

    /// The operator's name, for methods that only people may call.
    ///
    /// # Errors
    /// [`Fault::Denied`] for daemons and strangers, whatever the bus policy let through.
    pub fn require_operator(&self) -> Result<&str, Fault> {
        match &self.principal {
            Principal::Operator(name) => Ok(name),
            other => Err(Fault::Denied(format!("only an operator may do this, and this is {other}"))),
        }
    }

    /// Who it is, for methods that people call, some of them through one of these daemons: an operator's name, or the
    /// daemon's, which has to say for whom it calls.
    ///
    /// # Errors
    /// [`Fault::Denied`] for everybody else.
    pub fn require_operator_or(&self, carriers: &[Daemon]) -> Result<&str, Fault> {
        match &self.principal {
            Principal::Daemon(daemon) if carriers.contains(daemon) => Ok(daemon.name()),
            _ => self.require_operator(),
        }
    }

    /// Succeeds where it may speak, look or change something in a session: operators everywhere, a daemon only in its
    /// own. So who took a channel over has neither the operators' transcripts nor what they approved in their sessions.
    ///
    /// # Errors
    /// [`Fault::Denied`] elsewhere.
    pub fn require_session(&self, session: &str) -> Result<(), Fault> {
        match &self.principal {
            Principal::Daemon(daemon)
                if !daemon.sessions().is_some_and(|prefix| session.starts_with(prefix)) =>
            {
                Err(Fault::Denied(format!("{} has nothing to do with session {session}", daemon.name())))
            }
            _ => Ok(()),
        }
    }

    /// Succeeds for exactly these daemons.
    ///
    /// # Errors
    /// [`Fault::Denied`] for everybody else.
    pub fn require_daemon(&self, allowed: &[Daemon]) -> Result<Daemon, Fault> {
        match &self.principal {
            Principal::Daemon(daemon) if allowed.contains(daemon) => Ok(*daemon),
            other => Err(Fault::Denied(format!("{other} may not do this"))),
        }
    }
}

/// A daemon's user is that daemon even where someone added it to the operators' group.
fn principal_of(uid: Uid, gids: &[u32]) -> Principal {
    let user = User::from_uid(uid).ok().flatten();
    let name = user.as_ref().map_or_else(|| uid.to_string(), |user| user.name.clone());
    if let Some(daemon) = Daemon::from_user(&name) {
        return Principal::Daemon(daemon);
    }
    if name.starts_with("testudo-") {
        return Principal::Stranger(name);
    }
    let operators = Group::from_name(OPERATORS).ok().flatten();
    let member = operators.is_some_and(|group| {
        gids.iter().any(|gid| Gid::from_raw(*gid) == group.gid) || group.mem.contains(&name)
    });
    if uid.is_root() || member { Principal::Operator(name) } else { Principal::Stranger(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_known_by_their_users_only() {
        assert_eq!(Daemon::from_user("testudo-policyd"), Some(Daemon::Policyd));
        assert_eq!(Daemon::from_user("testudo-matrixd"), Some(Daemon::Matrixd));
        assert_eq!(Daemon::from_user("policyd"), None);
        assert_eq!(Daemon::from_user("testudo-work"), None);
    }

    #[test]
    fn a_daemon_stands_for_people_only_where_it_is_named() {
        let caller = |principal| Caller { connection: ":1.1".into(), principal };
        let matrixd = caller(Principal::Daemon(Daemon::Matrixd));
        assert_eq!(matrixd.require_operator_or(&[Daemon::Matrixd]).unwrap(), "matrixd");
        assert!(
            matrixd.require_operator_or(&[Daemon::Toold]).is_err() && matrixd.require_operator().is_err()
        );
        let ann = caller(Principal::Operator("ann".into()));
        assert_eq!(ann.require_operator_or(&[]).unwrap(), "ann");
        assert!(caller(Principal::Stranger("x".into())).require_operator_or(&[Daemon::Matrixd]).is_err());
    }

    #[test]
    fn a_daemon_reaches_no_session_but_its_own() {
        let caller = |principal| Caller { connection: ":1.1".into(), principal };
        let matrixd = caller(Principal::Daemon(Daemon::Matrixd));
        assert!(matrixd.require_session("m-0123456789ab-n2").is_ok());
        for session in ["main", "cli", "", "m", "M-0123456789ab", "am-0123456789ab"] {
            assert!(matches!(matrixd.require_session(session), Err(Fault::Denied(_))), "{session}");
            assert!(caller(Principal::Operator("ann".into())).require_session(session).is_ok());
        }
        assert!(caller(Principal::Daemon(Daemon::Toold)).require_session("m-0123456789ab").is_err());
    }

    #[test]
    fn root_is_an_operator_and_an_unknown_user_is_a_stranger() {
        assert_eq!(principal_of(Uid::from_raw(0), &[]), Principal::Operator("root".into()));
        assert_eq!(principal_of(Uid::from_raw(3_999_999), &[0]), Principal::Stranger("3999999".into()));
    }
}

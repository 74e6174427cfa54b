//! Errors of the bus methods: `org.testudo.Error.*`.
//!
//! A fault means that the method itself could not do its work. A tool call that was refused is not a fault:
//! it is an answer, see [`crate::refusal`].

use zbus::DBusError;

/// Why a method of a Testudo daemon gave no answer.
#[derive(Debug, DBusError)]
#[zbus(prefix = "org.testudo.Error")]
pub enum Fault {
    /// The bus itself failed.
    #[zbus(error)]
    Bus(zbus::Error),
    /// The caller may not do this.
    Denied(String),
    /// An argument is malformed; the text names it and the remedy.
    InvalidArgument(String),
    /// There is no such object.
    NotFound(String),
    /// Something that this needs is not there now; trying again later may help.
    Unavailable(String),
    /// What this was for could not be reached: nothing came to it, so that nothing was done and nothing spent there.
    Unreached(String),
    /// An argument is over its limit.
    TooLarge(String),
    /// Too much is under way; trying again later helps.
    Busy(String),
    /// A defect or a broken disk; the details are in the journal.
    Internal(String),
}

impl Fault {
    /// The sentence inside, without the error's name.
    pub fn text(&self) -> String {
        match self {
            Self::Bus(error) => bus_error_text(error),
            Self::Denied(text)
            | Self::InvalidArgument(text)
            | Self::NotFound(text)
            | Self::Unavailable(text)
            | Self::Unreached(text)
            | Self::TooLarge(text)
            | Self::Busy(text)
            | Self::Internal(text) => text.clone(),
        }
    }
}

/// A bus error as one sentence for a person: the peer's own words where it sent some.
pub fn bus_error_text(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, Some(text), _) if name.starts_with("org.testudo.Error.") => {
            text.clone()
        }
        zbus::Error::MethodError(name, Some(text), _) => format!("{name}: {text}"),
        zbus::Error::MethodError(name, None, _) => name.to_string(),
        other => other.to_string(),
    }
}

/// True when the peer was not there to answer, or went away before it did.
pub fn is_peer_gone(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::MethodError(name, _, _) => matches!(
            name.as_str(),
            "org.freedesktop.DBus.Error.NoReply"
                | "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NameHasNoOwner"
                | "org.freedesktop.DBus.Error.Disconnected"
                | "org.testudo.Error.Unavailable"
        ),
        zbus::Error::InputOutput(_) => true,
        zbus::Error::FDO(error) => matches!(
            **error,
            zbus::fdo::Error::NoReply(_)
                | zbus::fdo::Error::ServiceUnknown(_)
                | zbus::fdo::Error::NameHasNoOwner(_)
                | zbus::fdo::Error::Disconnected(_)
        ),
        _ => false,
    }
}

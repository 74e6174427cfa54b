//! The controls of `egressd` as data, so that a harness can show what each of them stops.
//!
//! The shipped `main` passes [`Controls::all`]; nothing that a user can set changes that.

/// One control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Control {
    /// Every connection of a call is decided by `policyd`.
    Decide,
    /// Addresses of this machine and its networks are refused unless the operator named them.
    PrivateAddresses,
    /// The address that was checked is the one that is connected to.
    Pinning,
    /// The name in a TLS greeting is the host that was decided.
    ServerName,
    /// A secret goes to its own endpoint only.
    Binding,
    /// A secret that comes back is blotted out.
    Redaction,
    /// A connection shows the ticket of a call that runs.
    Ticket,
    /// Sizes, times and rates.
    Bounds,
    /// Only the one canonical form of a request is taken.
    Form,
    /// Every connection is recorded.
    Record,
}

impl Control {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Decide, "decide"),
        (Self::PrivateAddresses, "private-addresses"),
        (Self::Pinning, "pinning"),
        (Self::ServerName, "server-name"),
        (Self::Binding, "binding"),
        (Self::Redaction, "redaction"),
        (Self::Ticket, "ticket"),
        (Self::Bounds, "bounds"),
        (Self::Form, "form"),
        (Self::Record, "record"),
    ];
}

/// Which controls are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controls(u32);

impl Controls {
    /// Every control.
    pub const fn all() -> Self {
        Self(u32::MAX)
    }

    /// Every control but one, by its name; none when there is no such control.
    #[cfg(feature = "ablation")]
    pub fn without(name: &str) -> Option<Self> {
        let (control, _) = Control::ALL.into_iter().find(|(_, known)| *known == name)?;
        Some(Self(!(1 << control as u32)))
    }

    /// Whether a control is in force.
    pub const fn has(self, control: Control) -> bool {
        self.0 & (1 << control as u32) != 0
    }
}

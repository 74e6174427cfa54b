//! The controls of `matrixd` as data, so that a harness can show what each of them stops.
//!
//! The shipped `main` passes [`Controls::all`]; nothing that a user can set changes that.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!("the feature `ablation` takes controls out: it is for debug builds of the harness only");

/// Which controls are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one control, taken out one at a time")]
pub struct Controls {
    /// Only an owner answers and commands.
    pub(crate) sender: bool,
    /// Only from a cross-signed device of an identity that an operator verified.
    pub(crate) device: bool,
    /// A message that was not encrypted is no answer.
    pub(crate) encryption: bool,
    /// An answer counts only in the room that was asked.
    pub(crate) place: bool,
    /// A reaction or a reply counts only for the very event that asked.
    pub(crate) target: bool,
    /// A reaction answers only what policy marks as light.
    pub(crate) weight: bool,
    /// An answer in words carries the code of the question.
    pub(crate) code: bool,
    /// What is older than the question, came after its end, or was taken back or changed, is no answer.
    pub(crate) freshness: bool,
    /// Words that were sealed once are heard once, under whatever id the homeserver shows them.
    pub(crate) replay: bool,
    /// Only an owner's invitation is accepted.
    pub(crate) invitation: bool,
    /// Into an encrypted room nothing is said while somebody is in it who is on no list.
    pub(crate) company: bool,
    /// Into an encrypted room nothing is said while somebody is in it who has another identity than he is known by.
    pub(crate) identity: bool,
    /// What goes into a room as HTML is what the Matrix specification allows, and nothing else.
    pub(crate) sanitising: bool,
}

impl Controls {
    /// Every control.
    pub const fn all() -> Self {
        Self {
            sender: true,
            device: true,
            encryption: true,
            place: true,
            target: true,
            weight: true,
            code: true,
            freshness: true,
            replay: true,
            invitation: true,
            company: true,
            identity: true,
            sanitising: true,
        }
    }

    /// Every control but one, by its name; none when there is no such control.
    #[cfg(feature = "ablation")]
    pub fn without(name: &str) -> Option<Self> {
        let mut controls = Self::all();
        match name {
            "sender" => controls.sender = false,
            "device" => controls.device = false,
            "encryption" => controls.encryption = false,
            "place" => controls.place = false,
            "target" => controls.target = false,
            "weight" => controls.weight = false,
            "code" => controls.code = false,
            "freshness" => controls.freshness = false,
            "replay" => controls.replay = false,
            "invitation" => controls.invitation = false,
            "company" => controls.company = false,
            "identity" => controls.identity = false,
            "sanitising" => controls.sanitising = false,
            _ => return None,
        }
        Some(controls)
    }
}

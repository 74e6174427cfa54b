//! The controls of `policyd` as data, so that a harness can show what each of them stops.
//!
//! The shipped `main` passes [`Controls::all`]; nothing that a user can set changes that.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!("the feature `ablation` takes controls out: it is for debug builds of the harness only");

/// Which controls are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one control, taken out one at a time")]
pub struct Controls {
    pub(crate) digest_binding: bool,
    pub(crate) single_use: bool,
    pub(crate) expiry: bool,
    pub(crate) approver_identity: bool,
}

impl Controls {
    /// Every control.
    pub const fn all() -> Self {
        Self { digest_binding: true, single_use: true, expiry: true, approver_identity: true }
    }

    /// Every control but one, by its name; none when there is no such control.
    #[cfg(feature = "ablation")]
    pub fn without(name: &str) -> Option<Self> {
        let mut controls = Self::all();
        match name {
            "digest-binding" => controls.digest_binding = false,
            "single-use" => controls.single_use = false,
            "expiry" => controls.expiry = false,
            "approver-identity" => controls.approver_identity = false,
            _ => return None,
        }
        Some(controls)
    }
}

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
    pub(crate) channel: bool,
    pub(crate) asker_matter: bool,
    pub(crate) whole_view: bool,
    pub(crate) weight: bool,
    pub(crate) lease_shape: bool,
    pub(crate) otp_single_use: bool,
    pub(crate) otp_lockout: bool,
    pub(crate) typed_phrase: bool,
    pub(crate) amender_identity: bool,
    pub(crate) extension: bool,
    pub(crate) sentinel: bool,
    pub(crate) token_binding: bool,
    pub(crate) token_order: bool,
}

impl Controls {
    /// Every control.
    pub const fn all() -> Self {
        Self {
            digest_binding: true,
            single_use: true,
            expiry: true,
            approver_identity: true,
            channel: true,
            asker_matter: true,
            whole_view: true,
            weight: true,
            lease_shape: true,
            otp_single_use: true,
            otp_lockout: true,
            typed_phrase: true,
            amender_identity: true,
            extension: true,
            sentinel: true,
            token_binding: true,
            token_order: true,
        }
    }

    /// Every control but one, by its name; none when there is no such control.
    #[cfg(feature = "ablation")]
    pub fn without(name: &str) -> Option<Self> {
        let mut controls = Self::all();
        match name {
            "digest-binding" => controls.digest_binding = false,
            "single-use" => controls.single_use = false,
            "expiry" => controls.expiry = false,
            "asker-matter" => controls.asker_matter = false,
            "approver-identity" => controls.approver_identity = false,
            "channel" => controls.channel = false,
            "whole-view" => controls.whole_view = false,
            "weight" => controls.weight = false,
            "lease-shape" => controls.lease_shape = false,
            "otp-single-use" => controls.otp_single_use = false,
            "otp-lockout" => controls.otp_lockout = false,
            "typed-phrase" => controls.typed_phrase = false,
            "amender-identity" => controls.amender_identity = false,
            "token-binding" => controls.token_binding = false,
            "token-order" => controls.token_order = false,
            "extension" => controls.extension = false,
            "sentinel" => controls.sentinel = false,
            _ => return None,
        }
        Some(controls)
    }
}

//! The controls of `toold` as data, so that a harness can show what each of them stops.
//!
//! The shipped `main` passes [`Controls::all`]; nothing that a user can set changes that.

#[cfg(all(feature = "ablation", not(debug_assertions)))]
compile_error!("the feature `ablation` takes controls out: it is for debug builds of the harness only");

/// Which controls are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one control, taken out one at a time")]
pub struct Controls {
    pub(crate) decide: bool,
    pub(crate) redeem: bool,
    pub(crate) validate: bool,
    pub(crate) rate: bool,
    pub(crate) record: bool,
    pub(crate) stop: bool,
}

impl Controls {
    /// Every control.
    pub const fn all() -> Self {
        Self { decide: true, redeem: true, validate: true, rate: true, record: true, stop: true }
    }

    /// Every control but one, by its name; none when there is no such control.
    #[cfg(feature = "ablation")]
    pub fn without(name: &str) -> Option<Self> {
        let mut controls = Self::all();
        match name {
            "decide" => controls.decide = false,
            "redeem" => controls.redeem = false,
            "validate" => controls.validate = false,
            "rate" => controls.rate = false,
            "record" => controls.record = false,
            "stop" => controls.stop = false,
            _ => return None,
        }
        Some(controls)
    }
}

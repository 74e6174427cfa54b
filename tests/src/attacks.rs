//! Attacks as data, and what is needed to make them: against the shipped appliance, and against one without what stops them.
//!
//! [`Table`] is `tests/attacks/table`, [`Control`] something that can be taken out, [`Field`] an appliance with a stage set
//! around it, [`matrix`] the part of the threat model that is written from the table.

pub mod control;
pub mod field;
pub mod matrix;
pub mod table;

pub use control::Control;
pub use field::Field;
pub use table::{Attack, Family, Table};

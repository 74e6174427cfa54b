//! Layouts for people: pure functions from the bodies of the bus to text.
//!
//! Every line that somebody else wrote stands behind a gutter of ours, wrapped by us: nothing foreign ever begins
//! at the first column, where only we write.

pub mod approval;
pub mod arguments;
pub mod call;
pub mod clock;
pub mod diff;
pub mod file;
pub mod gutter;
pub mod record;

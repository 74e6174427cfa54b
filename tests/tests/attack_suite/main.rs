//! The attacks of `tests/attacks/table`, each made against the shipped appliance, where it must fail, and against one
//! without what stops it, where it must succeed.
//!
//! With several controls named, each of them alone must be enough: it is kept while the others are taken out.

mod calls;
mod contained;
mod egress;
mod frames;
mod matrix;
mod proposed;

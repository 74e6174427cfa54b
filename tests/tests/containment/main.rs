//! Attacks from inside a real tool call, each against the shipped appliance and against one without what stops it.
//!
//! [`Attack::stopped_by`] names the controls. With all of them in force the attack fails and the appliance is as
//! before; with any one of them alone it fails too, which is what defence in depth means; with none of them it
//! succeeds, so none is dead. Controls are layers of the runner and directives of its unit. Attacks that are one program
//! are in `attack_suite`; here is what must be looked at from outside.

mod attack;
mod files;
mod limits;
mod network;
mod processes;
mod workspace;

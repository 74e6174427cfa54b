//! What people do with an agent that talks, from the invitation to the last answer.
#![recursion_limit = "256"]

mod harness;
mod story;

//! What people do with an agent that talks, from the invitation to the last answer.
#![recursion_limit = "256"]

mod files;
mod harness;
mod keeping;
mod nixos;
mod story;
mod trying;

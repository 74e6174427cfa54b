//! The account, its people, and how both come to be trusted.
#![recursion_limit = "256"]

mod authorities;
mod login;
mod looking;
mod rekey;
mod trust;

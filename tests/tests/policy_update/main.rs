//! Changing the policy: what a person sees before, what it takes, and everything that must not change it.

mod authority;
mod crashing;
mod place;
mod reviewing;

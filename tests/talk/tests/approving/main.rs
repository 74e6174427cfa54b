//! Who may answer a question of the agent, and everybody else who tries.
#![recursion_limit = "256"]

mod amendments;
mod attacks;
mod bridged;
mod company;
mod hostile;
mod identity;
mod other_client;
mod unattended;
mod without;

//! Approvals in rooms: a question of `policyd` becomes a prompt, and what people do about it becomes an answer or not.
//!
//! ```text
//! News::Asked ──▶ Prompt in the book ──▶ file, message, reactions (outbox) ──▶ answered, or ended ──▶ edited to its end
//!                                                  ▲
//! Incoming ──▶ which prompt? ──▶ Judge::judge ──▶ Yes / No ──▶ claimed ──▶ policyd
//!                                             └─▶ Refused ──▶ said once, recorded
//! ```
//! Start with [`judging`], which is pure and decides. [`answer`] is the grammar, [`rendering`] what people see, [`book`]
//! what a restart must not forget, [`desk`] what connects them with `policyd` and the outbox.

pub mod answer;
pub mod book;
mod choosing;
pub mod code;
pub mod desk;
pub mod judging;
mod likeness;
pub mod outcome;
pub mod prompt;
pub mod refusal;
pub mod rendering;
mod surroundings;

pub use desk::Desk;
pub use surroundings::{KnownRooms, Post, Recording, Rooms};

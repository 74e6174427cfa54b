//! Which prompt an attempt is about. Pure; it decides nothing: what is about a prompt is still judged.
//!
//! What an attempt points at comes first, then the approval that it names, then its code. What has none of these and
//! would still be a yes is about the newest open prompt of the room, so that a yes to a copied prompt is told that it
//! has no effect. A no, and words that answer nothing, belong to the conversation when nothing ties them to a prompt.

use super::answer::Answer;
use super::judging::{Attempt, Deed, Sign};
use super::prompt::Prompt;

/// The prompt that an attempt is about; `prompts` are oldest first.
pub(super) fn chosen<'a>(prompts: &'a [Prompt], attempt: &Attempt<'_>) -> Option<&'a Prompt> {
    let newest = |is_meant: &dyn Fn(&Prompt) -> bool| {
        let open = prompts.iter().rev().find(|prompt| prompt.end.is_none() && is_meant(prompt));
        open.or_else(|| prompts.iter().rev().find(|prompt| is_meant(prompt)))
    };
    let pointed = attempt.target().and_then(|target| newest(&|prompt| prompt.is(target)));
    let named = || attempt.id().and_then(|id| newest(&|prompt| prompt.approval == id));
    let coded = || attempt.code().and_then(|code| newest(&|prompt| prompt.code == *code));
    let near = || {
        let room = &attempt.origin.room;
        let open = |prompt: &&Prompt| prompt.end.is_none() && prompt.place.room == *room;
        would_be_yes(attempt).then(|| prompts.iter().rev().find(open)).flatten()
    };
    pointed.or_else(named).or_else(coded).or_else(near)
}

/// Whether it would be a yes to something. An edit would not, and a reaction only with one of our own signs: people
/// put a thumb on what they like.
fn would_be_yes(attempt: &Attempt<'_>) -> bool {
    match &attempt.deed {
        Deed::Reaction { sign, is_seed, .. } => *is_seed && *sign != Sign::No,
        Deed::Words { answer, .. } => matches!(answer, Some(Answer::Yes(_))),
        Deed::Edited { .. } => false,
    }
}

//! Why an answer has no effect: a word for the record, and a sentence for the person.

use testudo::verdict::Weight;

use super::prompt::{End, Prompt};

/// Why an answer has no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Who gave it is no owner.
    Sender,
    /// It came in another room.
    Place,
    /// It was given to another message, perhaps a copy.
    Target,
    /// It is an edit of something that was said before.
    Edited,
    /// He took a reaction back before, and gave it again.
    TakenBack,
    /// It is older than the question.
    Older,
    /// The time is over.
    Expired,
    /// The question is settled.
    Ended(End),
    /// It was not encrypted.
    Plain,
    /// It came from a device that is not verified.
    Device,
    /// A reaction is too light for it.
    Weight(Weight),
    /// The code is another one.
    Code,
    /// It gave no code, or is no answer at all.
    Words,
    /// It cannot be shown whole, so that only a no is possible.
    NotApprovable,
    /// The whole of it is not there yet.
    NotShown,
    /// A yes to it does not reach so far.
    Reach,
    /// It has no steps.
    Steps,
    /// It wants a one-time code.
    Otp,
    /// It wants an answer at the machine.
    Local,
}

impl Refusal {
    /// As it is recorded.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Place => "place",
            Self::Target => "target",
            Self::Edited => "edited",
            Self::TakenBack => "taken-back",
            Self::Older => "older",
            Self::Expired => "expired",
            Self::Ended(_) => "ended",
            Self::Plain => "plain",
            Self::Device => "device",
            Self::Weight(_) => "weight",
            Self::Code => "code",
            Self::Words => "words",
            Self::NotApprovable => "not-approvable",
            Self::NotShown => "not-shown",
            Self::Reach => "reach",
            Self::Steps => "steps",
            Self::Otp => "otp",
            Self::Local => "local",
        }
    }

    /// As the person is told. The code of the prompt is never in it: it stands in the prompt alone.
    pub fn sentence(self, prompt: &Prompt) -> String {
        let id = &prompt.approval;
        match self {
            Self::Sender => format!("only an owner answers {id}"),
            Self::Place => format!("{id} was asked in another room: answer it there"),
            Self::Target => format!("that was not given to {id} itself, but to another message"),
            Self::Edited => "an edited message is no answer: write a new one".to_owned(),
            Self::TakenBack => {
                "a reaction that was taken back is not taken again: answer in words".to_owned()
            }
            Self::Older => format!("that is older than {id}"),
            Self::Expired => format!("the time to answer {id} is over, which is a no"),
            Self::Ended(end) => format!("{id} is {} already", end.word()),
            Self::Plain => "that was not encrypted, so anybody could have sent it".to_owned(),
            Self::Device => {
                "that came from a device that is not verified: verify it, or answer from another".to_owned()
            }
            Self::Weight(Weight::Local) | Self::Local => {
                format!("{id} is answered at the machine only: testudoctl approve {id} --local")
            }
            Self::Weight(Weight::Otp) => {
                format!("a reaction is too light for {id}: write `yes`, its code and a one-time code")
            }
            Self::Weight(_) => format!("a reaction is too light for {id}: write `yes` and its code"),
            Self::Code => format!("that is not the code of {id}"),
            Self::Words => format!("that is no answer to {id}: write `yes` and its code, or `no`"),
            Self::NotApprovable => format!("{id} cannot be shown whole, so it takes only a no"),
            Self::NotShown => format!("the whole of {id} is not here yet: wait for its file, and look at it"),
            Self::Reach => format!("a yes to {id} is for once only: what asks here asks each time"),
            Self::Steps => format!("{id} has no steps"),
            Self::Otp => {
                format!("{id} wants a one-time code, too: write `yes`, its code and the one-time code")
            }
        }
    }
}

//! A person's yes as it came over the bus.

use std::time::Duration;

use testudo::approval::Scope;
use testudo::fault::Fault;
use testudo::options::GivenOptions;
use testudo::quantity;

use super::channel::{self, Person};
use crate::leases::LONGEST;
use crate::otp::Code;

/// How a person answered, as the channel says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// With a reaction.
    Reaction,
    /// In words.
    #[default]
    Reply,
    /// At this machine: polkit is to authenticate him.
    Local,
}

impl Manner {
    fn parse(word: &str) -> Result<Self, Fault> {
        match word {
            "reply" => Ok(Self::Reply),
            "reaction" => Ok(Self::Reaction),
            "local" => Ok(Self::Local),
            other => Err(wrong("answer", "`reply`, `reaction` or `local`", other)),
        }
    }
}

/// A yes with everything that was given with it.
#[derive(Debug)]
pub struct Answer {
    /// Who.
    pub by: Person,
    /// The connection that brought it.
    pub connection: String,
    /// How.
    pub manner: Manner,
    /// A one-time code.
    pub code: Option<Code>,
    /// For how long the yes is to hold.
    pub scope: Scope,
    /// The time; there is one if and only if the scope is [`Scope::Until`].
    pub lasts: Option<Duration>,
    /// The rendering that the person looked at.
    pub seen: Option<String>,
    /// What the person typed, for a change of the policy that breaks much.
    pub phrase: Option<String>,
    /// For a plan: the steps that he means, such as `1-3`; none for all.
    pub steps: Option<String>,
}

impl Answer {
    /// Reads the options of `Approve`.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] names the option that is wrong; [`Fault::Denied`] what a channel does not say.
    pub fn read(by: Person, connection: String, mut options: GivenOptions) -> Result<Self, Fault> {
        let word = options.string("for")?.unwrap_or_else(|| Scope::Once.word().to_owned());
        let scope = Scope::ALL.into_iter().find(|scope| scope.word() == word);
        let scope = scope.ok_or_else(|| wrong("for", "`once`, `session`, `until` or `always`", &word))?;
        let lasts = match (scope, options.string("duration")?) {
            (Scope::Until, Some(text)) => Some(duration(&text)?),
            (Scope::Until, None) => return Err(Fault::InvalidArgument("`until` needs a `duration`".into())),
            (_, None) => None,
            (_, Some(_)) => return Err(Fault::InvalidArgument("a `duration` belongs to `until`".into())),
        };
        let manner = options.string("answer")?.map(|word| Manner::parse(&word)).transpose()?;
        let code = match options.string("code")? {
            None => None,
            Some(text) => Some(
                Code::parse(&text)
                    .ok_or_else(|| Fault::InvalidArgument("a one-time code is six digits".into()))?,
            ),
        };
        let seen = options.string("seen")?;
        let phrase = options.string("phrase")?;
        let steps = options.string("steps")?;
        options.finish()?;
        channel::require_proof(&by, manner, seen.as_deref())?;
        let manner = manner.unwrap_or_default();
        Ok(Self { by, connection, manner, code, scope, lasts, seen, phrase, steps })
    }
}

fn duration(text: &str) -> Result<Duration, Fault> {
    let lasts = quantity::duration(text)
        .map_err(|error| Fault::InvalidArgument(format!("cannot read the duration: {error}")))?;
    if lasts.is_zero() || lasts > LONGEST {
        let days = LONGEST.as_secs() / 86_400;
        return Err(Fault::InvalidArgument(format!(
            "the duration must be more than 0 and at most {days} days"
        )));
    }
    Ok(lasts)
}

fn wrong(option: &str, known: &str, given: &str) -> Fault {
    Fault::InvalidArgument(format!("`{option}` is {known}, not `{given}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::wire::{OwnedVariant, Variant};

    fn read(options: &[(&str, &str)]) -> Result<Answer, Fault> {
        read_of(Person::Operator("root".into()), options)
    }

    fn read_of(by: Person, options: &[(&str, &str)]) -> Result<Answer, Fault> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), OwnedVariant::try_from(Variant::from(*value)).unwrap()));
        Answer::read(by, ":1.1".into(), GivenOptions::new(options.collect()))
    }

    #[test]
    fn nothing_given_is_a_reply_for_once() {
        let answer = read(&[]).unwrap();
        assert_eq!((answer.scope, answer.manner), (Scope::Once, Manner::Reply));
        assert!(answer.code.is_none() && answer.lasts.is_none() && answer.seen.is_none());
    }

    #[test]
    fn a_channel_says_how_the_person_answered_and_what_he_was_shown() {
        let ann = || Person::Owner("@ann:home.org".into());
        for options in
            [&[][..], &[("answer", "reply")], &[("seen", "ab")], &[("answer", "local"), ("seen", "ab")]]
        {
            assert!(matches!(read_of(ann(), options), Err(Fault::Denied(_))), "{options:?}");
        }
        let answer = read_of(ann(), &[("answer", "reaction"), ("seen", "ab")]).unwrap();
        assert_eq!(
            (answer.manner, answer.by.to_string().as_str()),
            (Manner::Reaction, "matrix @ann:home.org")
        );
        assert!(matches!(read(&[("by", "@ann:home.org")]), Err(Fault::InvalidArgument(_))));
    }

    #[test]
    fn a_time_belongs_to_until() {
        let answer = read(&[("for", "until"), ("duration", "30m")]).unwrap();
        assert_eq!(answer.lasts, Some(Duration::from_mins(30)));
        for wrong in [
            &[("for", "until")][..],
            &[("for", "session"), ("duration", "30m")],
            &[("for", "until"), ("duration", "30")],
            &[("for", "until"), ("duration", "0s")],
            &[("for", "until"), ("duration", "169h")],
            &[("for", "ever")],
            &[("answer", "root")],
            &[("code", "12345")],
            &[("code", "１２３４５６")],
            &[("scope", "session")],
        ] {
            assert!(matches!(read(wrong), Err(Fault::InvalidArgument(_))), "{wrong:?}");
        }
    }
}

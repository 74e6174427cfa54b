//! A person's yes as it came over the bus.

use std::collections::HashMap;
use std::time::Duration;

use testudo::approval::Scope;
use testudo::fault::Fault;
use testudo::options::GivenOptions;
use testudo::quantity;
use zbus::wire::OwnedVariant;

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

/// A yes with everything that was given with it.
#[derive(Debug)]
pub struct Answer {
    /// Who, by user name, as the bus says.
    pub by: String,
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
    /// [`Fault::InvalidArgument`] names the option that is wrong.
    pub fn read(
        by: String,
        connection: String,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<Self, Fault> {
        let mut options = GivenOptions::new(options);
        let word = options.string("for")?.unwrap_or_else(|| Scope::Once.word().to_owned());
        let scope = Scope::ALL.into_iter().find(|scope| scope.word() == word);
        let scope = scope.ok_or_else(|| wrong("for", "`once`, `session`, `until` or `always`", &word))?;
        let lasts = match (scope, options.string("duration")?) {
            (Scope::Until, Some(text)) => Some(duration(&text)?),
            (Scope::Until, None) => return Err(Fault::InvalidArgument("`until` needs a `duration`".into())),
            (_, None) => None,
            (_, Some(_)) => return Err(Fault::InvalidArgument("a `duration` belongs to `until`".into())),
        };
        let manner = match options.string("answer")?.as_deref() {
            None | Some("reply") => Manner::Reply,
            Some("reaction") => Manner::Reaction,
            Some("local") => Manner::Local,
            Some(other) => return Err(wrong("answer", "`reply`, `reaction` or `local`", other)),
        };
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
    use zbus::wire::Variant;

    fn read(options: &[(&str, &str)]) -> Result<Answer, Fault> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), OwnedVariant::try_from(Variant::from(*value)).unwrap()));
        Answer::read("root".into(), ":1.1".into(), options.collect())
    }

    #[test]
    fn nothing_given_is_a_reply_for_once() {
        let answer = read(&[]).unwrap();
        assert_eq!((answer.scope, answer.manner), (Scope::Once, Manner::Reply));
        assert!(answer.code.is_none() && answer.lasts.is_none() && answer.seen.is_none());
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

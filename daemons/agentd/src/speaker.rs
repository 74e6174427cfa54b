//! Who says something: an operator, whom the bus vouches for, or a person behind a channel, whom the channel names.
//!
//! A channel cannot make anybody more than the configuration makes him: it can only say that somebody proved less.

use testudo::config::Matrixd;
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon};
use testudo::observation::Author;
use testudo::options::GivenOptions;

/// The daemons that carry what people say.
pub const CHANNELS: [Daemon; 1] = [Daemon::Matrixd];

/// Who said something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Who that is to the owner.
    pub author: Author,
    /// His name, for the record: of an operator the user's, of anybody else with the channel before it.
    pub name: String,
}

impl Speaker {
    /// Reads the options `author` and `speaker` of a channel. Operators own the appliance and give neither.
    ///
    /// # Errors
    /// [`Fault::Denied`] for everybody else, and for more than the configuration makes of somebody;
    /// [`Fault::InvalidArgument`] where a channel does not say who it is.
    pub fn read(caller: &Caller, options: &mut GivenOptions, matrix: &Matrixd) -> Result<Self, Fault> {
        if caller.require_daemon(&CHANNELS).is_err() {
            let name = caller.require_operator()?.to_owned();
            return Ok(Self { author: Author::Owner, name });
        }
        let author = match options.string("author")?.as_deref() {
            Some("owner") => Author::Owner,
            Some("member") => Author::Member,
            Some("bridged") => Author::Bridged,
            Some("stranger") => Author::Stranger,
            Some(_) | None => {
                let why = "`author` must be `owner`, `member`, `bridged` or `stranger`";
                return Err(Fault::InvalidArgument(why.into()));
            }
        };
        let speaker = options.string("speaker")?.filter(|speaker| is_name(speaker));
        let speaker = speaker
            .ok_or_else(|| Fault::InvalidArgument("`speaker` must be the id of whoever says it".into()))?;
        if author < matrix.author(&speaker) {
            return Err(Fault::Denied(format!("the configuration does not make {speaker} that much")));
        }
        Ok(Self { author, name: format!("matrix {speaker}") })
    }
}

/// Whether a user id can stand in records and before a model: one line of what can be seen.
fn is_name(speaker: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_graphic();
    (4..=255).contains(&speaker.len()) && speaker.starts_with('@') && speaker.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::identity::Principal;
    use zbus::wire::{OwnedVariant, Variant};

    fn read(principal: Principal, given: &[(&str, &str)]) -> Result<Speaker, Fault> {
        let matrix = Matrixd {
            owners: vec!["@ann:home.org".into()],
            members: vec!["@bob:home.org".into()],
            bridged: vec!["@irc_*:home.org".into()],
            ..Matrixd::default()
        };
        let options = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), OwnedVariant::try_from(Variant::from(*value)).unwrap()));
        let mut options = GivenOptions::new(options.collect());
        let caller = Caller { connection: ":1.1".into(), principal };
        let speaker = Speaker::read(&caller, &mut options, &matrix)?;
        options.finish()?;
        Ok(speaker)
    }

    fn from_matrixd(author: &str, speaker: &str) -> Result<Speaker, Fault> {
        read(Principal::Daemon(Daemon::Matrixd), &[("author", author), ("speaker", speaker)])
    }

    #[test]
    fn a_channel_can_make_somebody_less_than_he_is_and_never_more() {
        for (author, speaker, allowed) in [
            ("owner", "@ann:home.org", true),
            ("member", "@ann:home.org", true),
            ("stranger", "@ann:home.org", true),
            ("owner", "@bob:home.org", false),
            ("member", "@bob:home.org", true),
            ("owner", "@irc_ann:home.org", false),
            ("member", "@irc_ann:home.org", false),
            ("bridged", "@irc_ann:home.org", true),
            ("owner", "@Ann:home.org", false),
            ("bridged", "@eve:evil.net", false),
            ("stranger", "@eve:evil.net", true),
        ] {
            let read = from_matrixd(author, speaker);
            assert_eq!(read.is_ok(), allowed, "{author} {speaker}");
            assert!(allowed || matches!(read, Err(Fault::Denied(_))));
        }
        assert_eq!(from_matrixd("member", "@bob:home.org").unwrap().name, "matrix @bob:home.org");
    }

    #[test]
    fn a_channel_says_who_it_is_and_an_operator_does_not() {
        let matrixd = || Principal::Daemon(Daemon::Matrixd);
        for given in [
            &[][..],
            &[("author", "owner")],
            &[("speaker", "@ann:home.org")],
            &[("author", "root"), ("speaker", "@ann:home.org")],
            &[("author", "stranger"), ("speaker", "ann")],
            &[("author", "stranger"), ("speaker", "@ann:home.org\nrequester: root")],
            &[("author", "stranger"), ("speaker", "")],
        ] {
            assert!(matches!(read(matrixd(), given), Err(Fault::InvalidArgument(_))), "{given:?}");
        }
        let root = || Principal::Operator("root".into());
        assert_eq!(read(root(), &[]).unwrap(), Speaker { author: Author::Owner, name: "root".into() });
        for given in [("author", "owner"), ("speaker", "@ann:home.org")] {
            assert!(matches!(read(root(), &[given]), Err(Fault::InvalidArgument(_))));
        }
        for other in [Principal::Daemon(Daemon::Toold), Principal::Stranger("nobody".into())] {
            let said = read(other, &[("author", "owner"), ("speaker", "@ann:home.org")]);
            assert!(matches!(said, Err(Fault::Denied(_))));
        }
    }
}

//! Who watches a turn, and so where its questions go.

use testudo::config::sessions::Unattended;
use testudo::fault::Fault;
use testudo::options::GivenOptions;
use testudo::proxy::Options;
use zbus::wire::Variant;

use crate::name::SessionName;

/// Who watches. By default the person who spoke.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendance {
    /// No person watches: a question that has no approver ends the turn.
    pub unattended: bool,
    /// The operator to whom its questions go.
    pub approver: Option<String>,
}

impl Attendance {
    /// Reads the options of `Send`; what the configuration says of the session counts too, and no message takes it
    /// back.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] when one of them is of another type.
    pub fn read(
        options: &mut GivenOptions,
        session: &SessionName,
        configured: &Unattended,
    ) -> Result<Self, Fault> {
        let is_configured = configured.sessions.iter().any(|pattern| pattern.matches(session.as_str()));
        let unattended = options.flag("unattended")? || is_configured;
        let approver = options.string("approver")?;
        let approver = approver.or_else(|| configured.approver.clone().filter(|_| is_configured));
        Ok(Self { unattended, approver })
    }

    /// The same for `Tools1.Invoke`.
    pub fn put(&self, options: &mut Options<'_>) {
        if self.unattended {
            options.insert("unattended", Variant::from(true));
        }
        if let Some(approver) = &self.approver {
            options.insert("approver", Variant::from(approver.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use testudo::config::sessions::SessionPattern;
    use zbus::wire::OwnedVariant;

    #[test]
    fn a_message_and_the_configuration_can_both_say_that_nobody_watches() {
        let configured = Unattended {
            sessions: vec![SessionPattern::new("cron-*").unwrap()],
            approver: Some("ada".into()),
        };
        let read = |session: &str, given: &[(&str, Variant<'_>)]| {
            let given =
                given.iter().map(|(key, value)| ((*key).to_owned(), OwnedVariant::try_from(value).unwrap()));
            let mut options = GivenOptions::new(given.collect::<HashMap<_, _>>());
            let attendance =
                Attendance::read(&mut options, &SessionName::parse(session).unwrap(), &configured).unwrap();
            (attendance.unattended, attendance.approver)
        };
        assert_eq!(read("main", &[]), (false, None));
        assert_eq!(read("cron-a", &[]), (true, Some("ada".into())));
        assert_eq!(read("cron-a", &[("unattended", false.into())]), (true, Some("ada".into())));
        assert_eq!(read("main", &[("unattended", true.into())]), (true, None));
        assert_eq!(read("cron-a", &[("approver", "bob".into())]), (true, Some("bob".into())));
    }
}

//! Where a question goes: to whoever watches the session, to the approver named for it, or, where there is nobody,
//! onto the shelf until somebody looks.

use std::time::Duration;

use testudo::fault::Fault;
use testudo::options::GivenOptions;

/// What is known about questions of sessions that nobody watches.
#[derive(Debug, Clone)]
pub struct Routing {
    /// The operator to whom they go, unless the session names another.
    pub approver: Option<String>,
    /// How long a question waits that goes to nobody.
    pub parked: Duration,
}

impl Default for Routing {
    fn default() -> Self {
        Self { approver: None, parked: Duration::from_hours(24) }
    }
}

/// Who watches a session, as far as its questions are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// The operator to whom the question goes; none for whoever watches.
    pub route: Option<String>,
    /// Nobody is there: the question waits for a later answer, and the call does not wait for it.
    pub parked: bool,
}

impl Watch {
    /// Reads the options `unattended` and `approver`.
    ///
    /// # Errors
    /// [`Fault::InvalidArgument`] when one of them is of another type or no name.
    pub fn read(options: &mut GivenOptions, routing: &Routing) -> Result<Self, Fault> {
        let unattended = options.flag("unattended")?;
        let named = options.string("approver")?;
        if named.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Fault::InvalidArgument("`approver` must be the name of a user".into()));
        }
        Ok(Self::of(unattended, named, routing))
    }

    fn of(unattended: bool, named: Option<String>, routing: &Routing) -> Self {
        if !unattended {
            return Self { route: named, parked: false };
        }
        let route = named.or_else(|| routing.approver.clone());
        Self { parked: route.is_none(), route }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_goes_to_whom_the_session_then_the_machine_names_and_else_waits() {
        let nobody = Routing::default();
        let ada = Routing { approver: Some("ada".into()), ..Routing::default() };
        let bob = || Some("bob".to_owned());
        for (unattended, named, routing, route, parked) in [
            (false, None, &nobody, None, false),
            (false, None, &ada, None, false),
            (false, bob(), &ada, Some("bob"), false),
            (true, None, &nobody, None, true),
            (true, None, &ada, Some("ada"), false),
            (true, bob(), &ada, Some("bob"), false),
        ] {
            let watch = Watch::of(unattended, named, routing);
            assert_eq!((watch.route.as_deref(), watch.parked), (route, parked));
        }
        assert!(is_name("ada.l-2@x") && !is_name("") && !is_name("a b") && !is_name("a\n"));
    }
}

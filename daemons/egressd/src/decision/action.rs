//! A wish as `policyd` and the person whom it asks see it: pure.
//!
//! Whatever would change what is sent is in it, so that a yes is for exactly that; and what nobody can be shown is named
//! as such.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use testudo::action::{Action, Effect, Judged, Phase};
use testudo::declaration::{Declaration, Role};
use testudo::egress::CONNECT;
use testudo::identity::{Daemon, Principal};

use crate::gate::{Load, Who, Wish};

/// The session, and in the record the call, of what `modeld` asks.
pub const MODELS: &str = "modeld";

/// The roles of the arguments. Path and query are free text: that a yes for the session reaches no further than to
/// other looks at the same place is for `policyd` to see to.
const ROLES: [(&str, Role); 9] = [
    ("destination", Role::Destination),
    ("scheme", Role::Selector),
    ("listed", Role::Selector),
    ("for", Role::Selector),
    ("method", Role::Selector),
    ("secrets", Role::Selector),
    ("content", Role::Selector),
    ("path", Role::Content),
    ("query", Role::Content),
];

/// The action that a wish is.
pub fn judged(who: &Who, wish: &Wish, listed: bool) -> Judged {
    let (session, requester, tool, call) = match who {
        Who::Call(pass) => {
            (pass.session.clone(), pass.requester.clone(), pass.tool.as_str(), pass.call.as_str())
        }
        Who::Models => (MODELS.to_owned(), Principal::Daemon(Daemon::Modeld), "models", MODELS),
    };
    let mut arguments = Map::new();
    let mut give = |name: &str, value: Value| arguments.insert(name.to_owned(), value);
    give("destination", format!("{}:{}", wish.host, wish.port).into());
    give("scheme", wish.scheme.word().into());
    give("listed", listed.into());
    give("for", tool.into());
    if !wish.method.is_empty() {
        give("method", wish.method.as_str().into());
        give("path", wish.path.as_str().into());
    }
    if let Some(query) = &wish.query {
        give("query", query.as_str().into());
    }
    if !wish.secrets.is_empty() {
        give("secrets", wish.secrets.clone().into());
    }
    if let Some(content) = unseen(wish) {
        give("content", content.into());
    }
    let given =
        |(name, role): &(&str, Role)| arguments.contains_key(*name).then(|| ((*name).to_owned(), *role));
    let roles: BTreeMap<String, Role> = ROLES.iter().filter_map(given).collect();
    // Whatever is not a look says something to the other side, and what is not seen could say anything.
    let says = (!wish.is_look()).then_some(Effect::Message);
    let effects: BTreeSet<Effect> = [Effect::ReadExternal].into_iter().chain(says).collect();
    let action = Action {
        tool: CONNECT.to_owned(),
        arguments: Value::Object(arguments),
        effect: Effect::ReadExternal,
        phase: Phase::Call,
        session,
        requester,
        change_set: None,
    };
    let declaration = Declaration { effects, arguments: roles, ..Declaration::default() };
    Judged { declaration, ..Judged::new(action, call) }
}

/// What of it nobody is shown; none when there is nothing more than its head.
fn unseen(wish: &Wish) -> Option<String> {
    if wish.method.is_empty() {
        return Some("not seen, in both directions".to_owned());
    }
    match wish.load {
        Load::None => None,
        Load::Bytes(1) => Some("not shown, 1 byte".to_owned()),
        Load::Bytes(length) => Some(format!("not shown, {length} bytes")),
        Load::Endless => Some("not shown, of a length that is not known".to_owned()),
    }
}

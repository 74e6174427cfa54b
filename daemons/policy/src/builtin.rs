//! Built-in rules: compiled in, always run, and no policy file, token or lease can undo them. Ten at most.
//!
//! Each is a row of [`RULES`]: a name, what it forbids and why. They know only names; that our own tools cannot
//! reach these places at all is the sandbox's doing.

use serde_json::Value;
use testudo::action::{Effect, Judged, Phase};
use testudo::declaration::Role;
use testudo::verdict::{Reason, Verdict};

use crate::pattern::lexical;
use crate::place::{Manner, Place, places};

/// What all of them look at, worked out once.
struct Sight<'j> {
    judged: &'j Judged,
    /// Places that a change, a link or an argument leads to.
    reaches: Vec<Place>,
    /// It does more than look.
    writes: bool,
}

/// One built-in rule. All of them deny.
struct Builtin {
    name: &'static str,
    reason: &'static str,
    forbids: fn(&Sight<'_>) -> bool,
}

const RULES: [Builtin; 9] = [
    Builtin {
        name: "protect-apply-journal",
        reason: "the journal of applied changes is not for tools to write",
        forbids: |sight| paths(sight.judged).any(touches_journal),
    },
    Builtin {
        name: "stay-in-workspace",
        reason: "a change may not leave the workspace",
        forbids: |sight| paths(sight.judged).any(climbs_out),
    },
    Builtin {
        name: "name-the-change-set",
        reason: "an application must be bound to the digest of its change set",
        forbids: |sight| {
            sight.judged.action.phase == Phase::Apply && sight.judged.action.change_set.is_none()
        },
    },
    Builtin {
        name: "protect-policy",
        reason: "the policy and the configuration are changed by people, with testudoctl",
        forbids: |sight| sight.writes(Place::Policy),
    },
    Builtin {
        name: "protect-programs",
        reason: "installed programs and units are not for tools to write",
        forbids: |sight| sight.writes(Place::Programs),
    },
    Builtin {
        name: "protect-record",
        reason: "the audit log and the journal are not for tools to write",
        forbids: |sight| sight.writes(Place::Record),
    },
    Builtin {
        name: "protect-state",
        reason: "the state of the daemons is not for tools to write",
        forbids: |sight| sight.writes(Place::State),
    },
    Builtin {
        name: "protect-credentials",
        reason: "credentials are not for tools to read or write",
        forbids: |sight| sight.reaches.contains(&Place::Credentials),
    },
    Builtin {
        name: "protect-sessions",
        reason: "what sessions keep is not for tools to write, least of all another's",
        forbids: |sight| sight.writes(Place::Sessions),
    },
];

/// What the built-in rules say about an action.
pub(crate) fn reasons(judged: &Judged) -> Vec<Reason> {
    let sight = Sight::of(judged);
    let spoken = RULES.iter().filter(|rule| (rule.forbids)(&sight));
    spoken
        .map(|rule| Reason {
            rule: rule.name.to_owned(),
            verdict: Verdict::Deny,
            text: rule.reason.to_owned(),
        })
        .collect()
}

impl<'j> Sight<'j> {
    fn of(judged: &'j Judged) -> Self {
        let effects = judged.effects();
        let writes = effects.iter().any(|effect| !matches!(effect, Effect::Read | Effect::ReadExternal));
        let replaces =
            [Effect::Write, Effect::Configure, Effect::Destroy].iter().any(|effect| effects.contains(effect));
        let mut reaches = Vec::new();
        for change in &judged.changes {
            let both = [Some(&change.path), change.from.as_ref()];
            reaches.extend(both.into_iter().flatten().flat_map(|path| places(path, Manner::Literal)));
            if let Some(target) = &change.target {
                // A link into the programs writes nothing there, and build tools make such links.
                let led = places(&aimed(&change.path, target), Manner::Literal);
                reaches.extend(led.into_iter().filter(|place| *place != Place::Programs));
            }
        }
        for (name, value) in judged.action.arguments.as_object().into_iter().flatten() {
            let role = judged.declaration.arguments.get(name).copied();
            if !names_places(role) {
                continue;
            }
            let manner = if role == Some(Role::Path) && replaces { Manner::Whole } else { Manner::Argument };
            texts(value, &mut |text| reaches.extend(places(text, manner)));
        }
        Self { judged, reaches, writes }
    }

    fn writes(&self, place: Place) -> bool {
        self.writes && self.reaches.contains(&place)
    }
}

/// The paths that change; those that something is moved away from too.
fn paths(judged: &Judged) -> impl Iterator<Item = &str> {
    judged
        .changes
        .iter()
        .flat_map(|change| [Some(&change.path), change.from.as_ref()])
        .flatten()
        .map(String::as_str)
}

/// Whether an argument can say where something is. One that nobody declared can.
const fn names_places(role: Option<Role>) -> bool {
    matches!(role, None | Some(Role::Path | Role::Selector | Role::Url | Role::Destination | Role::Label))
}

/// Where a link at `path` of the workspace leads.
fn aimed(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{target}").trim_start_matches('/').to_owned()
}

/// Every string in a value, keys of objects among them.
fn texts(value: &Value, say: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => say(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, say)),
        Value::Object(fields) => {
            for (key, value) in fields {
                say(key);
                texts(value, say);
            }
        }
        _ => {}
    }
}

fn touches_journal(path: &str) -> bool {
    lexical(path).split('/').next() == Some(".testudo")
}

fn climbs_out(path: &str) -> bool {
    let path = lexical(path);
    path.starts_with('/') || path.split('/').next() == Some("..") || path.is_empty()
}

//! The attacks, from `tests/attacks/table/*.toml`.

use std::fs;

use serde::Deserialize;

use crate::attacks::control::Control;
use crate::repository;

/// Everything in the folder, in the order of its files' names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The attacks by what they are about.
    #[serde(rename = "family")]
    pub families: Vec<Family>,
}

/// Attacks of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// What they are about, as a title.
    pub name: String,
    /// The attacks.
    #[serde(rename = "attack")]
    pub attacks: Vec<Attack>,
}

/// One attack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Its name: of the probe, where [`Way::Probe`] makes it.
    pub id: String,
    /// What it tries, so that "to" fits before it.
    pub says: String,
    /// How it is made.
    #[serde(default)]
    pub way: Way,
    /// The controls of which each one alone is enough; without all of them it succeeds. Empty: see [`Self::here`].
    #[serde(default)]
    pub stopped_by: Vec<String>,
    /// Why it cannot be shown to succeed on the machine of the tests, whatever is taken out: who else stops it.
    pub here: Option<String>,
    /// A command for the shell, in place of a probe.
    pub command: Option<String>,
    /// The path that it wants to have written, for [`Way::Proposal`].
    pub path: Option<String>,
    /// Whether the policy refuses it without asking anybody, for [`Way::Proposal`].
    #[serde(default)]
    pub refused: bool,
    /// What is said to the proxy, and how one sees that it got through; for [`Way::Egress`].
    pub egress: Option<Said>,
    /// What a call does to reach out by itself, for [`Way::Call`].
    pub inside: Option<Inside>,
    /// Whether another session must have a call running.
    #[serde(default)]
    pub neighbour: bool,
    /// Whether its call is cut off when it is stopped, so that the probe cannot say anything.
    #[serde(default)]
    pub cut: bool,
    /// The longest that its call may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What a call says to the proxy. `{https}` and `{http}` stand for ports of servers of the test, `{path}` for a path that
/// nothing else asks for, `{turn}` for the number of the appliance.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The bytes, after the first frame.
    pub send: String,
    /// Destinations that were decided with the call.
    #[serde(default)]
    pub listed: Vec<String>,
    /// The name in a greeting of TLS that follows; empty for one without a name.
    pub greets: Option<String>,
    /// So many bytes of `x` follow.
    #[serde(default)]
    pub more: usize,
    /// The bytes are sent so many times one after another; once, when it is not given.
    pub again: Option<usize>,
    /// On so many connections at once; one, when it is not given.
    pub times: Option<usize>,
    /// Whether the daemon that keeps the record is away.
    #[serde(default)]
    pub unrecorded: bool,
    /// Which ticket is shown.
    #[serde(default)]
    pub ticket: Ticket,
    /// Whether a person says yes when asked.
    #[serde(default)]
    pub approved: bool,
    /// How one sees that it got through.
    #[serde(default)]
    pub sees: Sees,
}

/// What a call does to reach out. The words in braces are those of [`Said`], and `{names}` is the port of the name server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// The tool.
    pub tool: String,
    /// Its command; for `web.fetch`, the URL.
    pub does: String,
    /// Hosts to which a person says yes when asked; the answer to all others is no.
    #[serde(default)]
    pub granted: Vec<String>,
    /// Where the page `/from{path}` of `a.test` leads on to.
    pub redirects: Option<String>,
    /// How one sees that it got through.
    #[serde(default)]
    pub sees: Sees,
}

/// The ticket that is shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ticket {
    /// Its own.
    #[default]
    Own,
    /// One that was made up.
    Guessed,
    /// Its own, when its call is over.
    Over,
}

/// What is looked for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sees {
    /// A server got a request for the path.
    #[default]
    Request,
    /// A server's greeting of TLS, in a tunnel.
    Tls,
    /// The value of the secret in what comes back.
    Secret,
    /// The last words of a page that is too long.
    End,
    /// The connection lives on.
    Held,
    /// A server got all of the requests.
    All,
    /// The call printed `reached`.
    Word,
}

/// Who makes an attack.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// `testudo-probe`, inside of a call.
    #[default]
    Probe,
    /// A call that proposes a file which a trusted program would later run or believe.
    Proposal,
    /// A taken-over sandbox, in what it answers `toold`.
    Frame,
    /// Raw bytes on a connection to the proxy, with a ticket.
    Egress,
    /// A call, with what it was given to reach out.
    Call,
}

impl Way {
    /// The module of `tests/attack_suite` that makes it.
    pub const fn test(self) -> &'static str {
        match self {
            Self::Probe => "contained.rs",
            Self::Proposal => "proposed.rs",
            Self::Frame => "frames.rs",
            Self::Egress => "egress.rs",
            Self::Call => "calls.rs",
        }
    }
}

impl Attack {
    /// The controls that stop it.
    ///
    /// # Panics
    /// When the table names one that there is not.
    pub fn controls(&self) -> Vec<Control> {
        self.stopped_by
            .iter()
            .map(|name| Control::of_name(name).unwrap_or_else(|| panic!("{}: no control {name}", self.id)))
            .collect()
    }
}

impl Table {
    /// Reads the table.
    ///
    /// # Panics
    /// When a file of it is wrong.
    pub fn read() -> Self {
        let folder = repository().join("tests/attacks/table");
        let mut files: Vec<_> =
            fs::read_dir(&folder).expect("the table is there").flatten().map(|entry| entry.path()).collect();
        files.sort();
        let mut all = Self { families: Vec::new() };
        for file in files {
            let text = fs::read_to_string(&file).expect("it can be read");
            let part: Self =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            all.families.extend(part.families);
        }
        all
    }

    /// The attacks that are made in one way.
    pub fn by(&self, way: Way) -> impl Iterator<Item = &Attack> {
        self.families.iter().flat_map(|family| &family.attacks).filter(move |attack| attack.way == way)
    }
}

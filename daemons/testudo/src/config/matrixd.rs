//! `[matrixd]`: the Matrix account, and whom it listens to.

use std::path::PathBuf;

use crate::config::reader::Table;

/// How `matrixd` talks. The daemon is only started where `homeserver` and `user` are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matrixd {
    /// The URL of the homeserver, such as `https://matrix.example.org`; none where there is no Matrix.
    pub homeserver: Option<String>,
    /// The account, such as `@testudo:example.org`. Its password or token is a credential.
    pub user: Option<String>,
    /// The device id that belongs to a token; required with one.
    pub device: Option<String>,
    /// How the device is called in people's lists of devices.
    pub device_name: String,
    /// Who may approve and command; empty means nobody.
    pub owners: Vec<String>,
    /// Who may also talk to the agent.
    pub members: Vec<String>,
    /// People of other networks, behind bridges: patterns of user ids, such as `@signal_*:example.org`.
    pub bridged: Vec<String>,
    /// The rooms that are talked in, by id; empty means every room into which an owner invites.
    pub rooms: Vec<String>,
    /// Rooms, by id, that need not be encrypted. Nothing is approved in them.
    pub unencrypted_rooms: Vec<String>,
    /// Where questions of unattended jobs go; none means the first room of an owner.
    pub owner_room: Option<String>,
    /// Where the anchors of the record are posted; none means nowhere.
    pub audit_room: Option<String>,
    /// Whether the homeserver is the owner's own, so that a reaction may answer what policy wants a reply for.
    pub trust_homeserver: bool,
    /// Certificates (PEM) that vouch for the homeserver beside the system's.
    pub authorities: Vec<PathBuf>,
}

impl Matrixd {
    pub(super) fn read(table: &Table<'_>) -> Self {
        table.finish();
        Self { device_name: "Testudo".to_owned(), ..Self::default() }
    }
}

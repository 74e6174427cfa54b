//! `[matrixd]`: the Matrix account, and whom it listens to.
//!
//! A wrong id here is a person who is never heard, or a room into which nobody ever writes: it is refused with its
//! place instead. Nothing is compared without regard to case anywhere, so what cannot be an id is no id.

use std::path::PathBuf;

use crate::config::reader::Table;
use crate::diagnostic::Diagnostic;
use crate::observation::Author;

mod id;

/// How `matrixd` talks. The daemon is only started where `homeserver` and `user` are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrixd {
    /// The URL of the homeserver, such as `https://matrix.example.org`; none where there is no Matrix. Plain HTTP only
    /// to this machine.
    pub homeserver: Option<String>,
    /// The account, such as `@testudo:example.org`. Its password or token is a credential.
    pub user: Option<String>,
    /// The device id that belongs to a token; required with one.
    pub device: Option<String>,
    /// The mistake that its absence is, with its place, where the credential turns out to be a token.
    pub no_device: Option<Box<Diagnostic>>,
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
    /// Encrypted rooms, by id, in which people behind bridges may hear what is said; empty means none.
    pub bridged_rooms: Vec<String>,
    /// Where questions of unattended jobs go; none means one with nobody but owners in it,
    /// in which one of them spoke from a verified device.
    pub owner_room: Option<String>,
    /// Where the anchors of the record are posted; none means nowhere.
    pub audit_room: Option<String>,
    /// Whether the homeserver is the owner's own, so that a reaction may answer what policy wants a reply for.
    pub trust_homeserver: bool,
    /// Certificates (PEM) that vouch for the homeserver beside the system's.
    pub authorities: Vec<PathBuf>,
}

impl Default for Matrixd {
    fn default() -> Self {
        Self {
            homeserver: None,
            user: None,
            device: None,
            no_device: None,
            device_name: "Testudo".to_owned(),
            owners: Vec::new(),
            members: Vec::new(),
            bridged: Vec::new(),
            rooms: Vec::new(),
            unencrypted_rooms: Vec::new(),
            bridged_rooms: Vec::new(),
            owner_room: None,
            audit_room: None,
            trust_homeserver: false,
            authorities: Vec::new(),
        }
    }
}

impl Matrixd {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mut config = Self {
            homeserver: table.string("homeserver"),
            user: table.string("user"),
            device: table.string("device"),
            no_device: None,
            device_name: table.string("device_name").unwrap_or_else(|| "Testudo".to_owned()),
            owners: table.strings("owners").unwrap_or_default(),
            members: table.strings("members").unwrap_or_default(),
            bridged: table.strings("bridged").unwrap_or_default(),
            rooms: table.strings("rooms").unwrap_or_default(),
            unencrypted_rooms: table.strings("unencrypted_rooms").unwrap_or_default(),
            bridged_rooms: table.strings("bridged_rooms").unwrap_or_default(),
            owner_room: table.string("owner_room"),
            audit_room: table.string("audit_room"),
            trust_homeserver: table.boolean("trust_homeserver").unwrap_or(false),
            authorities: table.paths("authorities").unwrap_or_default(),
        };
        config.check_account(table);
        config.check_people(table);
        config.check_rooms(table);
        table.finish();
        if config.device.is_none() && config.user.is_some() {
            let remedy = "the credential matrix-token needs the id of the device that it belongs to";
            config.no_device = Some(Box::new(table.missing("device", remedy)));
        }
        config
    }

    /// Who somebody is to the agent by the lists; what he must prove besides is not here.
    pub fn author(&self, user: &str) -> Author {
        let is_in = |list: &[String]| list.iter().any(|listed| listed == user);
        if is_in(&self.owners) {
            Author::Owner
        } else if is_in(&self.members) {
            Author::Member
        } else if self.bridged.iter().any(|pattern| covers(pattern, user)) {
            Author::Bridged
        } else {
            Author::Stranger
        }
    }

    fn check_account(&self, table: &Table<'_>) {
        if let Some(Err(why)) = self.homeserver.as_deref().map(id::homeserver) {
            table.refuse("homeserver", why);
        }
        match (&self.homeserver, &self.user) {
            (Some(_), None) => {
                table.require("user", "the account at that homeserver, such as \"@testudo:example.org\"");
            }
            (None, Some(_)) => table.require("homeserver", "its URL, such as \"https://matrix.example.org\""),
            _ => {}
        }
        if let Some(user) = &self.user {
            if let Err(why) = id::user(user) {
                table.refuse("user", &why);
            }
            for (key, people) in [("owners", &self.owners), ("members", &self.members)] {
                if people.contains(user) {
                    table.refuse(key, "has the account itself: nothing that it says is anybody's answer");
                }
            }
            if self.bridged.iter().any(|pattern| covers(pattern, user)) {
                table.refuse("bridged", "has the account itself");
            }
        }
        if self.device.as_deref().is_some_and(|device| !id::is_device(device)) {
            table.refuse("device", "must be 1 to 255 characters without spaces, as the homeserver gave it");
        }
        let shown = self.device_name.chars().count();
        if !(1..=100).contains(&shown) || self.device_name.chars().any(char::is_control) {
            table.refuse("device_name", "must be 1 to 100 characters on one line");
        }
    }

    fn check_people(&self, table: &Table<'_>) {
        for (key, people) in [("owners", &self.owners), ("members", &self.members)] {
            if let Some(why) = people.iter().find_map(|person| id::user(person).err()) {
                table.refuse(key, &why);
            }
        }
        if let Some(why) = self.bridged.iter().find_map(|pattern| id::pattern(pattern).err()) {
            table.refuse("bridged", &why);
        }
        if self.members.iter().any(|member| self.owners.contains(member)) {
            table.refuse("members", "has somebody who is among the owners, too");
        }
        for (key, people) in [("owners", &self.owners), ("members", &self.members)] {
            if people.iter().any(|person| self.bridged.iter().any(|pattern| covers(pattern, person))) {
                table.refuse(key, "has somebody for whom a bridge speaks: a pattern of `bridged` covers him");
            }
        }
    }

    fn check_rooms(&self, table: &Table<'_>) {
        let one = |room: &Option<String>| room.iter().cloned().collect::<Vec<_>>();
        for (key, rooms) in [
            ("rooms", self.rooms.clone()),
            ("unencrypted_rooms", self.unencrypted_rooms.clone()),
            ("bridged_rooms", self.bridged_rooms.clone()),
            ("owner_room", one(&self.owner_room)),
            ("audit_room", one(&self.audit_room)),
        ] {
            if let Some(why) = rooms.iter().find_map(|room| id::room(room).err()) {
                table.refuse(key, &why);
            }
        }
        if !self.bridged_rooms.is_empty() && self.bridged.is_empty() {
            table.refuse("bridged_rooms", "lets nobody in: there is no pattern in `bridged`");
        }
        if self.owner_room.as_ref().is_some_and(|room| self.unencrypted_rooms.contains(room)) {
            table.refuse(
                "owner_room",
                "is among the rooms that need not be encrypted, and nothing is approved there",
            );
        }
    }
}

/// Whether a pattern such as `@signal_*:example.org` covers a user id; its one star stands for any characters but a colon.
fn covers(pattern: &str, user: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == user };
    user.len() >= before.len() + after.len()
        && user.starts_with(before)
        && user.ends_with(after)
        && user.get(before.len()..user.len() - after.len()).is_some_and(|middle| !middle.contains(':'))
}

#[cfg(test)]
mod tests;

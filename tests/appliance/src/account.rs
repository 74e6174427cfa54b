//! The appliance's users and groups: the machine's own files, extended by what `sysusers.d` asks for.
//!
//! The extended copies are mounted over `/etc/passwd` and `/etc/group` inside; the machine's stay as they are.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use crate::error::ApplianceError;
use crate::plan::Human;

/// The first uid and gid of ours: above what distributions, containers and systemd hand out.
const FIRST_ID: u32 = 1_900_000_000;
/// The last one, far away.
const LAST_ID: u32 = 1_900_065_535;
/// The group whose members may operate the appliance.
const OPERATORS: &str = "testudo";
/// The bus itself runs as this user.
pub(crate) const BUS_USER: &str = "testudo-bus";

/// The users and groups inside.
#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    passwd: Vec<Vec<String>>,
    group: Vec<Vec<String>>,
}

/// A user as a process gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) home: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
}

impl Accounts {
    /// The machine's accounts, those of `sysusers.d`, and the human as an operator.
    pub(crate) fn load(sysusers: &Path, human: Human) -> Result<Self, ApplianceError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map_err(|source| ApplianceError::file("read", path, source))
        };
        let mut accounts = Self::parse(&read(Path::new("/etc/passwd"))?, &read(Path::new("/etc/group"))?);
        accounts.extend(&format!("u {BUS_USER}\n"));
        let entries =
            std::fs::read_dir(sysusers).map_err(|source| ApplianceError::file("read", sysusers, source))?;
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|suffix| suffix == "conf")) {
            accounts.extend(&read(file)?);
        }
        accounts.admit(human);
        Ok(accounts)
    }

    fn parse(passwd: &str, group: &str) -> Self {
        let rows = |text: &str, columns| {
            text.lines()
                .map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>())
                .filter(|row| row.len() == columns)
                .collect()
        };
        Self { passwd: rows(passwd, 7), group: rows(group, 4) }
    }

    /// Adds what lines of `sysusers.d` ask for: `u NAME`, `g NAME`, `m USER GROUP`.
    fn extend(&mut self, lines: &str) {
        for line in lines.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some("u" | "u!"), Some(name), _) => {
                    let id = self.add_group(name);
                    if self.row_of_user(name).is_none() {
                        let row = [name, "x", &id, &id, "Testudo", "/", "/usr/sbin/nologin"];
                        self.passwd.push(row.map(str::to_owned).to_vec());
                    }
                }
                (Some("g"), Some(name), _) => {
                    self.add_group(name);
                }
                (Some("m"), Some(user), Some(group)) => self.join(user, group),
                _ => {}
            }
        }
    }

    /// Makes the human an operator, and known if the machine knows it from elsewhere than its files.
    fn admit(&mut self, human: Human) {
        let uid = human.uid.to_string();
        let name = match self.passwd.iter().find(|row| row.get(2) == Some(&uid)) {
            Some(row) => row.first().cloned().unwrap_or_default(),
            None => {
                let name = format!("uid-{uid}");
                let gid = human.gid.to_string();
                let row = [name.as_str(), "x", &uid, &gid, "", "/", "/bin/sh"];
                self.passwd.push(row.map(str::to_owned).to_vec());
                name
            }
        };
        if human.uid != 0 {
            self.join(&name, OPERATORS);
        }
    }

    fn add_group(&mut self, name: &str) -> String {
        if let Some(id) = self.row_of_group(name).and_then(|row| row.get(2)) {
            return id.clone();
        }
        let used: BTreeSet<&String> = self
            .passwd
            .iter()
            .filter_map(|row| row.get(2))
            .chain(self.group.iter().filter_map(|row| row.get(2)))
            .collect();
        let id =
            (FIRST_ID..=LAST_ID).map(|id| id.to_string()).find(|id| !used.contains(id)).unwrap_or_default();
        self.group.push(vec![name.to_owned(), "x".to_owned(), id.clone(), String::new()]);
        id
    }

    fn join(&mut self, user: &str, group: &str) {
        if let Some(members) = self
            .group
            .iter_mut()
            .find(|row| row.first().is_some_and(|name| name == group))
            .and_then(|row| row.get_mut(3))
            && !members.split(',').any(|member| member == user)
        {
            if !members.is_empty() {
                members.push(',');
            }
            members.push_str(user);
        }
    }

    fn row_of_user(&self, name: &str) -> Option<&Vec<String>> {
        self.passwd.iter().find(|row| row.first().is_some_and(|first| first == name))
    }

    fn row_of_group(&self, name: &str) -> Option<&Vec<String>> {
        self.group.iter().find(|row| row.first().is_some_and(|first| first == name))
    }

    /// A user with all its groups.
    pub(crate) fn user(&self, name: &str) -> Result<Identity, ApplianceError> {
        let row = self.row_of_user(name).ok_or_else(|| ApplianceError::Account(name.to_owned()))?;
        self.identity(row).ok_or_else(|| ApplianceError::Account(name.to_owned()))
    }

    /// The user with this number.
    pub(crate) fn user_by_id(&self, uid: u32) -> Result<Identity, ApplianceError> {
        let text = uid.to_string();
        let row = self.passwd.iter().find(|row| row.get(2) == Some(&text));
        row.and_then(|row| self.identity(row)).ok_or(ApplianceError::Account(text))
    }

    fn identity(&self, row: &[String]) -> Option<Identity> {
        let name = row.first()?.clone();
        let member = |group: &&Vec<String>| {
            group.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let groups =
            self.group.iter().filter(member).filter_map(|group| group.get(2)?.parse().ok()).collect();
        let (uid, gid) = (row.get(2)?.parse().ok()?, row.get(3)?.parse().ok()?);
        Some(Identity { home: row.get(5)?.clone(), name, uid, gid, groups })
    }

    /// The number of a group.
    pub(crate) fn group(&self, name: &str) -> Result<u32, ApplianceError> {
        let row = self.row_of_group(name).and_then(|row| row.get(2)?.parse().ok());
        row.ok_or_else(|| ApplianceError::Account(name.to_owned()))
    }

    /// The text of `/etc/passwd` inside.
    pub(crate) fn passwd_text(&self) -> String {
        text(&self.passwd)
    }

    /// The text of `/etc/group` inside.
    pub(crate) fn group_text(&self) -> String {
        text(&self.group)
    }
}

fn text(rows: &[Vec<String>]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{}", row.join(":"));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts::parse(
            "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n",
            "root:x:0:\nann:x:1000:\nold:x:1900000000:\n",
        )
    }

    #[test]
    fn sysusers_lines_become_accounts_with_free_numbers() {
        let mut accounts = accounts();
        accounts
            .extend("# c\ng testudo - -\ng d - -\nu testudo-a - \"A\" - -\nm testudo-a d\nm testudo-a d\n");
        let user = accounts.user("testudo-a").unwrap();
        assert_eq!(
            (user.uid, user.gid, &user.groups[..]),
            (1_900_000_003, 1_900_000_003, &[1_900_000_002][..])
        );
        assert_eq!(accounts.group("testudo").unwrap(), 1_900_000_001);
        assert!(accounts.group_text().contains("\nd:x:1900000002:testudo-a\n"), "{}", accounts.group_text());
        assert!(accounts.passwd_text().starts_with("root:x:0:0:root:/root:/bin/bash\n"));
        assert!(matches!(accounts.user("nobody-here"), Err(ApplianceError::Account(_))));
    }

    #[test]
    fn the_human_operates_even_if_the_files_do_not_know_it() {
        let mut accounts = accounts();
        accounts.extend("g testudo\n");
        accounts.admit(Human { uid: 1000, gid: 1000 });
        accounts.admit(Human { uid: 5000, gid: 5000 });
        accounts.admit(Human { uid: 0, gid: 0 });
        assert!(accounts.group_text().ends_with(":ann,uid-5000\n"), "{}", accounts.group_text());
        assert_eq!(accounts.user_by_id(5000).unwrap().groups.len(), 1);
    }
}

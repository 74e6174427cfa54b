//! Places of the machine that no tool may write, and every reading of a path that leads to one.
//!
//! A path is read as the kernel could read it and as a careless tool could: with `..` before and after symbolic
//! links that every system has, through `/proc`, percent-encoded any number of times, as a `file:` address, cut at
//! a NUL, with wildcards. One reading that leads to a place is enough. Links that somebody made are not known here;
//! our own tools see none of these places, whatever a link says.

use std::borrow::Cow;

use testudo::identity::Daemon;

/// Where the workspace is: in the sandbox, in its units, on disk.
const WORKSPACES: [&[&str]; 3] =
    [&["workspace"], &["run", "workspace"], &["var", "lib", "testudo", "workspace"]];

/// Where the daemons keep their state.
const STATE: &[&str] = &["var", "lib", "testudo"];

/// Directories that are links to others, on systems that we run on. `*` is any one name.
const LINKS: [(&[&str], &[&str]); 12] = [
    (&["proc", "*", "root"], &[]),
    (&["proc", "*", "task", "*", "root"], &[]),
    (&["proc", "*", "cwd"], &["workspace"]),
    (&["proc", "*", "task", "*", "cwd"], &["workspace"]),
    (&["var", "run"], &["run"]),
    (&["bin"], &["usr", "bin"]),
    (&["sbin"], &["usr", "sbin"]),
    (&["lib"], &["usr", "lib"]),
    (&["lib64"], &["usr", "lib"]),
    (&["run", "current-system"], &["nix", "store", "system"]),
    (&["run", "booted-system"], &["nix", "store", "system"]),
    (&["etc", "static"], &["nix", "store", "etc"]),
];

/// Each directory with what it is.
const DIRECTORIES: [(&[&str], Place); 33] = [
    (&["etc", "testudo"], Place::Policy),
    (&["usr", "share", "testudo"], Place::Policy),
    (&["usr", "lib", "testudo"], Place::Programs),
    (&["usr", "bin"], Place::Programs),
    (&["usr", "sbin"], Place::Programs),
    (&["usr", "local", "bin"], Place::Programs),
    (&["usr", "local", "sbin"], Place::Programs),
    (&["usr", "lib", "systemd"], Place::Programs),
    (&["usr", "local", "lib", "systemd"], Place::Programs),
    (&["usr", "share", "dbus-1"], Place::Programs),
    (&["etc", "systemd"], Place::Programs),
    (&["etc", "dbus-1"], Place::Programs),
    (&["etc", "nixos"], Place::Programs),
    (&["run", "systemd"], Place::Programs),
    (&["nix", "store"], Place::Programs),
    (&["nix", "var"], Place::Programs),
    (&["var", "lib", "testudo", "auditd"], Place::Record),
    (&["var", "lib", "private", "testudo", "auditd"], Place::Record),
    (&["var", "log", "journal"], Place::Record),
    (&["run", "log", "journal"], Place::Record),
    (&["var", "lib", "testudo", "agentd"], Place::Sessions),
    (&["var", "lib", "private", "testudo", "agentd"], Place::Sessions),
    (&["run", "scratch"], Place::Sessions),
    (&["var", "lib", "testudo"], Place::State),
    (&["var", "lib", "private", "testudo"], Place::State),
    (&["run", "testudo"], Place::State),
    (&["run", "testudo-*"], Place::State),
    (&["run", "credentials"], Place::Credentials),
    (&["run", "credstore"], Place::Credentials),
    (&["run", "credstore.encrypted"], Place::Credentials),
    (&["etc", "credstore"], Place::Credentials),
    (&["etc", "credstore.encrypted"], Place::Credentials),
    (&["usr", "lib", "credstore"], Place::Credentials),
];

/// Most times that a text is decoded. What is encoded more often is meant to be misread.
const MOST_DECODINGS: usize = 8;

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// The policy and the configuration.
    Policy,
    /// Installed programs, units and who may say what on the bus.
    Programs,
    /// The audit log and the journal.
    Record,
    /// Databases and sockets of the daemons.
    State,
    /// Secrets that systemd hands to units.
    Credentials,
    /// What sessions keep.
    Sessions,
}

/// How far a text is taken for a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is a real path of a change set, and nothing in it is encoded.
    Literal,
    /// It is an argument, which the tool may decode.
    Argument,
    /// As before; to destroy or to move what contains a place is to write the place.
    Whole,
}

/// The places that a text could lead to.
pub(crate) fn places(text: &str, manner: Manner) -> Vec<Place> {
    let readings = match manner {
        Manner::Literal => Some(vec![Cow::Borrowed(text)]),
        Manner::Argument | Manner::Whole => readings(text),
    };
    let Some(readings) = readings else { return DIRECTORIES.iter().map(|(_, place)| *place).collect() };
    let mut found = Vec::new();
    for reading in &readings {
        let contains = manner == Manner::Whole && reading.starts_with('/');
        for path in absolute(reading) {
            found.extend(place(&path));
            if contains {
                found.extend(DIRECTORIES.iter().filter(|(at, _)| within(at, &path)).map(|(_, place)| *place));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The most particular place that a path lies in. The workspace lies in the state directory and is none of it.
fn place(path: &[&str]) -> Option<Place> {
    if WORKSPACES.iter().any(|workspace| path.starts_with(workspace)) {
        return None;
    }
    let lies_in = |directory: &&(&[&str], Place)| within(path, directory.0);
    DIRECTORIES.iter().find(lies_in).map(|(_, place)| *place)
}

/// Whether a path lies in a directory or is it. A name with wildcards could be any.
fn within(path: &[&str], directory: &[&str]) -> bool {
    let mut path = path.iter();
    directory.iter().all(|wanted| match path.next() {
        None => false,
        Some(name) if name.contains(['*', '?', '[', '{']) => true,
        Some(name) => match wanted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == wanted,
        },
    })
}

/// Everything that a text says when it is decoded once, twice…; nothing when there is no end to it.
fn readings(text: &str) -> Option<Vec<Cow<'_, str>>> {
    let mut all = Vec::new();
    let mut next = Cow::Borrowed(text);
    for _ in 0..=MOST_DECODINGS {
        let decoded = decoded(&next);
        all.push(Cow::Owned(plain(&next).to_owned()));
        match decoded {
            None => return Some(all),
            Some(decoded) => next = Cow::Owned(decoded),
        }
    }
    None
}

/// A text without one layer of percent-encoding; nothing if it has none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut changed = false;
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        changed |= code.is_some();
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    changed.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The path in a text: without white space around it, what follows a NUL, and the front of a `file:` address.
fn plain(text: &str) -> &str {
    let text = text.split('\0').next().unwrap_or_default().trim();
    let Some((scheme, rest)) = text.split_once(':') else { return text };
    if !scheme.eq_ignore_ascii_case("file") {
        return text;
    }
    match rest.strip_prefix("//") {
        // An authority, which may be empty, ends at the next slash.
        Some(authority) => authority.find('/').and_then(|at| authority.get(at..)).unwrap_or_default(),
        None => rest,
    }
}

/// The absolute paths that a path could mean.
fn absolute(path: &str) -> Vec<Vec<&str>> {
    let segments: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if path.starts_with('/') {
        return vec![walked(&[], &segments, false), walked(&[], &segments, true)];
    }
    // However deep it starts: what climbs on and on ends at the root.
    let climbs = segments.first() == Some(&"..");
    let starts = WORKSPACES.into_iter().chain(climbs.then_some(&[][..]));
    let paths = starts.flat_map(|start| [walked(start, &segments, false), walked(start, &segments, true)]);
    // Beside the workspace on disk are the daemons' directories; beside it in the sandbox any name is another thing.
    paths.filter(|path| !path.starts_with(STATE) || is_known(path.get(STATE.len()))).collect()
}

fn is_known(name: Option<&&str>) -> bool {
    name.is_some_and(|name| *name == "workspace" || Daemon::ALL.iter().any(|daemon| daemon.name() == *name))
}

/// Goes along a path; `..` takes back a name, or what a link led to.
fn walked<'p>(start: &[&'p str], segments: &[&'p str], follow: bool) -> Vec<&'p str> {
    let mut at = start.to_vec();
    for segment in segments {
        if *segment == ".." {
            at.pop();
            continue;
        }
        at.push(segment);
        if follow {
            at = followed(at);
        }
    }
    // The links that are left over when `..` is taken literally.
    if follow {
        at
    } else {
        at.iter().fold(Vec::new(), |mut at, name| {
            at.push(*name);
            followed(at)
        })
    }
}

fn followed(at: Vec<&str>) -> Vec<&str> {
    let link = LINKS.iter().find(|(from, _)| {
        from.len() == at.len() && from.iter().zip(&at).all(|(wanted, name)| *wanted == "*" || wanted == name)
    });
    match link {
        Some((_, to)) => to.to_vec(),
        None => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_path_leads_to_its_place() {
        for spelling in [
            "/etc/testudo/rules.toml",
            "/etc/testudo",
            "//etc//./testudo/x",
            "/tmp/../etc/testudo/x",
            "/workspace/../etc/testudo/x",
            "../etc/testudo/x",
            "../../../../etc/testudo/x",
            "a/../../etc/testudo/x",
            "%2fetc%2Ftestudo/x",
            "%252fetc/testudo",
            "..%2f..%2fetc/testudo",
            "file:///etc/testudo/x",
            "FILE://localhost/etc/testudo/x",
            "file:/etc/testudo/x",
            "file:%2F%2F%2Fetc/testudo/x",
            " /etc/testudo/x\n",
            "/etc/testudo\0.txt",
            "/etc/testudo%00.txt",
            "/proc/self/root/etc/testudo/x",
            "/proc/1/root/proc/self/root/etc/testudo/x",
            "/proc/self/task/7/root/etc/testudo/x",
            "/proc/self/cwd/../etc/testudo/x",
            "/etc/t*/x",
            "/*/testudo/x",
        ] {
            assert_eq!(places(spelling, Manner::Argument), [Place::Policy], "{spelling:?}");
        }
    }

    #[test]
    fn each_place_is_known() {
        for (path, place) in [
            ("/usr/share/testudo/policies/default.toml", Place::Policy),
            ("/usr/lib/testudo/testudo-policyd", Place::Programs),
            ("/bin/testudoctl", Place::Programs),
            ("/lib/systemd/system/testudo-policyd.service", Place::Programs),
            ("/etc/systemd/system/x.service", Place::Programs),
            ("/nix/store/abc/bin/x", Place::Programs),
            ("/run/current-system/sw/bin/x", Place::Programs),
            ("/var/lib/testudo/auditd/log", Place::Record),
            ("../auditd/log", Place::Record),
            ("/var/lib/testudo/policyd/approvals.db", Place::State),
            ("/var/lib/private/testudo/policyd/x", Place::State),
            ("/var/run/testudo/sandbox.sock", Place::State),
            ("/run/testudo-policyd/x", Place::State),
            ("/run/credentials/testudo-modeld.service/key", Place::Credentials),
            ("/var/run/../run/credentials/x", Place::Credentials),
            ("/var/lib/testudo/agentd/sessions/other.jsonl", Place::Sessions),
        ] {
            assert_eq!(places(path, Manner::Argument), [place], "{path}");
        }
    }

    #[test]
    fn what_is_elsewhere_is_nobodys_place() {
        for path in [
            "",
            "a",
            "src/main.rs",
            "etc/testudo/x",
            "/workspace/etc/testudo",
            "/var/lib/testudo/workspace/a",
            "/etc/testudos",
            "/home/me/etc/testudo",
            "100%",
            "a%20b",
            "https://example.org/etc/testudo",
            "/",
            "/etc",
            "..",
            "a/../../b",
            "/runner/credentials",
            "/tmp/x",
            "/proc/self/environ",
        ] {
            assert_eq!(places(path, Manner::Argument), [], "{path:?}");
        }
    }

    #[test]
    fn what_contains_a_place_is_written_with_it() {
        assert!(places("/", Manner::Whole).contains(&Place::Record));
        assert!(places("/var/lib", Manner::Whole).contains(&Place::State));
        assert_eq!(places("/home", Manner::Whole), []);
    }

    #[test]
    fn a_change_has_exactly_its_name() {
        assert_eq!(places("%2fetc%2ftestudo", Manner::Literal), []);
        assert_eq!(places("../../etc/testudo", Manner::Literal), [Place::Policy]);
    }

    #[test]
    fn what_is_encoded_without_end_leads_everywhere() {
        let deep = format!("%{}2fetc", "25".repeat(20));
        assert!(places(&deep, Manner::Argument).len() > 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(.|\n|\0|%|/|\\.){0,60}") {
            let _ = places(&text, Manner::Whole);
        }

        #[test]
        fn detours_lead_to_the_same_place(detours in proptest::collection::vec("(\\./|x/\\.\\./|/|%2f)", 0..6)) {
            let text = format!("/{}etc/{}testudo/x", detours.concat(), detours.concat());
            prop_assert_eq!(places(&text, Manner::Argument), [Place::Policy]);
        }
    }
}

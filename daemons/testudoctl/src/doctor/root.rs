//! The tool root: whether one is configured, and whether what lies there was verified since the start of the system.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Check, Outcome};

/// What is configured, as the units read it.
const CONFIGURED: &str = "/etc/testudo/tool-root";
/// What verification found.
const STAMP: &str = "/run/testudo/tool-root.json";

const CHECK: &str = "tool root";
const AGAIN: &str = "systemctl restart testudo-tool-root; journalctl -u testudo-tool-root";

/// What is expected of the root.
#[derive(Debug, PartialEq, Eq)]
struct Configured {
    root: PathBuf,
    digest: String,
}

/// What verification wrote.
#[derive(Debug, Deserialize)]
struct Stamp {
    root: PathBuf,
    digest: String,
    name: String,
    version: String,
    verified_at: i64,
}

/// Looks at both.
pub(super) fn check(now: Timestamp) -> Check {
    judged(fs::read_to_string(CONFIGURED).ok().as_deref(), fs::read_to_string(STAMP).ok().as_deref(), now)
}

fn judged(configured: Option<&str>, stamp: Option<&str>, now: Timestamp) -> Check {
    let Some(text) = configured else {
        return Check::pass(CHECK, "none is configured: calls see the host's /usr, unverified");
    };
    let Some(configured) = Configured::parse(text) else {
        let detail = format!("{CONFIGURED} does not name TOOL_ROOT and TOOL_ROOT_DIGEST, so no call runs");
        return Check::bad(Outcome::Fail, CHECK, detail, "write what images/tool-root.sh printed");
    };
    let Some(stamp) = stamp else {
        let detail = format!("{} is not verified, so no call runs", configured.root.display());
        return Check::bad(Outcome::Fail, CHECK, detail, AGAIN);
    };
    let Ok(stamp) = serde_json::from_str::<Stamp>(stamp) else {
        return Check::bad(Outcome::Fail, CHECK, format!("{STAMP} cannot be read, so no call runs"), AGAIN);
    };
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let what = format!("{} {} ({})", stamp.name, stamp.version, short(&stamp.digest));
    if stamp.digest != configured.digest || stamp.root != configured.root {
        let detail = format!("{what} was verified, and {} is configured since", short(&configured.digest));
        return Check::bad(Outcome::Warn, CHECK, format!("stale: {detail}; no call runs"), AGAIN);
    }
    let ago = now.as_second().saturating_sub(stamp.verified_at).max(0);
    let ago = crate::render::clock::duration(u64::try_from(ago).unwrap_or(0).saturating_mul(1000));
    Check::pass(CHECK, format!("{what}, verified {ago} ago"))
}

impl Configured {
    /// Reads lines `NAME=value`, as systemd does, without quotes.
    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            lines
                .filter_map(|line| line.split_once('='))
                .rfind(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (root, digest) = (value("TOOL_ROOT")?, value("TOOL_ROOT_DIGEST")?);
        (root.starts_with('/') && digest.len() == 64)
            .then(|| Self { root: root.into(), digest: digest.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(configured: Option<&str>, stamp: Option<&str>) -> (Outcome, String) {
        let check = judged(configured, stamp, Timestamp::from_second(1060).unwrap());
        (check.outcome, check.detail)
    }

    #[test]
    fn a_root_is_verified_stale_missing_or_not_configured() {
        let [digest, other] = ["a", "b"].map(|letter| letter.repeat(64));
        let configured = format!("# ours\nTOOL_ROOT=/var/lib/testudo/tool-root\nTOOL_ROOT_DIGEST={digest}\n");
        let stamp = |digest: &str, root: &str| {
            format!(
                r#"{{"root":"{root}","digest":"{digest}","name":"debian-trixie","version":"1f","entries":9,"verified_at":1000}}"#
            )
        };
        let (outcome, detail) = of(Some(&configured), Some(&stamp(&digest, "/var/lib/testudo/tool-root")));
        assert_eq!(outcome, Outcome::Pass, "{detail}");
        assert!(
            detail.starts_with("debian-trixie 1f (aaaaaaaaaaaa), verified ") && detail.ends_with(" ago"),
            "{detail}"
        );
        for stale in [stamp(&other, "/var/lib/testudo/tool-root"), stamp(&digest, "/elsewhere")] {
            let (outcome, detail) = of(Some(&configured), Some(&stale));
            assert!(outcome == Outcome::Warn && detail.starts_with("stale: "), "{detail}");
        }
        assert_eq!(of(Some(&configured), None).0, Outcome::Fail);
        assert_eq!(of(Some(&configured), Some("x")).0, Outcome::Fail);
        assert_eq!(of(Some("TOOL_ROOT=/x\n"), None).0, Outcome::Fail);
        let (outcome, detail) = of(None, None);
        assert!(outcome == Outcome::Pass && detail.ends_with("unverified"), "{detail}");
    }
}

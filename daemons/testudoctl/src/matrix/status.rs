//! `testudoctl matrix status`.

use serde_json::Value;
use testudo::proxy::Matrix1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link;
use crate::page::Page;
use crate::paint::Paint;
use crate::screen;

/// What stands below the help.
pub(super) const HELP: &str = "\
JSON: {user, device, fingerprint, homeserver, connected, ok, conditions:[{word, text}], signed, backup, recovery_key,
owners:[{user, identity}], changed:[{user, identity, before}], verifications, rooms}; recovery_key is absent, changing,
unshown or shown, identity of an owner is unknown, unverified, verified or changed. A word never changes its meaning: not-configured, not-logged-in,
login-refused, token-revoked, homeserver-away, homeserver-untrusted, sync-failing, rate-limited, identity-missing,
password-needed, recovery-key-needed, recovery-key-stale, recovery-key-unshown, recovery-unsettled, backup-missing,
device-unsigned, owner-unverified, owner-changed, stranger-in-room, bridged-in-room,
identity-changed, dead-letters, outbox-failing, store-unusable.
Exit status: 1 when nobody can be talked with.

Example: testudoctl matrix status";

/// Runs it.
pub(super) async fn run(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let text = matrix.status().await.doing("show the Matrix account")?;
    let status: Value = link::read("matrixd", &text)?;
    if page.is_json() {
        page.json(&status)?;
    } else {
        page.text(&shown(&status, page.paint()))?;
    }
    if status.get("connected") == Some(&Value::Bool(true)) { Ok(()) } else { Err(Failure::Shown) }
}

fn shown(status: &Value, paint: Paint) -> String {
    let word = |key: &str| status.get(key).and_then(Value::as_str).map(|text| screen::brief(text, 120));
    let is = |key: &str| status.get(key).and_then(Value::as_bool).unwrap_or(false);
    let number = |key: &str| status.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut out = String::new();
    let state = if is("connected") { paint.green("connected") } else { paint.red("not connected") };
    let mut row = |name: &str, value: String| out.push_str(&format!("{name:<14}{value}\n"));
    row("account", format!("{} · {state}", word("user").unwrap_or_else(|| "none".into())));
    row("homeserver", word("homeserver").unwrap_or_else(|| "none".into()));
    if let Some(device) = word("device") {
        let signed = if is("signed") { "signed by the account" } else { "not signed" };
        row("device", format!("{device} · {signed}"));
    }
    if let Some(fingerprint) = word("fingerprint") {
        row("fingerprint", fingerprint);
    }
    let backup = if is("backup") { "room keys are backed up" } else { "room keys are not backed up" };
    row("recovery", format!("key {} · {backup}", word("recovery_key").unwrap_or_default()));
    row("rooms", number("rooms").to_string());
    for owner in status.get("owners").and_then(Value::as_array).into_iter().flatten() {
        let of = |key: &str| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        let identity = match of("identity") {
            "verified" => paint.green("verified"),
            other => paint.yellow(&screen::brief(other, 32)),
        };
        row("owner", format!("{} · {identity}", screen::brief(of("user"), 120)));
    }
    for change in status.get("changed").and_then(Value::as_array).into_iter().flatten() {
        let of = |key: &str| screen::brief(change.get(key).and_then(Value::as_str).unwrap_or_default(), 120);
        let identities = format!("has identity {}, was known by {}", of("identity"), of("before"));
        row("changed", format!("{} · {}", of("user"), paint.yellow(&identities)));
    }
    let waiting = number("verifications");
    if waiting > 0 {
        let text = format!("{waiting} wait for you: testudoctl matrix verify");
        row("verifications", paint.yellow(&text));
    }
    for condition in status.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let of = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!(
            "{} {}\n",
            paint.yellow(&format!("! {}:", screen::brief(of("word"), 40))),
            screen::brief(of("text"), 1200)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_says_what_is_wrong_and_what_helps() {
        let status = json!({
            "user": "@t:home.org", "device": "ABC", "fingerprint": "fFf", "homeserver": "https://home.org", "connected": true,
            "ok": false, "conditions": [{"word": "owner-unverified", "text": "verify\n\u{202e}her"}], "signed": true,
            "backup": true, "recovery_key": "unshown", "owners": [{"user": "@ann:home.org", "identity": "unverified"}],
            "changed": [{"user": "@bob:home.org", "identity": "nEw", "before": "oLd"}], "verifications": 1, "rooms": 2
        });
        assert_eq!(
            shown(&status, Paint::new(false)),
            "account       @t:home.org · connected\nhomeserver    https://home.org\ndevice        ABC · signed by the account\n\
             fingerprint   fFf\nrecovery      key unshown · room keys are backed up\nrooms         2\n\
             owner         @ann:home.org · unverified\n\
             changed       @bob:home.org · has identity nEw, was known by oLd\n\
             verifications 1 wait for you: testudoctl matrix verify\n\
             ! owner-unverified: verify\\n\\u{202e}her\n"
        );
    }
}

//! `testudoctl matrix accept-identity`: somebody has another identity, and an operator says that it is his.

use clap::Args as ClapArgs;
use serde_json::{Value, json};
use testudo::proxy::Matrix1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link;
use crate::page::Page;
use crate::screen;

/// `matrix accept-identity`
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Ask him first, on another way than the homeserver, whether he reset his identity: a new device does not change it. What is
accepted may be the homeserver's invention, which then reads along; `testudoctl matrix verify USER` makes sure, and for an
owner only that lets him approve and command again.

JSON: {user, identity, before}

Example: testudoctl matrix accept-identity @bob:home.org")]
pub(super) struct Args {
    /// Who.
    user: String,
    /// The identity that is accepted, as `status --json` has it; without it, the one that he has now.
    identity: Option<String>,
}

/// Runs it.
pub(super) async fn run(args: Args, matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let doing = format!("accept the identity of {}", screen::line(&args.user));
    let text = matrix.status().await.doing(&doing)?;
    let status: Value = link::read("matrixd", &text)?;
    let change = change(&status, &args.user);
    let identity = args.identity.or_else(|| change.map(|change| of(change, "identity").to_owned()));
    // Where there is nothing to accept, the daemon says so.
    let identity = identity.unwrap_or_default();
    matrix.accept_identity(&args.user, &identity).await.doing(&doing)?;
    let before = change.map(|change| of(change, "before")).unwrap_or_default();
    if page.is_json() {
        return Ok(page.json(&json!({ "user": args.user, "identity": identity, "before": before }))?);
    }
    page.line(told(&args.user, &identity, before))?;
    Ok(())
}

fn told(user: &str, identity: &str, before: &str) -> String {
    let [user, identity, before] =
        [(user, 255), (identity, 64), (before, 64)].map(|(text, most)| screen::brief(text, most));
    format!("{user} is known by {identity} from now on, and no more by {before}. What was held goes out.")
}

fn change<'s>(status: &'s Value, user: &str) -> Option<&'s Value> {
    status.get("changed")?.as_array()?.iter().find(|change| of(change, "user") == user)
}

fn of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_of_that_very_person_is_accepted() {
        let status = json!({ "changed": [
            { "user": "@bob:home.org.evil.net", "identity": "x", "before": "y" },
            { "user": "@bob:home.org", "identity": "new", "before": "old" },
        ] });
        assert_eq!(change(&status, "@bob:home.org").map(|change| of(change, "identity")), Some("new"));
        assert_eq!(change(&status, "@Bob:home.org"), None);
        assert_eq!(change(&json!({}), "@bob:home.org"), None);
    }

    #[test]
    fn both_identities_are_named() {
        let told = told("@bob:home.org\u{202e}", "new", "old");
        assert!(
            told.starts_with("@bob:home.org\\u{202e} is known by new from now on, and no more by old."),
            "{told}"
        );
    }
}

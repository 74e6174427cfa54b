//! `testudoctl matrix recovery-key`, `rotate` and `recover`.
//!
//! A key is read from a terminal without being shown, or from a pipe; never from an argument, which everybody on the
//! machine can see.

use std::io::{self, IsTerminal as _, Write as _};

use nix::sys::termios::{self, LocalFlags, SetArg};
use serde_json::{Value, json};
use testudo::proxy::Matrix1Proxy;

use crate::failure::{Doing as _, Failure};
use crate::link;
use crate::page::Page;
use crate::screen;

/// What stands below the help of `recovery-key`.
pub(super) const SHOW: &str = "\
JSON: {recovery_key}
It is shown once, ever; another one can be made by `testudoctl matrix rotate`.

Example: testudoctl matrix recovery-key";
/// What stands below the help of `rotate`.
pub(super) const ROTATE: &str = "\
JSON: {recovery_key}
The new key is shown by this, once. Put it in the place of the credential matrix-recovery-key, where there is one.

Example: testudoctl matrix rotate";
/// What stands below the help of `recover`.
pub(super) const RECOVER: &str = "\
JSON: {identity, signed, backup}
The key is read from the terminal, or from standard input.

Example: testudoctl matrix recover";

/// Shows the key.
pub(super) async fn show(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let key = matrix.recovery_key().await.doing("show the recovery key")?;
    written(&key, page)
}

/// Makes another one.
pub(super) async fn rotate(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let key = matrix.rotate_recovery_key().await.doing("make another recovery key")?;
    written(&key, page)
}

/// Recovers with one.
pub(super) async fn recover(matrix: &Matrix1Proxy<'_>, page: &Page) -> Result<(), Failure> {
    let key = read().map_err(|source| Failure::Read { what: "the recovery key".into(), source })?;
    let text = matrix.recover(&key).await.doing("recover the account")?;
    let report: Value = link::read("matrixd", &text)?;
    if page.is_json() {
        return Ok(page.json(&report)?);
    }
    let is = |key: &str| report.get(key).and_then(Value::as_bool).unwrap_or(false);
    let mark = |is: bool| if is { page.paint().green("✓") } else { page.paint().red("✗") };
    page.line(format!("{} the account's identity is on this device", mark(is("identity"))))?;
    page.line(format!("{} this device is signed by it", mark(is("signed"))))?;
    Ok(page.line(format!("{} room keys are backed up", mark(is("backup"))))?)
}

fn written(key: &str, page: &Page) -> Result<(), Failure> {
    if page.is_json() {
        return Ok(page.json(&json!({ "recovery_key": key }))?);
    }
    page.line(screen::line(key))?;
    Ok(page
        .line("Write it down now: it is not shown again. It opens everything that the account can read.")?)
}

/// One line; on a terminal what is typed is not shown.
fn read() -> io::Result<String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line(&mut input.lock());
    }
    eprint!("Recovery key (it is not shown): ");
    io::stderr().flush()?;
    let before = termios::tcgetattr(&input)?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    termios::tcsetattr(&input, SetArg::TCSAFLUSH, &silent)?;
    let read = line(&mut input.lock());
    termios::tcsetattr(&input, SetArg::TCSANOW, &before)?;
    eprintln!();
    read
}

fn line(input: &mut impl io::BufRead) -> io::Result<String> {
    let mut text = String::new();
    input.read_line(&mut text)?;
    let key = text.trim();
    if key.is_empty() { Err(io::Error::other("there is none")) } else { Ok(key.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_line() {
        assert_eq!(line(&mut "EsTj 3yST \r\nmore\n".as_bytes()).unwrap(), "EsTj 3yST");
        assert!(line(&mut "\n".as_bytes()).is_err());
    }
}

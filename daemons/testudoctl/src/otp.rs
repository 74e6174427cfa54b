//! `testudoctl otp`: the secret of the one-time codes, shown once.

use clap::{Args as ClapArgs, Subcommand};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;

use crate::failure::{Doing as _, Failure};
use crate::link::Link;
use crate::page::Page;
use crate::screen;

/// `otp`
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands under `otp`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the secret for an authenticator, as a QR code. It is shown once, ever.
    #[command(
        after_help = "JSON: {uri}\nThe secret is policyd's credential testudo.policyd.totp; another one can be enrolled again.\n\n\
        Example: testudoctl otp enrol"
    )]
    Enrol,
}

/// Runs `otp`.
///
/// # Errors
/// When there is no secret, or it was shown before.
pub async fn run(args: Args, page: &Page) -> Result<(), Failure> {
    let Command::Enrol = args.command;
    let policy = Link::open().await?.policy().await?;
    let uri = policy.enrol_otp().await.doing("enrol an authenticator")?;
    if page.is_json() {
        return Ok(page.json(&json!({ "uri": uri }))?);
    }
    if let Some(code) = qr(&uri) {
        page.text(&code)?;
    }
    page.line(screen::line(&uri))?;
    Ok(page.line("Scan it now: it is not shown again. Then answer with: testudoctl approve ID --code CODE")?)
}

/// The code in half blocks, light on dark as terminals are, with a border that scanners need.
fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let mut image = code.render::<Dense1x2>();
    image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(true);
    Some(format!("{}\n", image.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_of_half_blocks() {
        let drawn = qr("otpauth://totp/Testudo:approvals?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let widths: Vec<usize> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{drawn}");
        assert_eq!(widths.len(), widths[0].div_ceil(2));
        assert!(drawn.chars().all(|c| " ▀▄█\n".contains(c)), "{drawn}");
    }
}

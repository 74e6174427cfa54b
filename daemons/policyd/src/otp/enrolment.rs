//! Codes at the desk: one proves an answer, and the secret is shown once.

use libsystemd::logging::Priority;
use testudo::fault::Fault;
use testudo::journal;
use testudo::record::Entry as Record;

use super::Code;
use super::register::Spent;
use super::secret::CREDENTIAL;
use crate::desk::Desk;

impl Desk {
    /// Uses a code up.
    ///
    /// # Errors
    /// When it proves nothing; the text says why and never holds the code.
    pub(crate) async fn spend_code(&self, code: &Code) -> Result<(), Fault> {
        let secret = self.otp.as_ref().ok_or_else(no_secret)?;
        let spent = self.with_ledger(|ledger| ledger.spend(secret, code, (self.clock)()))?;
        let text = match spent {
            Spent::Accepted => return Ok(()),
            Spent::Used => "the one-time code was used before: wait for the next one",
            Spent::Wrong => "the one-time code is wrong",
            Spent::Locked => "no one-time code is taken now: too many were wrong; wait for 15 minutes",
            Spent::LockedNow => {
                self.note_lock().await;
                "the one-time code is wrong, and so were those before: none is taken for 15 minutes"
            }
        };
        Err(Fault::Denied(text.into()))
    }

    async fn note_lock(&self) {
        journal::event(
            journal::OTP_LOCKED,
            Priority::Warning,
            "somebody gave five wrong one-time codes; none is taken for 15 minutes",
            &[],
        );
        if let Err(error) = self.recorder.append(&Record::new("otp.locked").decision("deny")).await {
            tracing::error!("that one-time codes are locked is not in the record: {error}");
        }
    }

    /// The secret for an authenticator, as an `otpauth` URI, once.
    ///
    /// # Errors
    /// When there is none, or it was given out before.
    pub async fn enrol(&self, by: &str) -> Result<String, Fault> {
        let secret = self.otp.as_ref().ok_or_else(no_secret)?;
        let fingerprint = secret.fingerprint();
        let record = Record::new("otp.enrolled").with("by", by);
        if self.with_ledger(|ledger| ledger.is_enrolled(&fingerprint))? {
            self.record(&record.decision("deny")).await?;
            return Err(shown_before());
        }
        self.record(&record.decision("allow")).await?;
        if self.with_ledger(|ledger| ledger.enrol(&fingerprint))? {
            Ok(secret.uri())
        } else {
            Err(shown_before())
        }
    }
}

fn no_secret() -> Fault {
    Fault::Denied(format!("there are no one-time codes here: policyd has no credential {CREDENTIAL}"))
}

fn shown_before() -> Fault {
    Fault::Denied(format!(
        "the secret was shown once and is not shown again: to enrol anew, change the credential {CREDENTIAL} and restart policyd"
    ))
}

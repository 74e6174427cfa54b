//! The ten error codes of a tool call.
//!
//! | code | stage | retriable |
//! |---|---|---|
//! | `UNKNOWN_TOOL` | 2 | no |
//! | `VALIDATION_FAILED` | 3 | no, names the field |
//! | `UNAUTHORIZED` | 1 or 4 | no |
//! | `RATE_LIMITED` | 4 | yes, after `retry_after` seconds |
//! | `CONFIRMATION_TIMEOUT` | 5 | yes |
//! | `CONFIRMATION_DENIED` | 5 | no |
//! | `PLUGIN_TIMEOUT` | 6 | yes |
//! | `PLUGIN_UNAVAILABLE` | 6 | yes |
//! | `PLUGIN_ERROR` | – | no, with a fixed text: what happened inside is for the journal |
//! | `HANDLER_ERROR` | – | as the tool says |

use serde::{Deserialize, Serialize};

/// Why a tool call did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// No such tool, or not offered now.
    UnknownTool,
    /// The arguments are not what the tool takes.
    ValidationFailed,
    /// The caller may not.
    Unauthorized,
    /// Too many calls.
    RateLimited,
    /// Nobody approved in time.
    ConfirmationTimeout,
    /// Policy or a person said no.
    ConfirmationDenied,
    /// The tool did not end in time.
    PluginTimeout,
    /// What the tool needs is not there.
    PluginUnavailable,
    /// The tool broke.
    PluginError,
    /// The tool itself reports an error.
    HandlerError,
}

/// The error object of a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Which of the ten.
    pub code: Code,
    /// The stage, 1 to 6, that refused.
    pub stage: Option<u8>,
    /// The argument at fault, as a JSON pointer.
    pub field: Option<String>,
    /// One sentence for the model and for people.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retriable: bool,
    /// Seconds to wait before that.
    pub retry_after: Option<f64>,
    /// The question that waits for a person, when the call was not refused but parked until he answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
}

impl Refusal {
    /// A refusal with its code's stage and retriable flag.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let stage = match code {
            Code::UnknownTool => Some(2),
            Code::ValidationFailed => Some(3),
            Code::Unauthorized | Code::RateLimited => Some(4),
            Code::ConfirmationTimeout | Code::ConfirmationDenied => Some(5),
            Code::PluginTimeout | Code::PluginUnavailable => Some(6),
            Code::PluginError | Code::HandlerError => None,
        };
        let retriable = matches!(
            code,
            Code::RateLimited | Code::ConfirmationTimeout | Code::PluginTimeout | Code::PluginUnavailable
        );
        Self {
            code,
            stage,
            field: None,
            message: message.into(),
            retriable,
            retry_after: None,
            approval: None,
        }
    }

    /// The tool broke; the fixed text gives nothing away.
    pub fn broken() -> Self {
        Self::new(Code::PluginError, "the tool failed inside; the journal has the details")
    }

    /// Names the argument at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when to try again, in seconds.
    #[must_use]
    pub const fn after(mut self, seconds: f64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Names the question that waits for a person.
    #[must_use]
    pub fn parked_at(mut self, approval: impl Into<String>) -> Self {
        self.approval = Some(approval.into());
        self
    }

    /// Overrides the stage, for a code that more than one stage can give.
    #[must_use]
    pub const fn in_stage(mut self, stage: u8) -> Self {
        self.stage = Some(stage);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn codes_stages_and_flags_are_those_of_the_table() {
        for (code, word, stage, retriable) in [
            (Code::UnknownTool, "UNKNOWN_TOOL", Some(2), false),
            (Code::ValidationFailed, "VALIDATION_FAILED", Some(3), false),
            (Code::Unauthorized, "UNAUTHORIZED", Some(4), false),
            (Code::RateLimited, "RATE_LIMITED", Some(4), true),
            (Code::ConfirmationTimeout, "CONFIRMATION_TIMEOUT", Some(5), true),
            (Code::ConfirmationDenied, "CONFIRMATION_DENIED", Some(5), false),
            (Code::PluginTimeout, "PLUGIN_TIMEOUT", Some(6), true),
            (Code::PluginUnavailable, "PLUGIN_UNAVAILABLE", Some(6), true),
            (Code::PluginError, "PLUGIN_ERROR", None, false),
            (Code::HandlerError, "HANDLER_ERROR", None, false),
        ] {
            let refusal = Refusal::new(code, "x");
            assert_eq!(serde_json::to_value(refusal.code).unwrap(), json!(word));
            assert_eq!((refusal.stage, refusal.retriable), (stage, retriable), "{word}");
        }
    }
}

//! What operators read: the journal.
//!
//! Ordinary lines go through `tracing`; under systemd with structured fields named `TESTUDO_*`, otherwise to
//! standard error with a `<N>` priority in front. Events that people search for have a fixed `MESSAGE_ID`, which
//! `units/catalog/testudo.catalog` explains; a test holds the two lists together.

use std::io;

use libsystemd::logging::{Priority, connected_to_journal, journal_send};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// An event with an entry in the message catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId(pub &'static str);

/// A call passed its decision and is about to run.
pub const CALL_DECIDED: MessageId = MessageId("b47eeda4bbb74b25b250c6eb118801a8");
/// A call was refused, with its stage and code.
pub const CALL_REFUSED: MessageId = MessageId("f48ec0bc4b8d4fcaa7c51e414472c024");
/// A call ran and was answered.
pub const CALL_FINISHED: MessageId = MessageId("57b5f3906105474a831ca176a15ae315");
/// A change set was applied to the workspace.
pub const CHANGES_APPLIED: MessageId = MessageId("e5f8aca8fc5f48b5a7c3a45db1b367e8");
/// A person is asked.
pub const APPROVAL_REQUESTED: MessageId = MessageId("1d60161995b34328807aa859b333f52b");
/// A person answered.
pub const APPROVAL_ANSWERED: MessageId = MessageId("9ebb7cb42bab4a4ca441171bb3f18b23");
/// Nobody answered in time, or who asked is gone.
pub const APPROVAL_EXPIRED: MessageId = MessageId("2b962544325d4aa183d38519471f0f9c");
/// Too many one-time codes were wrong: none is taken for a while.
pub const OTP_LOCKED: MessageId = MessageId("3ae467bed6c74afc9f348e0ef865f4b3");
/// The audit log is not what was written.
pub const CHAIN_BROKEN: MessageId = MessageId("80fa5f9d9ff343b3b4165e1eea31d917");
/// A daemon is ready.
pub const DAEMON_READY: MessageId = MessageId("dba96a6dbcb8462ba1a3553999ac0609");
/// A daemon refused its configuration.
pub const CONFIG_REFUSED: MessageId = MessageId("c3a1e4ade6144144a898e2527082ebbf");
/// The sandbox cannot contain calls here, so tools are refused.
pub const SANDBOX_UNAVAILABLE: MessageId = MessageId("88b28b0e251344f185ef559ab160d26d");

/// People changed the policy.
pub const POLICY_AMENDED: MessageId = MessageId("2e83c3382f174bb7872d5e0105ceb15b");
/// An amendment of the policy cannot be read.
pub const POLICY_DAMAGED: MessageId = MessageId("01f24c1e6f93426abea64b340fe6c36c");

/// A person switched a rule in plain language off or on, for one session.
pub const RULE_SWITCHED: MessageId = MessageId("daf02abb1a1d4068834592937346328f");

/// A person stopped a session or everything, or let it go on.
pub const SESSION_STOPPED: MessageId = MessageId("3c21565dca2c47d8b3c18db070c63438");

/// Something reaches out, after it was decided and recorded.
pub const EGRESS_OPENED: MessageId = MessageId("20597ecad4734fc996531939a2b40e8b");
/// Something was not let out.
pub const EGRESS_REFUSED: MessageId = MessageId("f0da38c15113497ea53f661519818178");

/// All catalogued events by name.
pub const CATALOGUE: &[(&str, MessageId)] = &[
    ("call-decided", CALL_DECIDED),
    ("session-stopped", SESSION_STOPPED),
    ("call-refused", CALL_REFUSED),
    ("call-finished", CALL_FINISHED),
    ("changes-applied", CHANGES_APPLIED),
    ("approval-requested", APPROVAL_REQUESTED),
    ("approval-answered", APPROVAL_ANSWERED),
    ("approval-expired", APPROVAL_EXPIRED),
    ("otp-locked", OTP_LOCKED),
    ("chain-broken", CHAIN_BROKEN),
    ("daemon-ready", DAEMON_READY),
    ("config-refused", CONFIG_REFUSED),
    ("sandbox-unavailable", SANDBOX_UNAVAILABLE),
    ("rule-switched", RULE_SWITCHED),
    ("policy-amended", POLICY_AMENDED),
    ("policy-damaged", POLICY_DAMAGED),
    ("egress-opened", EGRESS_OPENED),
    ("egress-refused", EGRESS_REFUSED),
];

/// Sends `tracing` to the journal, or to standard error where there is none.
pub fn start() {
    if connected_to_journal()
        && let Ok(layer) = tracing_journald::layer()
    {
        let layer = layer.with_field_prefix(Some("TESTUDO".into()));
        let _ = tracing_subscriber::registry().with(heard()).with(layer).try_init();
        return;
    }
    let layer = tracing_subscriber::fmt::layer().event_format(Prefixed).with_writer(io::stderr);
    let _ = tracing_subscriber::registry().with(heard()).with(layer).try_init();
}

/// What is worth a line: what we say, and what libraries complain about. What they tell beside that can have contents
/// of messages in it, and the answers that one of them calls errors are ordinary ones.
fn heard() -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("testudo", LevelFilter::INFO)
        .with_target("matrix_sdk::http_client", LevelFilter::OFF)
}

/// Logs an event of the catalogue with its fields, named without the `TESTUDO_` in front.
pub fn event(id: MessageId, priority: Priority, text: &str, fields: &[(&str, &str)]) {
    if connected_to_journal() {
        let named = fields.iter().map(|(key, value)| (format!("TESTUDO_{key}"), (*value).to_owned()));
        let all = named.chain([("MESSAGE_ID".to_owned(), id.0.to_owned())]);
        if journal_send(priority, text, all).is_ok() {
            return;
        }
    }
    let fields: Vec<String> =
        fields.iter().map(|(key, value)| format!("{}={value}", key.to_ascii_lowercase())).collect();
    let line = format!("{text} {}", fields.join(" "));
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical | Priority::Error => {
            tracing::error!("{line}");
        }
        Priority::Warning => tracing::warn!("{line}"),
        Priority::Notice | Priority::Info | Priority::Debug => tracing::info!("{line}"),
    }
}

/// `<6>policyd: text key=value`
struct Prefixed;

impl<S, N> FormatEvent<S, N> for Prefixed
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let priority = match *event.metadata().level() {
            tracing::Level::ERROR => 3,
            tracing::Level::WARN => 4,
            tracing::Level::INFO => 6,
            _ => 7,
        };
        write!(writer, "<{priority}>")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

//! Clients of the interfaces, as `units/dbus-1/interfaces` has them.
//!
//! Bodies are JSON strings; [`crate::action`], [`crate::tool`] and the other modules have their types.

use std::collections::HashMap;

use zbus::proxy;
use zbus::wire::Variant;

/// Options of a method: `a{sv}`.
pub type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// Records.
#[proxy(
    interface = "org.testudo.Audit1",
    default_service = "org.testudo.Audit1",
    default_path = "/org/testudo/Audit1"
)]
pub trait Audit1 {
    /// Keeps a record and answers when it is durable.
    fn append(&self, record: &str, options: Options<'_>) -> zbus::Result<u64>;
    /// Records after a sequence number, oldest first.
    fn log(&self, after: u64, limit: u32, filter: Options<'_>) -> zbus::Result<String>;
    /// One record.
    fn show(&self, seq: u64) -> zbus::Result<String>;
    /// Checks the whole chain.
    fn verify(&self) -> zbus::Result<String>;
    /// Where the chain stands.
    fn head(&self) -> zbus::Result<String>;
}

/// Decides.
#[proxy(
    interface = "org.testudo.Policy1",
    default_service = "org.testudo.Policy1",
    default_path = "/org/testudo/Policy1"
)]
pub trait Policy1 {
    /// Judges a final action.
    fn decide(&self, action: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Tells what entered a session; answers with its labels.
    fn observe(&self, session: &str, observation: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Waits for the answer to an approval.
    #[zbus(name = "Await")]
    fn await_(&self, approval: &str) -> zbus::Result<String>;
    /// Uses up an approval, for exactly this digest.
    fn redeem(&self, approval: &str, digest: &str) -> zbus::Result<()>;
    /// Has the steps of a plan judged, and a person asked about them at once.
    fn plan(&self, plan: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Uses up the approval of a plan, and gives the tokens of its granted steps.
    fn collect(&self, approval: &str) -> zbus::Result<String>;
    /// Gives up a question that nobody needs answered any more.
    fn withdraw(&self, approval: &str) -> zbus::Result<()>;
    /// Pending approvals.
    fn approvals(&self, options: Options<'_>) -> zbus::Result<String>;
    /// A person's yes to what he was shown.
    fn approve(&self, approval: &str, digest: &str, options: Options<'_>) -> zbus::Result<String>;
    /// A person's no.
    fn deny(&self, approval: &str, reason: &str, options: Options<'_>) -> zbus::Result<String>;
    /// The leases that hold.
    fn leases(&self) -> zbus::Result<String>;
    /// Ends a lease.
    fn revoke(&self, lease: &str, options: Options<'_>) -> zbus::Result<()>;
    /// The secret of one-time codes for an authenticator, once.
    fn enrol_otp(&self) -> zbus::Result<String>;
    /// What would be decided.
    fn explain(&self, action: &str) -> zbus::Result<String>;
    /// Checks the text of a policy file.
    fn check(&self, toml_text: &str, name: &str) -> zbus::Result<String>;
    /// What a changed policy file would do.
    fn replay(&self, name: &str, toml_text: &str) -> zbus::Result<String>;
    /// Asks people to change a policy file.
    fn amend(&self, name: &str, toml_text: &str, options: Options<'_>) -> zbus::Result<String>;
    /// The policy files in force.
    fn files(&self) -> zbus::Result<String>;
    /// The rules in plain language as they stand in a session.
    fn rules(&self, session: &str) -> zbus::Result<String>;
    /// Switches a rule in plain language off, in one session.
    fn disable(&self, session: &str, rule: &str, options: Options<'_>) -> zbus::Result<()>;
    /// Switches it on again.
    fn enable(&self, session: &str, rule: &str, options: Options<'_>) -> zbus::Result<()>;
    /// Tells the judges of a session what a person vouches for.
    fn vouch(&self, session: &str, text: &str, options: Options<'_>) -> zbus::Result<()>;
    /// Asks for the two signals.
    fn subscribe(&self) -> zbus::Result<()>;
    /// A person is asked something.
    #[zbus(signal)]
    fn approval_requested(&self, seq: u64, approval: String) -> zbus::Result<()>;
    /// It is settled.
    #[zbus(signal)]
    fn approval_resolved(&self, seq: u64, resolution: String) -> zbus::Result<()>;
}

/// Acts.
#[proxy(
    interface = "org.testudo.Tools1",
    default_service = "org.testudo.Tools1",
    default_path = "/org/testudo/Tools1"
)]
pub trait Tools1 {
    /// Calls a tool.
    fn invoke(
        &self,
        session: &str,
        tool: &str,
        arguments: &str,
        options: Options<'_>,
    ) -> zbus::Result<String>;
    /// Ends a running call.
    fn cancel(&self, call: &str) -> zbus::Result<bool>;
    /// The tools.
    fn catalogue(&self) -> zbus::Result<String>;
    /// Ends a session's sandbox.
    fn close_session(&self, session: &str) -> zbus::Result<()>;
    /// What a running call prints, to who asked for it; numbered from 1.
    #[zbus(signal)]
    fn output(&self, call: String, seq: u64, error: bool, text: String) -> zbus::Result<()>;
    /// Keeps a file that a person sent into a session; answers with its path in the session's sandboxes.
    fn receive(&self, session: &str, name: &str, content: zbus::wire::Fd<'_>) -> zbus::Result<String>;
    /// The bytes of a file that a call gave to people, sealed.
    fn fetch(&self, session: &str, file: &str) -> zbus::Result<zbus::wire::OwnedFd>;
    /// Has a session's sandbox started ahead of its calls.
    fn prepare(&self, session: &str) -> zbus::Result<()>;
    /// Freezes a session's sandboxes; answers how many.
    fn freeze(&self, session: &str) -> zbus::Result<u32>;
    /// Thaws a session's sandboxes; answers how many.
    fn thaw(&self, session: &str) -> zbus::Result<u32>;
    /// Undoes what was applied; the empty id means the latest that is not undone.
    fn undo(&self, id: &str, options: Options<'_>) -> zbus::Result<String>;
    /// What was applied, the newest first.
    fn history(&self, limit: u32) -> zbus::Result<String>;
    /// How a session's sandboxes contain calls here.
    fn containment(&self, session: &str) -> zbus::Result<String>;
    /// Ends a session's calls and refuses new ones; the empty name means all sessions.
    fn stop(&self, session: &str, options: Options<'_>) -> zbus::Result<u32>;
    /// Lets a session go on; the empty name means all sessions.
    fn resume(&self, session: &str) -> zbus::Result<bool>;
    /// What is stopped.
    fn stops(&self) -> zbus::Result<String>;
}

/// Reaches out.
#[proxy(
    interface = "org.testudo.Egress1",
    default_service = "org.testudo.Egress1",
    default_path = "/org/testudo/Egress1"
)]
pub trait Egress1 {
    /// Lets a running call reach out; answers with the ticket that its connections show.
    fn open(&self, pass: &str) -> zbus::Result<String>;
    /// Ends a call's ticket with all of its connections; answers with what they carried.
    fn close(&self, call: &str) -> zbus::Result<String>;
    /// Who may reach out now, what is connected, and which secrets go where.
    fn status(&self) -> zbus::Result<String>;
}

/// Talks.
#[proxy(
    interface = "org.testudo.Matrix1",
    default_service = "org.testudo.Matrix1",
    default_path = "/org/testudo/Matrix1"
)]
pub trait Matrix1 {
    /// The account, its trust and its rooms.
    fn status(&self) -> zbus::Result<String>;
    /// The recovery key, once.
    fn recovery_key(&self) -> zbus::Result<String>;
    /// Makes another recovery key and gives it.
    fn rotate_recovery_key(&self) -> zbus::Result<String>;
    /// Takes the secrets of the account back with a recovery key.
    fn recover(&self, key: &str) -> zbus::Result<String>;
    /// The verifications that go on.
    fn verifications(&self) -> zbus::Result<String>;
    /// Starts to verify a user or one of his devices; the empty device means the user.
    fn verify(&self, user: &str, device: &str) -> zbus::Result<String>;
    /// Accepts a verification that somebody else started.
    fn accept(&self, id: &str) -> zbus::Result<()>;
    /// What both sides must see, waited for.
    fn emojis(&self, id: &str) -> zbus::Result<String>;
    /// Says whether both sides saw the same.
    fn confirm(&self, id: &str, matches: bool) -> zbus::Result<()>;
    /// From now on a user is known by this identity.
    fn accept_identity(&self, user: &str, identity: &str) -> zbus::Result<()>;
    /// What could not be read or not be sent.
    fn dead_letters(&self) -> zbus::Result<String>;
    /// The rooms, and what each of them is for.
    fn rooms(&self) -> zbus::Result<String>;
}

/// Infers.
#[proxy(
    interface = "org.testudo.Models1",
    default_service = "org.testudo.Models1",
    default_path = "/org/testudo/Models1"
)]
pub trait Models1 {
    /// Completes a conversation.
    fn complete(&self, id: &str, request: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Ends a running completion.
    fn cancel(&self, id: &str) -> zbus::Result<bool>;
    /// What there is to ask.
    fn list(&self) -> zbus::Result<String>;
    /// A piece of a running completion's text.
    #[zbus(signal)]
    fn delta(&self, id: String, seq: u64, text: String) -> zbus::Result<()>;
}

/// Thinks.
#[proxy(
    interface = "org.testudo.Agent1",
    default_service = "org.testudo.Agent1",
    default_path = "/org/testudo/Agent1"
)]
pub trait Agent1 {
    /// Says something to the agent.
    fn send(&self, session: &str, text: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Puts a file that a person sent into the session's scratch; answers with its path there.
    fn attach(
        &self,
        session: &str,
        name: &str,
        content: zbus::wire::Fd<'_>,
        options: Options<'_>,
    ) -> zbus::Result<String>;
    /// The bytes of a file that the agent gave to people in a session, sealed.
    fn fetch(&self, session: &str, file: &str) -> zbus::Result<zbus::wire::OwnedFd>;
    /// Waits for a turn to end.
    fn wait(&self, session: &str, turn: &str) -> zbus::Result<String>;
    /// Ends a turn.
    fn cancel(&self, session: &str, turn: &str) -> zbus::Result<bool>;
    /// All sessions.
    fn sessions(&self) -> zbus::Result<String>;
    /// One session with its messages.
    fn session(&self, session: &str) -> zbus::Result<String>;
    /// What a session has beside its messages: its model, what it used, what is pinned.
    fn context(&self, session: &str) -> zbus::Result<String>;
    /// Chooses the model of a session.
    fn use_model(&self, session: &str, model: &str, options: Options<'_>) -> zbus::Result<()>;
    /// Keeps something before the model's eyes; answers with its number.
    fn pin(&self, session: &str, text: &str, options: Options<'_>) -> zbus::Result<u32>;
    /// Takes it away again.
    fn unpin(&self, session: &str, number: u32, options: Options<'_>) -> zbus::Result<()>;
    /// Has the model summarise what was said before the last exchange.
    fn compact(&self, session: &str, options: Options<'_>) -> zbus::Result<String>;
    /// Asks for a session's events.
    fn subscribe(&self, session: &str) -> zbus::Result<()>;
    /// Something happened in a session.
    #[zbus(signal)]
    fn event(&self, session: String, seq: u64, event: String) -> zbus::Result<()>;
}

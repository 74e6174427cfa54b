//! The command line. Help texts, the man page and the shell completions all come from here.

use clap::{Parser, Subcommand};

use crate::{
    approvals, audit, call, chat, config, egress, file, freeze, leases, manual, matrix, otp, policy, rules,
    send, session, stop, undo,
};

/// What stands at the end of the main help and in the man page.
const AFTER: &str = "\
Exit status: 0 done; 1 failed or refused; 2 wrong usage; 78 a file has mistakes.

With --json every command writes one JSON value to standard output (chat: one per line); a failure is
{\"error\":{\"message\":TEXT}}. Members may be added to the documented shapes, never removed.

Environment:
  DBUS_SYSTEM_BUS_ADDRESS  the bus to use instead of the system's
  NO_COLOR                 no colours, also on a terminal

Example: testudoctl chat";

/// Talk to the agent, answer its questions, and read the record of what it did.
#[derive(Debug, Parser)]
#[command(name = "testudoctl", version, after_help = AFTER, subcommand_value_name = "COMMAND", disable_help_subcommand = true)]
pub struct Cli {
    /// Write JSON for programs instead of text for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One command per thing that a person does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Talk to the agent; approvals are asked and answered inline.
    Chat(chat::Args),
    /// Say one thing to the agent.
    Send(send::Args),
    /// Call a tool yourself, through the same six stages as the agent.
    Call(call::Args),
    /// List the actions that wait for a person.
    Approvals(approvals::ListArgs),
    /// Say yes to actions that wait.
    Approve(approvals::ApproveArgs),
    /// Say no to an action that waits.
    Deny(approvals::DenyArgs),
    /// List the yeses that hold for longer than once.
    #[command(
        after_help = "JSON: [{id, scope, session, requester, tool, phase, exactly, freely, paths, rules, weight, by, given_at,\n\
        expires_at}]\n\nExample: testudoctl leases"
    )]
    Leases,
    /// End a lease: what it covered is asked about again.
    Revoke(leases::RevokeArgs),
    /// One-time codes, for approvals that want one.
    Otp(otp::Args),
    /// Show who may reach out now, what is connected, and which secrets go where.
    #[command(after_help = egress::HELP)]
    Egress,
    /// Look after the Matrix account that the agent talks with.
    Matrix(matrix::Args),
    /// Read and verify the record.
    Audit(audit::Args),
    /// Check policy files and ask what the policy would decide.
    Policy(policy::Args),
    /// Show the rules in plain language, and switch one off for a session.
    Rules(rules::Args),
    /// List and show conversations.
    Session(session::Args),
    /// Save a file that the agent gave.
    File(file::Args),
    /// Undo what was applied to the workspace, unless it was touched since.
    Undo(undo::UndoArgs),
    /// List what was applied to the workspace.
    History(undo::HistoryArgs),
    /// Stop a session at once: what runs is ended, and nothing starts until it is resumed.
    Stop(stop::StopArgs),
    /// Let a stopped session go on.
    Resume(stop::ResumeArgs),
    /// Hold a session's sandboxes still: what runs in them stands, and nothing is given to them.
    Freeze(freeze::FreezeArgs),
    /// Let a frozen session go on.
    Thaw(freeze::ThawArgs),
    /// List what is stopped.
    #[command(
        after_help = "JSON: {all: {by, at} | null, sessions: {NAME: {by, at}}}\n\nExample: testudoctl stops"
    )]
    Stops,
    /// Show whether every daemon is there and the record is whole.
    #[command(
        after_help = "JSON: {ok, daemons:[{daemon, bus_name, owned, unit, state, status}], chain, approvals, sessions, stops};\n\
        what could not be asked is null.\nExit status: 1 when a daemon is missing or the record is broken.\n\n\
        Example: testudoctl status"
    )]
    Status,
    /// Try everything that can be wrong and say how to mend it.
    #[command(
        after_help = "JSON: {ok, checks:[{check, outcome, detail, fix}]}, outcome is pass, warn or fail.\n\
        Exit status: 1 when a check fails.\n\nExample: testudoctl doctor"
    )]
    Doctor,
    /// Check the configuration.
    Config(config::Args),
    /// Write the man page in roff.
    #[command(after_help = "Example: testudoctl man | man -l -")]
    Man,
    /// Write the completions of a shell.
    Completions(manual::CompletionsArgs),
}

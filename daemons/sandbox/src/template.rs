//! The templates: kinds of sandboxes, with limits that a call can lower and nothing can lift.
//!
//! Each is a unit of its own (`testudo-sandbox-NAME@.service`), whose limits are the same; here they hold for each call.
//! No template takes away what holds for all of them: no new privileges, a read-only root, not root.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;

const MIB: u64 = 1024 * 1024;

/// A kind of sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// Speaks to one server through the proxy, and runs no program.
    AiProvider,
    /// Runs a program from its beginning to its end, without a network.
    CodeExecutor,
    /// Judges something small, quickly, and runs no program.
    PolicySandbox,
    /// Runs tests, with a network in which every host is asked about.
    IntegrationTest,
    /// A session's shell and files, without a network.
    Workshop,
    /// A program in a container of the operator's engine; another runner's, and no zygote's.
    Container,
}

/// Which system calls a call may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// No new process, no program, no socket: built-in tools only.
    Strict,
    /// Programs, without sockets.
    #[default]
    Standard,
    /// Programs that reach the forwarder of their own sandbox over TCP.
    StandardNet,
}

impl Profile {
    /// All of them, narrowest first.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Standard, Self::StandardNet];
}

impl Template {
    /// All that a zygote can be.
    pub const ALL: [Self; 5] =
        [Self::AiProvider, Self::CodeExecutor, Self::PolicySandbox, Self::IntegrationTest, Self::Workshop];

    /// The name in units, sockets and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AiProvider => "ai-provider",
            Self::CodeExecutor => "code-executor",
            Self::PolicySandbox => "policy-sandbox",
            Self::IntegrationTest => "integration-test",
            Self::Workshop => "workshop",
            Self::Container => "container",
        }
    }

    /// The one with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|template| template.name() == name)
    }

    /// The widest profile that its calls may have.
    pub const fn profile(self) -> Profile {
        match self {
            Self::AiProvider | Self::PolicySandbox => Profile::Strict,
            Self::CodeExecutor | Self::Workshop | Self::Container => Profile::Standard,
            Self::IntegrationTest => Profile::StandardNet,
        }
    }

    /// Whether its calls may have a way to the proxy.
    pub const fn network(self) -> bool {
        matches!(self, Self::AiProvider | Self::IntegrationTest)
    }

    /// The most that a call may use up.
    pub fn ceiling(self) -> Limits {
        let (memory, processes, wall_ms) = match self {
            Self::AiProvider => (256, 10, 120_000),
            Self::CodeExecutor | Self::IntegrationTest | Self::Container => (1024, 100, 300_000),
            Self::PolicySandbox => (128, 5, 100),
            Self::Workshop => (1024, 100, 3_600_000),
        };
        Limits { memory_bytes: memory * MIB, processes, wall_ms, ..Limits::most() }
    }

    /// Percent of one processor that its calls may use together.
    pub const fn cpu_percent(self) -> u32 {
        match self {
            Self::AiProvider => 50,
            Self::PolicySandbox => 25,
            Self::CodeExecutor | Self::IntegrationTest | Self::Workshop | Self::Container => 100,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

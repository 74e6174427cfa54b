//! What a tool is and what calling one leads to, as both cross the bus.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::Effect;
use crate::change::ChangeSummary;
use crate::declaration::Declaration;
use crate::label::Labels;
use crate::refusal::Refusal;
use crate::verdict::Verdict;

/// One entry of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The name, such as `fs.read`.
    pub name: String,
    /// One sentence for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
    /// What a call does, in the main.
    pub effect: Effect,
    /// What the tool is to information flow.
    #[serde(default)]
    pub declaration: Declaration,
}

/// What a tool gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The tool's own result.
    pub content: Value,
    /// Who could have written it.
    pub labels: Labels,
    /// True when a limit cut it.
    #[serde(default)]
    pub truncated: bool,
    /// What was applied to the workspace.
    #[serde(default)]
    pub changes: Vec<ChangeSummary>,
    /// The unified diff of that.
    #[serde(default)]
    pub diff: Option<String>,
    /// Files that it gives to people. Only `toold` says this; nothing that a tool prints can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<GivenFile>,
}

/// A file of the workspace that is given to people, as it was at the call. Its bytes are fetched by its id, for as long
/// as `toold` keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenFile {
    /// Its id, which nobody can guess.
    pub id: String,
    /// How people see it called: plain characters, and no path.
    pub name: String,
    /// Its type, by its name.
    pub mime: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, hex.
    pub sha256: String,
}

/// The answer to `Tools1.Invoke`: exactly one of `result` and `error` is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The call's id.
    pub call: String,
    /// The tool.
    pub tool: String,
    /// The strictest verdict of the call's decisions; none when it was refused before deciding.
    pub verdict: Option<Verdict>,
    /// From the first stage to the answer, in milliseconds, people's time to answer included.
    pub duration_ms: u64,
    /// What it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Output>,
    /// Why it gave nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
}

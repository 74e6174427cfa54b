//! Stage 6 of a call that gives people a file: its bytes are kept, and the model is told what it was and not what is in it.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use testudo::action::Action;
use testudo::refusal::{Code, Refusal};
use testudo::tool::GivenFile;
use testudo_sandbox::memfd::Sealed;

use super::{Identity, Pipeline};

impl Pipeline {
    /// Keeps the file that a call gave, if it is one that does. Until its result is told nobody knows its id, so one whose
    /// call fails after all is fetched by nobody.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn give(
        &self,
        identity: &Identity,
        action: &Action,
        file: Option<Sealed>,
    ) -> Result<Option<GivenFile>, Refusal> {
        let Some(file) = file else { return Ok(None) };
        let kept = self.given.keep(&identity.session, name(&action.arguments), file, Instant::now());
        kept.map(Some)
            .map_err(|full| Refusal::new(Code::HandlerError, format!("{}: {full}", action.tool)).in_stage(6))
    }
}

/// What the model is told of a file.
pub(super) fn told(file: &GivenFile) -> Value {
    json!({ "id": file.id, "name": file.name, "size": file.size, "sha256": file.sha256 })
}

/// The name that the call gives it, or the one that it has.
fn name(arguments: &Value) -> &str {
    let text = |key| arguments.get(key).and_then(Value::as_str);
    let own = || Path::new(text("path")?).file_name()?.to_str();
    text("name").or_else(own).unwrap_or_default()
}

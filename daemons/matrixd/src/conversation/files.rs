//! Files that people send: fetched, decrypted, and put where the tools of their session find them.
//!
//! What a file is called and said to be comes from its sender. Its content is never looked at here.

use crate::agent::{AgentError, Attached};
use crate::conversation::Talk;
use crate::conversation::exchange::Exchange;
use crate::conversation::plain;
use crate::homeserver::SendError;
use crate::incoming::Content;
use crate::store::StoreError;

/// The most bytes of one file: what `Agent1.Attach` takes.
pub const MOST_BYTES: u64 = 16 * 1024 * 1024;

impl Talk {
    /// The files of an exchange, with the agent. Who sent one that cannot be taken is told why, and his words go on
    /// without it. An error is for later; none when the exchange was taken back.
    pub(super) async fn files(
        &self,
        number: i64,
        exchange: &Exchange,
        session: &str,
    ) -> Result<Result<Vec<Attached>, Option<AgentError>>, StoreError> {
        let Content::File { name, mime, size, source, .. } = &exchange.message.content else {
            return Ok(Ok(Vec::new()));
        };
        let name = plain::file_name(name);
        if size.is_some_and(|size| size > MOST_BYTES) {
            self.tell(number, exchange, "refused", &too_large(&name))?;
            return Ok(Ok(Vec::new()));
        }
        let content = match self.means.homeserver.download(source, MOST_BYTES).await {
            Ok(content) => content,
            Err(SendError::Later { cause, .. }) => return Ok(Err(Some(AgentError::Later(cause)))),
            Err(SendError::Never { cause, .. }) => {
                self.tell(
                    number,
                    exchange,
                    "refused",
                    &format!("I could not take `{name}`: {}", plain::seen(&cause)),
                )?;
                return Ok(Ok(Vec::new()));
            }
        };
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        if length > MOST_BYTES {
            self.tell(number, exchange, "refused", &too_large(&name))?;
            return Ok(Ok(Vec::new()));
        }
        if !self.exchanges.is_open(number)? {
            return Ok(Err(None));
        }
        let speaker = exchange.speaker();
        match self.means.agent.attach(session, &speaker, &name, mime.as_deref(), &content).await {
            Ok(path) => Ok(Ok(vec![Attached { path, name, mime: mime.clone(), size: length }])),
            Err(error @ AgentError::Later(_)) => Ok(Err(Some(error))),
            Err(error) => {
                self.tell(number, exchange, "refused", &format!("I could not take `{name}`: {error}"))?;
                Ok(Ok(Vec::new()))
            }
        }
    }
}

fn too_large(name: &str) -> String {
    format!("I could not take `{name}`: it has more than {} MiB.", MOST_BYTES / 1024 / 1024)
}

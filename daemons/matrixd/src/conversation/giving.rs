//! Files that the agent gives to people: fetched when its turn has ended, and sent into the place of the turn.
//!
//! A file is sent once: its post has a name of its own, and what is with the outbox is not fetched again after a restart.
//! One that cannot be had any more is said so where the answer stands.

use std::fs::File;

use sha2::{Digest as _, Sha256};
use testudo::tool::GivenFile;
use testudo::turn::Finished;

use crate::agent::{AgentError, memfd};
use crate::conversation::Talk;
use crate::conversation::exchange::Exchange;
use crate::conversation::files::MOST_BYTES;
use crate::conversation::following::{behalf, transaction};
use crate::outbox::delay;
use crate::outgoing::Outgoing;
use crate::store::StoreError;

/// How often a file is asked for while the agent is away.
const TRIES: u32 = 4;

/// The files of an answer, before it is said.
pub(super) struct Given {
    /// Those to be sent, by their place among all.
    ready: Vec<(usize, GivenFile, File)>,
    /// Those that cannot be had any more.
    gone: Vec<GivenFile>,
    /// How many the agent gave.
    count: usize,
}

impl Given {
    /// How many the agent gave.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// What is said of those that cannot be had any more, as Markdown; nothing when there are none.
    pub(super) fn lost(&self) -> Option<String> {
        let lines: Vec<String> =
            self.gone.iter().map(|file| format!("`{}` is gone: ask for it again.", file.name)).collect();
        (!lines.is_empty()).then(|| lines.join("\n\n"))
    }
}

impl Talk {
    /// Gets the files that a turn gave and that are not with the outbox yet. They are not read yet: a turn may give more
    /// than fits into memory at once.
    pub(super) async fn fetched(
        &self,
        number: i64,
        exchange: &Exchange,
        session: &str,
        finished: &Finished,
    ) -> Result<Given, StoreError> {
        let files: Vec<&GivenFile> = finished.calls.iter().flat_map(|call| &call.files).collect();
        let mut given = Given { ready: Vec::new(), gone: Vec::new(), count: files.len() };
        for (index, file) in files.into_iter().enumerate() {
            if self.means.outbox.is_known(&transaction(number, exchange, &name(index)))? {
                continue;
            }
            match self.fetch(session, &file.id).await {
                Ok(content) => given.ready.push((index, file.clone(), content)),
                Err(error) => {
                    tracing::warn!("{} of session {session} cannot be sent: {error}", file.id);
                    given.gone.push(file.clone());
                }
            }
        }
        Ok(given)
    }

    /// Queues the files that were fetched, behind the answer.
    pub(super) fn give(
        &self,
        number: i64,
        exchange: &Exchange,
        session: &str,
        given: Given,
    ) -> Result<(), StoreError> {
        for (index, file, content) in given.ready {
            let read = memfd::read(&content, MOST_BYTES);
            let is_it = |content: &Vec<u8>| hex::encode(Sha256::digest(content)) == file.sha256;
            let Some(content) = read.ok().filter(is_it) else {
                tracing::error!("{} is not the file that was given, and is not sent", file.id);
                self.tell(
                    number,
                    exchange,
                    &format!("lost-{index}"),
                    &format!("`{}` was damaged.", file.name),
                )?;
                continue;
            };
            let outgoing = Outgoing::Attachment {
                name: file.name,
                mime: file.mime,
                content,
                thread: exchange.message.thread.clone(),
                behalf: Some(behalf(exchange, session)),
            };
            self.record(number, self.queue(exchange, number, &name(index), outgoing)?);
        }
        Ok(())
    }

    async fn fetch(&self, session: &str, file: &str) -> Result<File, AgentError> {
        let mut failures = 1;
        loop {
            match self.means.agent.fetch(session, file).await {
                Err(AgentError::Later(_)) if failures < TRIES => {
                    tokio::time::sleep(delay(failures, None)).await;
                    failures += 1;
                }
                fetched => return fetched,
            }
        }
    }
}

/// The name of the post of a file, by its place among all of its turn.
pub(super) fn name(index: usize) -> String {
    format!("given-{index}")
}

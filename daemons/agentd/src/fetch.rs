//! Files that the agent gave to people, for those who may have them.

use std::fs::File;
use std::os::fd::OwnedFd;

use testudo::fault::Fault;
use testudo::record::Entry;

use crate::agent::Agent;
use crate::name::SessionName;

impl Agent {
    /// The bytes of a file that a call of the session gave, sealed. The record knows who gets them before he does.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is no such session, or `toold` has the file no more; when it cannot be recorded.
    pub async fn fetch(&self, name: &SessionName, file: &str, requester: &str) -> Result<OwnedFd, Fault> {
        let session = self.session(name)?;
        let content = File::from(self.peers().tools.fetch(session.name(), file).await?);
        let size = content.metadata().ok().map(|about| about.len());
        let entry = Entry::new("file.fetched")
            .session(session.name())
            .with("requester", requester)
            .with("file", file)
            .with("size", size);
        self.peers().record(&entry).await.map_err(Fault::Unavailable)?;
        Ok(content.into())
    }
}

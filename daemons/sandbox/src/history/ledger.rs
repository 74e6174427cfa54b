//! The applications of the history, as their commits tell them.

use std::collections::HashMap;

use super::commit::Commit;
use super::store::Store;
use super::{HistoryError, MOST_COMMITS};
use crate::protocol::Merge;

/// Goes from the newest commit to the oldest, over those of applications.
struct Walk<'s> {
    store: &'s Store,
    next: Option<super::object::Id>,
    left: usize,
    /// Applications that a later one undid, which was not itself undone, and by which.
    undone: HashMap<String, String>,
}

impl<'s> Walk<'s> {
    fn new(store: &'s Store) -> Result<Self, HistoryError> {
        Ok(Self { store, next: store.head()?, left: MOST_COMMITS, undone: HashMap::new() })
    }

    fn step(&mut self) -> Result<Option<(Merge, Commit)>, HistoryError> {
        while let Some(id) = self.next.filter(|_| self.left > 0) {
            self.left -= 1;
            let commit = Commit::read(self.store, id)?;
            self.next = commit.parent;
            let text = |name| commit.trailer(name).map(str::to_owned);
            let Some(application) = text("Testudo-Application") else { continue };
            let undone_by = self.undone.get(&application).cloned();
            let undoes = text("Testudo-Undoes");
            if let (Some(undoes), None) = (&undoes, &undone_by) {
                self.undone.insert(undoes.clone(), application.clone());
            }
            let merge = Merge {
                tool: text("Testudo-Tool"),
                call: text("Testudo-Call"),
                session: text("Testudo-Session"),
                approval: text("Testudo-Approval"),
                approver: text("Testudo-Approved-By"),
                change_set: text("Testudo-Change-Set").unwrap_or_default(),
                changes: commit.trailer("Testudo-Changes").and_then(|count| count.parse().ok()).unwrap_or(0),
                at: commit.time,
                commit: id.to_string(),
                application,
                undoes,
                undone_by,
            };
            return Ok(Some((merge, commit)));
        }
        Ok(None)
    }
}

/// The latest ones, the newest first.
pub(super) fn merges(store: &Store, limit: usize) -> Result<Vec<Merge>, HistoryError> {
    let (mut walk, mut merges) = (Walk::new(store)?, Vec::new());
    while merges.len() < limit {
        let Some((merge, _)) = walk.step()? else { break };
        merges.push(merge);
    }
    Ok(merges)
}

/// The one that is named by its id or by its call's; without a name the latest that is neither undone nor an undoing.
pub(super) fn find(store: &Store, id: Option<&str>) -> Result<(Merge, Commit), HistoryError> {
    let mut walk = Walk::new(store)?;
    while let Some((merge, commit)) = walk.step()? {
        let Some(id) = id else {
            if merge.undone_by.is_none() && merge.undoes.is_none() {
                return Ok((merge, commit));
            }
            continue;
        };
        if merge.application == id || merge.call.as_deref() == Some(id) {
            return match merge.undone_by {
                Some(by) => Err(HistoryError::Undone { id: id.to_owned(), by }),
                None => Ok((merge, commit)),
            };
        }
    }
    Err(id.map_or(HistoryError::Nothing, |id| HistoryError::Unknown { id: id.to_owned() }))
}

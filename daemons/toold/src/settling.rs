//! The calls that a crash cut off: what became of them is found out and recorded before new ones are taken.

use crate::inflight::Inflight;
use crate::instances::application::{self, Fate};
use crate::pipeline::Pipeline;

/// Says in the record what became of the calls that a crash cut off.
pub(crate) async fn settle(pipeline: &Pipeline, interrupted: Vec<Inflight>) {
    if interrupted.is_empty() {
        return;
    }
    let about = interrupted.iter().filter_map(|call| call.application.clone()).collect();
    let recovered = pipeline.instances.recover(about).await;
    for call in interrupted {
        let fate = match (&call.application, &recovered) {
            (None, _) => Fate::Discarded,
            (Some(id), Ok(recovery)) => application::fate(id, recovery),
            (Some(_), Err(_)) => Fate::Unknown,
        };
        let outcome = match fate {
            Fate::Applied => "its changes were applied in full",
            Fate::Discarded => "nothing was applied",
            Fate::SetAside => {
                "its changes could not be completed: part of them may be in the workspace, and the rest was set \
                 aside in its .testudo"
            }
            Fate::Forgotten => {
                "its changes were applied in full or not at all: it is too long ago to be known"
            }
            Fate::Unknown => "what was applied is not known: the runner does not answer",
        };
        pipeline.chronicle.interrupted(&call, outcome).await;
        match (fate, &call.application) {
            (Fate::Unknown, Some(id)) => pipeline.inflight.keep(&call.call, id),
            _ => pipeline.inflight.settled(&call),
        }
    }
}

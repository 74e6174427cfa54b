//! What `egressd` writes down: in the record before bytes flow, in the journal for people.
//!
//! Destinations are recorded with their paths and without their queries, headers and bodies: those could hold what
//! nobody is to keep.

use std::time::Instant;

use libsystemd::logging::Priority;
use serde_json::json;
use testudo::egress::CONNECT;
use testudo::flood::Flood;
use testudo::journal;
use testudo::record::Entry;
use testudo::recorder::Recorder;

use crate::controls::{Control, Controls};
use crate::decision::{MODELS, Permit};
use crate::gate::{Admitted, Reason, Transfer, Turned, Who, Wish};

/// Longest text of a client's in the record, in characters.
const TEXT: usize = 300;

/// The way to the record and to the journal.
#[derive(Debug)]
pub struct Chronicle {
    recorder: Recorder,
    controls: Controls,
    flood: Flood,
}

impl Chronicle {
    /// Writes through this recorder.
    pub fn new(recorder: Recorder, controls: Controls) -> Self {
        Self { recorder, controls, flood: Flood::default() }
    }

    /// A connection is about to be made. Durable when this returns; otherwise it must not be made.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] when it is not certain to be in the record.
    pub async fn opened(
        &self,
        who: &Who,
        wish: &Wish,
        permit: &Permit,
        listed: bool,
        admitted: &Admitted,
    ) -> Result<(), Turned> {
        let addresses: Vec<String> = admitted.addresses.iter().map(ToString::to_string).collect();
        let entry = about("egress.opened", who, wish)
            .decision(permit.verdict.word())
            .with("id", admitted.id.as_str())
            .with("addresses", json!(addresses))
            .with("listed", listed)
            .with("secrets", json!(wish.secrets))
            .with("digest", permit.digest.as_str())
            .with("approval", permit.approval.as_deref());
        if self.controls.has(Control::Record) {
            let kept = self.recorder.append(&entry).await;
            kept.map_err(|error| Turned::new(Reason::Unavailable, error.to_string()))?;
        }
        let text = format!("{} reaches out to {}", tool(who), short(&wish.to_string()));
        journal::event(journal::EGRESS_OPENED, Priority::Info, &text, &fields(who, &wish.to_string()));
        Ok(())
    }

    /// Something was turned away. It did not happen, so nothing is held back when this cannot be kept.
    pub async fn refused(&self, who: &Who, wish: Option<&Wish>, turned: &Turned) {
        let mut left_out = 0;
        if matches!(turned.reason, Reason::Rate | Reason::Form) {
            let admitted = self.flood.admit(Instant::now());
            match admitted {
                Some(count) => left_out = count,
                None => return,
            }
        }
        let entry = match wish {
            Some(wish) => about("egress.refused", who, wish),
            None => of("egress.refused", who),
        };
        let entry = entry
            .decision("deny")
            .with("reason", turned.reason.word())
            .with("message", short(&turned.sentence))
            .with("left_out", left_out);
        self.keep(&entry).await;
        let destination = wish.map_or_else(|| "nowhere".to_owned(), ToString::to_string);
        let text =
            format!("{} may not reach {}: {}", tool(who), short(&destination), short(&turned.sentence));
        journal::event(journal::EGRESS_REFUSED, Priority::Warning, &text, &fields(who, &destination));
    }

    /// Something that was opened is over. Its durable `egress.opened` said that it would be.
    pub async fn closed(&self, who: &Who, wish: &Wish, admitted: &Admitted, transfer: &Transfer) {
        let entry = about("egress.closed", who, wish)
            .decision(transfer.cut.as_ref().map_or("ok", |cut| cut.reason.word()))
            .with("id", admitted.id.as_str())
            .with("address", transfer.address.map(|address| address.to_string()))
            .with("status", transfer.status)
            .with("sent", transfer.sent)
            .with("received", transfer.received)
            .with("message", transfer.cut.as_ref().map(|cut| short(&cut.sentence)));
        self.keep(&entry).await;
    }

    /// Records what has happened already, so that nothing can be held back any more.
    async fn keep(&self, entry: &Entry) {
        if let Err(error) = self.recorder.append(entry).await {
            tracing::error!("{} is not in the record: {error}", entry.event);
        }
    }
}

/// An entry about a destination.
fn about(event: &str, who: &Who, wish: &Wish) -> Entry {
    let visible = !wish.method.is_empty();
    of(event, who)
        .with("destination", format!("{}:{}", wish.host, wish.port))
        .with("scheme", wish.scheme.word())
        .with("method", visible.then_some(wish.method.as_str()))
        .with("path", visible.then(|| short(&wish.path)))
}

/// An entry of a traveller. It stands in the story of its call.
fn of(event: &str, who: &Who) -> Entry {
    match who {
        Who::Call(pass) => Entry::new(event)
            .session(&pass.session)
            .call(&pass.call, CONNECT)
            .with("for", pass.tool.as_str())
            .with("requester", pass.requester.to_string()),
        Who::Models => Entry::new(event).session(MODELS).call(MODELS, CONNECT).with("requester", MODELS),
    }
}

fn tool(who: &Who) -> &str {
    match who {
        Who::Call(pass) => &pass.tool,
        Who::Models => MODELS,
    }
}

fn fields<'a>(who: &'a Who, destination: &'a str) -> [(&'static str, &'a str); 4] {
    let (session, call) = match who {
        Who::Call(pass) => (pass.session.as_str(), pass.call.as_str()),
        Who::Models => (MODELS, MODELS),
    };
    [("SESSION", session), ("CALL", call), ("TOOL", tool(who)), ("DESTINATION", destination)]
}

fn short(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_never_recorded() {
        let host = testudo::egress::Host::parse("a.example").unwrap();
        let opaque = Wish::opaque(testudo::egress::Scheme::Https, host, 443);
        let wish =
            Wish { method: "GET".into(), path: "/p".into(), query: Some("token=hush".into()), ..opaque };
        let entry = about("egress.opened", &Who::Models, &wish);
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.contains("\"/p\"") && !text.contains("hush"), "{text}");
        assert!(!wish.to_string().contains("hush"));
    }
}

//! Thinks: holds conversations and runs the loop between the model and the tools.
//!
//! Promises: it has no secret, no tool, no network and no workspace; a turn that cannot be recorded does not
//! start; the model sees no message of which `policyd` was not told, with its author; a turn always ends,
//! whichever daemon goes away; a call and its outcome are never separated; what stands for messages has all of their labels.
//!
//! Layout, from the bus inwards: [`service`] serves `org.testudo.Agent1`, [`agent`] has the sessions, [`session`]
//! one queue of turns, [`runner`] runs a turn with [`policy`], [`models`] and [`tools`], and [`stop`] ends one early.
//! Without any I/O: [`turn`] is the loop, [`window`] chooses what the model is shown, [`outcome`] and [`cut`] how
//! much of it; [`compaction`] sums a conversation up, [`cost`] says what a request costs and [`budget`] counts the day's. [`conversation`] is what is said
//! and [`context`] what is kept beside it, [`store`] keeps both. Start reading at [`turn`].

pub mod agent;
pub mod attachment;
pub mod attendance;
pub mod budget;
pub mod compaction;
pub mod context;
pub mod conversation;
pub mod cost;
pub mod cut;
mod fetch;
mod live;
pub mod models;
pub mod name;
pub mod outcome;
pub mod policy;
pub mod runner;
pub mod said;
pub mod service;
pub mod session;
pub mod speaker;
mod spending;
pub mod stop;
pub mod store;
pub mod tools;
pub mod transcript;
pub mod turn;
pub mod window;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use libsystemd::logging::Priority;
use testudo::config::{Agentd, Matrixd};
use testudo::daemon::{DaemonError, Lifecycle};
use testudo::recorder::Recorder;
use testudo::subscribers::Subscribers;
use testudo::{bus, journal};

use agent::Agent;
use budget::Budget;
use models::Models;
use policy::Policy;
use runner::Peers;
use store::Store;
use tools::Tools;

/// Serves until it is asked to stop, with conversations kept in `state`.
///
/// # Errors
/// When the conversations cannot be opened or the bus does not take it.
pub async fn serve(
    config: &Agentd,
    matrix: &Matrixd,
    state: &Path,
    lifecycle: Lifecycle,
) -> Result<(), DaemonError> {
    let store = Store::open(state).map_err(DaemonError::failed)?;
    let loaded = store.load(&runner::now()).map_err(DaemonError::failed)?;
    let interrupted: Vec<_> = loaded.found.iter().filter_map(|found| found.interrupted.clone()).collect();

    let connection = bus::connect().await?;
    let contexts = loaded.found.iter().map(|found| found.conversation.context());
    let budget = Budget::new(config.daily_tokens, contexts, Timestamp::now());
    let peers = Peers {
        models: Models::new(&connection).await?,
        tools: Tools::new(&connection).await?,
        policy: Policy::new(&connection).await?,
        recorder: Recorder::new(&connection).await?,
        subscribers: Subscribers::new(&connection, bus::AGENT_PATH, bus::AGENT).await?,
        budget: Arc::new(budget),
    };
    let agent = Arc::new(Agent::new(config.max_turns, store, peers, loaded));
    let service = service::Service::new(agent.clone(), config.unattended.clone(), matrix.clone());
    agent.record_interrupted(&interrupted).await;
    connection.object_server().at(bus::AGENT_PATH, service).await?;
    connection.request_name(bus::AGENT).await?;

    let own_name = connection.unique_name().map(ToString::to_string).unwrap_or_default();
    let alive = || async {
        // Through the connection that all work goes through, and the lock that all work takes.
        let _status = agent.status();
        bus::is_connected(&connection, &own_name).await.unwrap_or(false)
    };
    journal::event(journal::DAEMON_READY, Priority::Info, "agentd is ready", &[("DAEMON", "agentd")]);
    lifecycle.serve_until_stopped(&agent.status(), alive).await;
    agent.drain().await;
    bus::leave(&connection, bus::AGENT).await;
    Ok(())
}

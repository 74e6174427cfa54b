//! Infers: asks a language model, whichever is configured, and streams its answer.
//!
//! Promises: it has no network and no key; what it asks goes through the socket of `egressd`, which fills the
//! key in and reaches nothing for it but the configured server; a cancelled request is abandoned at once, and so are those of a caller that left the bus.
//!
//! Layout, from the bus inwards: [`serve`] is the daemon, [`service`] is `org.testudo.Models1`,
//! [`running`] holds what is under way, [`provider`] is what both sources of completions offer:
//! [`rehearsal`], the built-in planner, and [`openai`], any OpenAI-compatible server through [`egress`].

pub mod egress;
pub mod openai;
pub mod provider;
pub mod rehearsal;
pub mod running;
pub mod service;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use testudo::bus;
use testudo::config::{self, Config};
use testudo::daemon::{DaemonError, Lifecycle};
use testudo::recorder::Recorder;

use egress::Egress;
use openai::{OpenAi, Patience};
use provider::Provider;
use rehearsal::Rehearsal;
use running::Running;
use service::Models;

/// The most completions of one caller at one time.
const MOST: usize = 4;
/// How long completions may go on after the daemon was asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `org.testudo.Models1` until the service manager stops it.
pub async fn serve(config: Config, lifecycle: Lifecycle) -> Result<(), DaemonError> {
    let provider = provider(&config.modeld)?;
    let running = Running::new(MOST);
    let connection = bus::connect().await?;
    let mut departures = Box::pin(bus::departures(&connection).await?);
    let leavers = tokio::spawn({
        let running = Arc::clone(&running);
        async move {
            while let Some(gone) = departures.next().await {
                running.cancel_all_of(&gone);
            }
        }
    });
    let recorder = Recorder::new(&connection).await?;
    let models = Models::new(Arc::clone(&provider), Arc::clone(&running), recorder, config.modeld.timeout);
    connection.object_server().at(bus::MODELS_PATH, models).await?;
    connection.request_name(bus::MODELS).await?;

    let status = format!("Serving the model {} through the provider {}.", provider.model(), provider.name());
    let own_name = connection.unique_name().map(ToString::to_string).unwrap_or_default();
    let alive = || async {
        let serves = connection.object_server().interface::<_, Models>(bus::MODELS_PATH).await.is_ok();
        serves && !leavers.is_finished() && bus::is_connected(&connection, &own_name).await.unwrap_or(false)
    };
    lifecycle.serve_until_stopped(&status, alive).await;

    running.close();
    if tokio::time::timeout(GRACE, running.idle()).await.is_err() {
        running.cancel_everything();
        let _gave_up = tokio::time::timeout(GRACE, running.idle()).await;
    }
    leavers.abort();
    Ok(())
}

/// The configured provider.
pub fn provider(config: &config::Modeld) -> Result<Arc<dyn Provider>, DaemonError> {
    match &config.provider {
        config::Provider::Rehearsal => Ok(Arc::new(Rehearsal)),
        config::Provider::OpenAi { base_url, model, other_models, api_key_secret, allow_http } => {
            let egress = Egress::new(&config.egress_socket);
            let (model, secret) = (model.clone(), api_key_secret.as_deref());
            let server = OpenAi::new(egress, base_url, *allow_http, model, secret, Patience::default());
            let server = server.map_err(|error| DaemonError::Config(error.to_string()))?;
            Ok(Arc::new(server.with_others(other_models.clone())))
        }
    }
}

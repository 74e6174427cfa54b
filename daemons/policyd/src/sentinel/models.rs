//! The way to `modeld`, which is the one daemon that `policyd` asks anything of but the record.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use testudo::fault::bus_error_text;
use testudo::limits::{self, BUS};
use testudo::model::{Completion, CompletionRequest};
use testudo::proxy::{Models1Proxy, Options};
use testudo::visible::is_visible;
use tokio::sync::Semaphore;
use zbus::Connection;

use super::asking::Model;

/// Most questions at one time; `modeld` grants as many.
const MOST: usize = 4;
/// Most characters of an error.
const WHY: usize = 200;

/// The configured model.
pub struct Models {
    proxy: Models1Proxy<'static>,
    permits: Semaphore,
}

impl Models {
    /// The model behind this connection; `modeld` need not be there yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn new(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self { proxy: Models1Proxy::new(connection).await?, permits: Semaphore::new(MOST) })
    }

    async fn asked(&self, request: CompletionRequest) -> Result<Completion, String> {
        let _permit = self.permits.acquire().await.map_err(|error| error.to_string())?;
        let text = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        let mut running =
            Running { proxy: self.proxy.clone(), id: Some(format!("judge-{}", uuid::Uuid::new_v4())) };
        let id = running.id.clone().unwrap_or_default();
        let answer = self.proxy.complete(&id, &text, Options::new()).await;
        running.id = None;
        let answer = answer.map_err(|error| shown(&bus_error_text(&error)))?;
        limits::parse(&answer, BUS).map_err(|_| "its answer cannot be read".to_owned())
    }
}

impl Model for Models {
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'_, Result<Completion, String>> {
        self.asked(request).boxed()
    }
}

/// A question under way; dropped before its end it is called off.
struct Running {
    proxy: Models1Proxy<'static>,
    id: Option<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let proxy = self.proxy.clone();
            tokio::spawn(async move {
                if let Err(error) = proxy.cancel(&id).await {
                    tracing::debug!("a question to the judge was not called off: {error}");
                }
            });
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| is_visible(*c)).take(WHY).collect()
}

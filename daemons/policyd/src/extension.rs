//! The extension layer: asks the process that evaluates the components, and takes no answer for *deny*.
//!
//! ```text
//!  Idle ──first call──▶ Up ──break──▶ Up again (a fresh process) ──break within 30 s──▶ Off: denies for good
//!                        └─ refused, or other components than configured: Off at once
//! ```
//! Promise: every configured component has an opinion about every call. One that cannot be had is *deny* with the
//! reason why. Without components it has no opinions and connects to nothing. Only a restart of `policyd` ends *Off*.

mod link;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use testudo::action::Judged;
use testudo::config;
use testudo::extension::{Component, Facts, Opinion, ReadError};
use tokio::sync::Mutex;

use link::{Link, LinkError, Reader};

/// A second break within this time turns the layer off.
pub const WINDOW: Duration = Duration::from_secs(30);

/// Tells the time; tests have their own.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The configured components, as `policyd` asks them.
#[derive(Clone)]
pub struct Extension(Option<Arc<Layer>>);

struct Layer {
    socket: PathBuf,
    components: Vec<Component>,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    health: Health,
}

enum Standing {
    Idle,
    Up(Arc<Link>),
    Off(String),
}

/// When the process broke off; decides whether there is another attempt.
#[derive(Default)]
struct Health {
    last: Option<Instant>,
}

impl Health {
    /// Notes a break. True: there may be another attempt.
    fn broke(&mut self, now: Instant) -> bool {
        let again = self.last.is_none_or(|last| now.saturating_duration_since(last) > WINDOW);
        self.last = Some(now);
        again
    }
}

impl Extension {
    /// The layer for what is configured, behind the socket at `socket`.
    ///
    /// The components are hashed here: only these are asked, whatever is in their place later.
    ///
    /// # Errors
    /// A component cannot be read.
    pub fn configured(config: &config::Extension, socket: &Path, clock: Clock) -> Result<Self, ReadError> {
        if config.components.is_empty() {
            return Ok(Self(None));
        }
        let read = |path: &PathBuf| Component::read(path).map(|(component, _)| component);
        let components = config.components.iter().map(read).collect::<Result<_, _>>()?;
        let state = State { standing: Standing::Idle, health: Health::default() };
        let layer = Layer { socket: socket.to_path_buf(), components, clock, state: Mutex::new(state) };
        Ok(Self(Some(Arc::new(layer))))
    }

    /// No components.
    pub const fn none() -> Self {
        Self(None)
    }

    /// What is configured, with the hash of each file when `policyd` started.
    pub fn components(&self) -> &[Component] {
        self.0.as_ref().map_or(&[], |layer| &layer.components)
    }

    /// Starts the process ahead of the first call, which would wait for it otherwise.
    pub async fn warm(&self) {
        if let Some(layer) = &self.0 {
            let _ = Layer::link(layer).await;
        }
    }

    /// Why everything is denied, when the layer is off.
    pub async fn off(&self) -> Option<String> {
        match &self.0.as_ref()?.state.lock().await.standing {
            Standing::Off(why) => Some(why.clone()),
            Standing::Idle | Standing::Up(_) => None,
        }
    }

    /// What each configured component says to this call, in the order of the configuration.
    pub async fn opinions(&self, judged: &Judged) -> Vec<Opinion> {
        let Some(layer) = &self.0 else { return Vec::new() };
        let link = match Layer::link(layer).await {
            Ok(link) => link,
            Err(why) => return layer.components.iter().map(|c| Opinion::failed(&c.name, &why)).collect(),
        };
        link.ask(&layer.components, Facts::of(judged)).await
    }
}

impl Layer {
    /// The connection, made if there is none yet.
    async fn link(layer: &Arc<Self>) -> Result<Arc<Link>, String> {
        let mut state = layer.state.lock().await;
        if matches!(state.standing, Standing::Idle)
            && let Some((link, reader)) = layer.connect(&mut state).await
        {
            tokio::spawn(Arc::clone(layer).watch(link, reader));
        }
        match &state.standing {
            Standing::Up(link) => Ok(Arc::clone(link)),
            Standing::Off(why) => Err(why.clone()),
            Standing::Idle => Err("the extension layer is not connected".to_owned()),
        }
    }

    /// Connects until it is up or off; gives what there is to hear if it is up.
    async fn connect(&self, state: &mut State) -> Option<(Arc<Link>, Reader)> {
        loop {
            let error = match Link::connect(&self.socket, &self.components).await {
                Ok((link, reader)) => {
                    state.standing = Standing::Up(Arc::clone(&link));
                    return Some((link, reader));
                }
                Err(error) => error,
            };
            if error.is_final() || !self.may_go_on(state, &error) {
                state.turn_off(&error);
                return None;
            }
        }
    }

    /// Hears the process out, and begins again when it broke off.
    async fn watch(self: Arc<Self>, mut link: Arc<Link>, mut reader: Reader) {
        loop {
            let error = link.hear(reader).await;
            let mut state = self.state.lock().await;
            // Only now, with the state held: who was cut off and asks again waits for the next connection.
            link.hang_up();
            if !self.may_go_on(&mut state, &error) {
                return state.turn_off(&error);
            }
            let Some(next) = self.connect(&mut state).await else { return };
            (link, reader) = next;
        }
    }

    fn may_go_on(&self, state: &mut State, error: &LinkError) -> bool {
        let again = state.health.broke((self.clock)());
        if again {
            tracing::warn!("the extension process broke off, calls under way are denied: {error}");
        }
        again
    }
}

impl State {
    fn turn_off(&mut self, error: &LinkError) {
        tracing::error!(
            "extension rules are off, every call is denied until testudo-policyd is restarted: {error}"
        );
        self.standing = Standing::Off(format!("the extension layer is off and denies everything: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_break_is_forgiven_and_a_second_soon_after_is_not() {
        let (mut health, t0) = (Health::default(), Instant::now());
        assert!(health.broke(t0));
        assert!(!health.broke(t0 + WINDOW), "the window's last moment belongs to it");
        let mut health = Health::default();
        assert!(health.broke(t0));
        let later = t0 + WINDOW + Duration::from_nanos(1);
        assert!(health.broke(later));
        assert!(!health.broke(later + Duration::from_secs(1)), "it is the last break that counts");
    }
}

//! The daemon: opens what it keeps, puts the parts together, and runs them until the service manager stops it.
//!
//! ```text
//!  homeserver ──▶ account ──▶ inbox ──▶ dispatcher ──▶ desk · commands · conversation ──▶ policyd, agentd
//!       ▲                                                     │
//!       └──────────── courier ◀──── outbox ◀──────────────────┘
//! ```
//! It is ready before the homeserver answers: who asks `org.testudo.Matrix1` what is wrong must be told. No part of it ends
//! alone: with the first one the daemon ends, and is begun anew.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use matrix_sdk::ruma::{OwnedRoomId, OwnedUserId};
use testudo::bus;
use testudo::config::{Config, Matrixd};
use testudo::daemon::{self, DaemonError, Lifecycle};
use testudo::proxy::{Agent1Proxy, Audit1Proxy, Policy1Proxy};
use testudo::recorder::Recorder;
use tokio::sync::mpsc;
use zbus::Connection;

use crate::account::{Account, Credentials, Login, OpenError, RunError};
use crate::agent::bus::BusAgent;
use crate::anchors::{self, Anchors, Moment, Schedule};
use crate::approval::book::Book;
use crate::approval::desk::Surroundings;
use crate::approval::judging::Judge;
use crate::approval::{Desk, KnownRooms};
use crate::commands::Commands;
use crate::commands::ear::Ear;
use crate::controls::Controls;
use crate::conversation::markdown::Hygiene;
use crate::conversation::{Means, Talk};
use crate::dispatcher::{Dispatcher, Listeners};
use crate::homeserver::Homeserver;
use crate::letters::Letters;
use crate::outbox::{Clock, Outbox, courier};
use crate::policy::Policy;
use crate::service;
use crate::store::{DeadLetters, Inbox, Places, Store};
use crate::trust::condition::Conditions;
use crate::trust::keyring::Keyring;
use crate::trust::{Secrets, Trust};

mod parts;

use parts::Parts;

/// How many news of `policyd` wait until the desk is at them.
const NEWS: usize = 64;

/// Serves people until the service manager stops it.
///
/// # Errors
/// [`DaemonError::Config`] where there is no homeserver, a credential is missing or refused, or the key opens nothing.
pub async fn serve(config: Config, lifecycle: Lifecycle, controls: Controls) -> Result<(), DaemonError> {
    let config = Arc::new(config.matrixd);
    if config.homeserver.is_none() || config.user.is_none() {
        return Err(refused(&OpenError::NotConfigured));
    }
    let directory = daemon::state_directory()?;
    let credentials = Credentials::read(&config).map_err(|error| refused(&error))?;
    let previous = credentials.previous.as_deref();
    let key = Keyring::new(&directory, &credentials.key, previous).open();
    let key = key.map_err(|error| DaemonError::Config(format!("{}: {error}", error.word())))?;
    let store = Store::open(&directory.join("matrixd.db"), key.bytes()).map_err(|error| refused(&error))?;
    let conditions = Arc::new(Conditions::default());
    let opening = Account::open(
        Arc::clone(&config),
        controls,
        &credentials,
        &directory,
        &key,
        store.clone(),
        Arc::clone(&conditions),
    );
    let account = Arc::new(opening.await.map_err(|error| refused(&error))?);
    let secrets = Secrets {
        password: match credentials.login {
            Login::Password(password) => Some(password),
            Login::Token(_) => None,
        },
        recovery: credentials.recovery,
    };
    let pins = Arc::clone(account.pins());
    let trust = Trust::new(Arc::clone(&config), store.clone(), secrets, conditions, pins);
    let connection = bus::connect().await?;
    account.pins().record_with(Recorder::new(&connection).await?);
    let whole = Whole { config, controls, store, account, trust, connection };
    let mut parts = Parts::default();
    let Started { inbox, anchors, clock } = whole.start(&mut parts).await?;
    let own_name = whole.connection.unique_name().map(ToString::to_string).unwrap_or_default();
    let alive = || async { bus::is_connected(&whole.connection, &own_name).await.unwrap_or(false) };
    let mut talking = pin!(whole.talk(&inbox));
    tokio::select! {
        ended = parts.ended() => return Err(DaemonError::failed(ended)),
        () = lifecycle.serve_until_stopped("Talking through the homeserver.", alive) => {}
        stopped = &mut talking => return Err(match stopped {
            Ok(never) => match never {},
            Err(error) => DaemonError::failed(error),
        }),
    }
    // What is new in the record leaves this machine before the daemon does. Everything runs on meanwhile: without the
    // account nobody's keys are asked for, and the SDK waits for them.
    if let Some(anchors) = anchors {
        tokio::select! {
            () = anchors.close(now_ms(&clock)) => {}
            () = async { drop(talking.await); std::future::pending::<()>().await } => {}
        }
    }
    Ok(())
}

fn now_ms(clock: &Clock) -> u64 {
    u64::try_from(clock.now_ms()).unwrap_or_default()
}

/// What a restart does not mend.
fn refused(error: &dyn std::error::Error) -> DaemonError {
    DaemonError::Config(error.to_string())
}

/// Everything that the parts are made of.
struct Whole {
    config: Arc<Matrixd>,
    controls: Controls,
    store: Store,
    account: Arc<Account>,
    trust: Arc<Trust>,
    connection: Connection,
}

/// What is needed of what was started.
struct Started {
    /// Where the account puts what comes.
    inbox: Inbox,
    /// Where there is a room for them.
    anchors: Option<Arc<Anchors>>,
    clock: Clock,
}

impl Whole {
    /// Starts everything but the account.
    async fn start(&self, parts: &mut Parts) -> Result<Started, DaemonError> {
        let store = &self.store;
        let clock = Clock::of_the_machine();
        let outbox = Outbox::new(store.clone(), clock.clone());
        let homeserver: Arc<dyn Homeserver> = Arc::clone(&self.account) as _;
        let ledger = Arc::new(Recorder::new(&self.connection).await?);
        parts.start("the courier", courier::run(outbox.clone(), Arc::clone(&homeserver), ledger));

        let desk = self.desk(parts, &outbox, &homeserver, &clock).await?;
        let anchors = self.anchor(parts, &outbox, &clock).await?;
        let hygiene = Hygiene::of(self.controls.sanitising);
        let talk = Talk::new(Means {
            config: Arc::clone(&self.config),
            hygiene,
            agent: Arc::new(BusAgent::new(&self.connection).await?),
            homeserver,
            outbox: outbox.clone(),
            store: store.clone(),
            clock: clock.clone(),
        })
        .map_err(DaemonError::failed)?;
        let resumed = talk.resume().map_err(DaemonError::failed)?;
        tracing::info!(resumed, "took up what was said before the start");
        let commands = Commands::new(
            (*self.config).clone(),
            self.controls,
            Arc::new(Agent1Proxy::new(&self.connection).await?),
            Arc::new(Policy1Proxy::new(&self.connection).await?),
            Arc::new(talk.clone()),
        );
        let conversation = Arc::new(talk);
        let ear = Ear::new(commands, desk.clone(), conversation.clone(), outbox.clone(), clock.clone());

        let inbox = Inbox::new(store.clone(), Arc::clone(&self.config));
        let letters = DeadLetters::new(store.clone());
        let listeners = Listeners { answers: desk, commands: Arc::new(ear), conversation };
        let dispatcher = Dispatcher::new(inbox.clone(), outbox.clone(), letters.clone(), listeners);
        parts.start("the dispatcher", dispatcher.run());
        let reviving = Arc::clone(&self.account).revive(inbox.clone(), letters);
        parts.start("who reads dead letters again", reviving);
        service::serve(&self.connection, Arc::clone(&self.trust), Letters::new(store, outbox)).await?;
        Ok(Started { inbox, anchors, clock })
    }

    /// Approvals.
    async fn desk(
        &self,
        parts: &mut Parts,
        outbox: &Outbox,
        homeserver: &Arc<dyn Homeserver>,
        clock: &Clock,
    ) -> Result<Arc<Desk>, DaemonError> {
        let policy = Policy::new(&self.connection).await?;
        let (teller, news) = mpsc::channel(NEWS);
        parts.start("who follows policyd", {
            let policy = policy.clone();
            async move {
                if let Err(error) = policy.follow(teller).await {
                    tracing::error!("the questions of policyd are not followed any more: {error}");
                }
            }
        });
        let owner_room = self.account.owner_room();
        let first = move || owner_room.borrow().clone();
        let places = Places::new(self.store.clone());
        let rooms = KnownRooms::new(places, &self.config, first, Arc::clone(homeserver));
        let judge = Judge {
            own: self.account.user().to_owned(),
            trust_homeserver: self.config.trust_homeserver,
            controls: self.controls,
        };
        let owners = self.config.owners.iter().filter_map(|owner| OwnedUserId::try_from(owner.as_str()).ok());
        let book = Book::new(self.store.clone()).map_err(DaemonError::failed)?;
        let around = Surroundings {
            policy: Arc::new(policy),
            post: Arc::new(outbox.clone()),
            rooms: Arc::new(rooms),
            record: Arc::new(Recorder::new(&self.connection).await?),
            clock: clock.clone(),
        };
        let desk = Desk::new(judge, owners.collect(), book, around);
        parts.start("the desk", Arc::clone(&desk).attend(news));
        Ok(desk)
    }

    /// Anchors, where there is a room for them.
    async fn anchor(
        &self,
        parts: &mut Parts,
        outbox: &Outbox,
        clock: &Clock,
    ) -> Result<Option<Arc<Anchors>>, DaemonError> {
        let room = self.config.audit_room.as_deref().and_then(|room| OwnedRoomId::try_from(room).ok());
        let Some(room) = room else { return Ok(None) };
        let record = Box::new(Audit1Proxy::new(&self.connection).await?);
        let book = Book::new(self.store.clone()).map_err(DaemonError::failed)?;
        let post = Arc::new(outbox.clone());
        let anchors = Arc::new(Anchors::new(room, Schedule::default(), record, book, post));
        let (looking, clock) = (Arc::clone(&anchors), clock.clone());
        parts.start("the anchors", async move {
            let mut moment = Moment::Turning;
            let mut tick = tokio::time::interval(anchors::LOOK);
            loop {
                tick.tick().await;
                looking.look_or_say(moment, now_ms(&clock)).await;
                moment = Moment::Passing;
            }
        });
        Ok(Some(anchors))
    }

    /// Talks for as long as the homeserver lets us. One that refuses us is not asked again: somebody has to see why,
    /// and to show him is all that is left to do.
    async fn talk(&self, inbox: &Inbox) -> Result<Infallible, RunError> {
        match self.converse(inbox).await {
            Err(error @ RunError::Refused { .. }) => {
                daemon::status(&error.to_string());
                std::future::pending().await
            }
            stopped => stopped,
        }
    }

    /// Logs in and takes what comes. Verifications are heard from the first sync on.
    async fn converse(&self, inbox: &Inbox) -> Result<Infallible, RunError> {
        self.account.log_in().await?;
        self.trust.attach(self.account.client());
        tokio::select! {
            stopped = self.account.run(inbox) => stopped,
            // It never returns, and what panics in it is not caught.
            () = Arc::clone(&self.trust).tend() => std::future::pending().await,
            () = self.account.pins().follow(self.account.client(), &self.config) => std::future::pending().await,
        }
    }
}

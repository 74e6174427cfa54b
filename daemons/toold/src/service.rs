//! `org.testudo.Tools1` on the bus.

use std::collections::HashMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt as _;
use libsystemd::logging::Priority;
use serde::Serialize;
use serde_json::json;
use testudo::config::Config;
use testudo::daemon::{DaemonError, Lifecycle, state_directory};
use testudo::fault::Fault;
use testudo::identity::{Caller, Daemon, Principal};
use testudo::limits::BUS;
use testudo::options::GivenOptions;
use testudo::recorder::Recorder;
use testudo::tool::Spec;
use testudo::{bus, journal};
use testudo_sandbox::client::Piece;
use tokio::sync::mpsc;
use zbus::message::Header;
use zbus::names::BusName;
use zbus::object_server::SignalEmitter;
use zbus::wire::{OwnedFd, OwnedVariant};
use zbus::{Connection, interface};

use crate::catalogue;
use crate::chronicle::Chronicle;
use crate::controls::Controls;
use crate::decision::{Attendance, Decider};
use crate::egress::Egress;
use crate::given::Given;
use crate::inbox::Inbox;
use crate::inflight::Journal;
use crate::instances::systemd::{Systemd, Trouble};
use crate::instances::{Ended, Instances, Setting};
use crate::pipeline::{self, Pipeline, Request};
use crate::rate::RateLimiter;
use crate::running::Running;
use crate::settling::settle;
use crate::switch::Switch;
use crate::telling;
use crate::validation::Tool;

/// How often it is looked for idle sandboxes, and for files that were kept for long enough.
const EVICT: Duration = Duration::from_mins(1);
/// How long running calls may take to end when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The object at `/org/testudo/Tools1`.
struct Tools {
    pipeline: Arc<Pipeline>,
    inbox: Arc<Inbox>,
    connection: Connection,
}

#[interface(name = "org.testudo.Tools1", introspection_docs = false)]
impl Tools {
    #[zbus(out_args("outcome"))]
    async fn invoke(
        &self,
        session: &str,
        tool: &str,
        arguments: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<String, Fault> {
        // Whoever the bus let through by mistake is refused by stage 4, with a record.
        let caller = Caller::of(&header, &self.connection).await?;
        if arguments.len() > BUS.message {
            return Err(Fault::TooLarge(format!("the arguments are longer than {} bytes", BUS.message)));
        }
        let mut options = GivenOptions::new(options);
        let call = options.string("call")?.unwrap_or_else(pipeline::fresh_call);
        let stream = options.flag("stream")?;
        let unattended = options.flag("unattended")?;
        let approver = options.string("approver")?;
        options.finish()?;
        let attendance = Attendance { unattended, approver };
        let (told, pieces) = stream.then(telling::channel).unzip();
        let emitter = emitter.set_destination(BusName::try_from(caller.connection.clone())?);
        let telling = pieces.map(|pieces| tell(call.clone(), pieces, &emitter));
        let call = Some(call);
        let invoking =
            self.pipeline.invoke(Request { caller, session, tool, arguments, call, attendance, told });
        match telling {
            Some(telling) => body(&tokio::join!(invoking, telling).0),
            None => body(&invoking.await),
        }
    }

    #[zbus(out_args("cancelled"))]
    async fn cancel(&self, call: &str, #[zbus(header)] header: Header<'_>) -> Result<bool, Fault> {
        let _ = self.caller(&header).await?;
        Ok(self.pipeline.running.cancel(call))
    }

    #[zbus(out_args("tools"))]
    async fn catalogue(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.caller(&header).await?;
        let specs = self.pipeline.tools.iter().map(|tool| &tool.spec);
        let specs: Vec<&Spec> = specs.filter(|spec| spec.name != catalogue::UNDO).collect();
        body(&specs)
    }

    async fn close_session(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let _ = self.caller(&header).await?;
        self.pipeline.running.cancel_session(session);
        self.pipeline.decider.grants.forget(session);
        self.pipeline.instances.close(session);
        if pipeline::is_session(session) {
            self.inbox.forget(session);
            self.pipeline.given.forget(session);
        }
        self.pipeline.rate.lock().unwrap_or_else(PoisonError::into_inner).forget_full(Instant::now());
        Ok(())
    }

    #[zbus(signal)]
    async fn output(
        emitter: &SignalEmitter<'_>,
        call: &str,
        seq: u64,
        error: bool,
        text: &str,
    ) -> zbus::Result<()>;

    #[zbus(out_args("path"))]
    async fn receive(
        &self,
        session: &str,
        name: &str,
        content: OwnedFd,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_daemon(&[Daemon::Agentd])?;
        let (session, name) = (one(session)?.to_owned(), name.to_owned());
        let (inbox, content) = (self.inbox.clone(), File::from(std::os::fd::OwnedFd::from(content)));
        let kept =
            tokio::task::spawn_blocking(move || inbox.keep(&session, &name, content, SystemTime::now()))
                .await;
        Ok(kept.map_err(|error| Fault::Internal(error.to_string()))??)
    }

    #[zbus(out_args("content"))]
    async fn fetch(
        &self,
        session: &str,
        file: &str,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<OwnedFd, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_daemon(&[Daemon::Agentd])?;
        Ok(self.pipeline.given.fetch(one(session)?, file, Instant::now())?.into())
    }

    async fn prepare(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<(), Fault> {
        let _ = self.caller(&header).await?;
        let session = one(session)?;
        self.pipeline.prepare(session);
        Ok(())
    }

    #[zbus(out_args("frozen"))]
    async fn freeze(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<u32, Fault> {
        let by = self.operator(&header).await?;
        let session = one(session)?;
        self.pipeline.freeze(session, &by).await.map_err(|trouble| managed(&trouble))
    }

    #[zbus(out_args("thawed"))]
    async fn thaw(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<u32, Fault> {
        let by = self.operator(&header).await?;
        let session = one(session)?;
        self.pipeline.thaw(session, &by).await.map_err(|trouble| managed(&trouble))
    }

    #[zbus(out_args("outcome"))]
    async fn undo(
        &self,
        id: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<String, Fault> {
        let caller = Caller::of(&header, &self.connection).await?;
        let _ = caller.require_operator()?;
        let mut options = GivenOptions::new(options);
        let session = options.string("session")?.unwrap_or_else(|| "cli".to_owned());
        options.finish()?;
        let arguments = if id.is_empty() { json!({}) } else { json!({ "id": id }) };
        let (tool, attendance) = (catalogue::UNDO, Attendance::default());
        let arguments = &arguments.to_string();
        let request =
            Request { caller, session: &session, tool, arguments, call: None, attendance, told: None };
        body(&self.pipeline.invoke(request).await)
    }

    #[zbus(out_args("applications"))]
    async fn history(&self, limit: u32, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        let limit = u16::try_from(limit).unwrap_or(u16::MAX);
        let merges = self.pipeline.instances.history(limit).await;
        body(&merges.map_err(|refusal| Fault::Unavailable(refusal.message))?)
    }

    #[zbus(out_args("instances"))]
    async fn containment(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        body(&self.pipeline.instances.containment(session))
    }

    #[zbus(out_args("ended"))]
    async fn stop(
        &self,
        session: &str,
        options: HashMap<String, OwnedVariant>,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<u32, Fault> {
        let by = self.operator(&header).await?;
        GivenOptions::new(options).finish()?;
        self.pipeline.stop(named(session)?, &by).await.map_err(|error| Fault::Internal(error.to_string()))
    }

    #[zbus(out_args("resumed"))]
    async fn resume(&self, session: &str, #[zbus(header)] header: Header<'_>) -> Result<bool, Fault> {
        let by = self.operator(&header).await?;
        self.pipeline.resume(named(session)?, &by).await.map_err(|error| Fault::Internal(error.to_string()))
    }

    #[zbus(out_args("stops"))]
    async fn stops(&self, #[zbus(header)] header: Header<'_>) -> Result<String, Fault> {
        let _ = self.operator(&header).await?;
        body(&self.pipeline.switch.stops())
    }
}

/// Tells the caller what his call prints, until it is over; nobody is told more when the caller is gone.
async fn tell(call: String, mut pieces: mpsc::Receiver<Piece>, emitter: &SignalEmitter<'_>) {
    let mut seq = 0;
    while let Some(together) = telling::next(&mut pieces).await {
        for piece in together {
            seq += 1;
            if Tools::output(emitter, &call, seq, piece.error, &piece.text).await.is_err() {
                return;
            }
        }
    }
}

/// The session that something is about.
fn one(session: &str) -> Result<&str, Fault> {
    named(session)?.ok_or_else(|| Fault::InvalidArgument("a session must be named".into()))
}

fn managed(trouble: &Trouble) -> Fault {
    match trouble {
        Trouble::Unavailable { .. } => Fault::Unavailable(trouble.to_string()),
        Trouble::Refused { .. } | Trouble::Running { .. } => Fault::Internal(trouble.to_string()),
    }
}

/// The session that a stop is about; the empty name means everything.
fn named(session: &str) -> Result<Option<&str>, Fault> {
    if session.is_empty() {
        return Ok(None);
    }
    if pipeline::is_session(session) {
        return Ok(Some(session));
    }
    Err(Fault::InvalidArgument("this is no name of a session".into()))
}

impl Tools {
    /// What a person turns, no daemon does: the bus policy says so, and this once more.
    async fn operator(&self, header: &Header<'_>) -> Result<String, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        caller.require_operator().map(str::to_owned)
    }

    /// The bus lets nobody else through; this says it once more.
    async fn caller(&self, header: &Header<'_>) -> Result<Caller, Fault> {
        let caller = Caller::of(header, &self.connection).await?;
        match caller.principal {
            Principal::Daemon(Daemon::Agentd) | Principal::Operator(_) => Ok(caller),
            ref other => Err(Fault::Denied(format!("{other} may not use tools"))),
        }
    }
}

/// Runs the daemon until it is asked to stop.
///
/// # Errors
/// When the state cannot be opened or the bus is not there.
pub async fn serve(config: Config, lifecycle: Lifecycle, controls: Controls) -> Result<(), DaemonError> {
    let config = config.toold;
    let switch = Switch::open(&state_directory()?.join("stops.json")).map_err(DaemonError::failed)?;
    let inflight = Journal::open(state_directory()?.join("inflight")).map_err(DaemonError::failed)?;
    let interrupted = inflight.found().map_err(DaemonError::failed)?;
    let tools: Result<Vec<Tool>, _> = catalogue::offered(&config).into_iter().map(Tool::compile).collect();
    let tools = tools.map_err(DaemonError::failed)?;
    let connection = bus::connect().await?;
    let inbox = Inbox::open(state_directory()?.join("inbox")).map_err(DaemonError::failed)?;
    let inbox = Arc::new(inbox);
    let setting = Setting {
        sandboxes: config.sandboxes.clone(),
        apply: config.apply_socket.clone(),
        idle: config.sandbox_idle,
        inbox: inbox.clone(),
        on_refusal: say_unavailable,
    };
    let systemd = Systemd::new(&connection).await.map_err(DaemonError::failed)?;
    let (instances, ends) = Instances::new(setting, systemd);
    let pipeline = Arc::new(Pipeline {
        tools,
        decider: Decider::new(&connection, controls).await?,
        chronicle: Chronicle::new(Recorder::new(&connection).await?, controls),
        instances,
        egress: Egress::new(&connection).await?,
        running: Running::default(),
        inflight,
        given: Given::default(),
        rate: Mutex::new(RateLimiter::new(config.calls_per_minute, config.burst, config.groups.clone())),
        switch,
        config,
        controls,
    });
    let departures = Box::pin(bus::departures(&connection).await?);
    let tools = Tools { pipeline: pipeline.clone(), inbox, connection: connection.clone() };
    connection.object_server().at(bus::TOOLS_PATH, tools).await?;
    let orphans = pipeline.instances.sweep().await;
    if orphans > 0 {
        tracing::warn!("{orphans} sandboxes of an earlier life were stopped");
    }
    settle(&pipeline, interrupted).await;
    connection.request_name(bus::TOOLS).await?;
    tokio::spawn(watch(pipeline.clone(), departures));
    tokio::spawn(evict(pipeline.clone()));
    tokio::spawn(record_ends(pipeline.clone(), ends));
    let status =
        format!("Offering {} tools; each call is decided, contained and recorded.", pipeline.tools.len());
    journal::event(journal::DAEMON_READY, Priority::Info, "toold is ready", &[("DAEMON", "toold")]);
    lifecycle.serve_until_stopped(&status, || async { pipeline.running.count() < usize::MAX }).await;
    pipeline.running.cancel_all();
    let drained = async {
        while pipeline.running.count() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(DRAIN, drained).await;
    bus::leave(&connection, bus::TOOLS).await;
    Ok(())
}

async fn watch(pipeline: Arc<Pipeline>, mut departures: impl futures_util::Stream<Item = String> + Unpin) {
    while let Some(gone) = departures.next().await {
        pipeline.running.cancel_connection(&gone);
    }
}

async fn evict(pipeline: Arc<Pipeline>) {
    let mut tick = tokio::time::interval(EVICT);
    loop {
        tick.tick().await;
        let now = Instant::now();
        pipeline.instances.evict(now).await;
        pipeline.given.forget_old(now);
        pipeline.rate.lock().unwrap_or_else(PoisonError::into_inner).forget_full(now);
    }
}

/// Says in the record what became of instances that did not end as they should.
async fn record_ends(pipeline: Arc<Pipeline>, mut ends: mpsc::UnboundedReceiver<Ended>) {
    while let Some(ended) = ends.recv().await {
        pipeline.chronicle.instance_ended(&ended).await;
    }
}

fn say_unavailable(reason: &str) {
    testudo::daemon::status(&format!("Tools are refused: {reason}"));
    journal::event(
        journal::SANDBOX_UNAVAILABLE,
        Priority::Error,
        &format!("calls cannot be contained here, so tools are refused: {reason}"),
        &[("DAEMON", "toold")],
    );
}

fn body<T: Serialize>(value: &T) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Internal(format!("cannot write the answer: {error}")))
}

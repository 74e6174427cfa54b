//! The loop of PID 1: starts services in order, hears them, restarts them, hands connections to instances, answers.
//!
//! One thread, one `poll`. What a service does next is decided in [`crate::service`]; here is only the doing.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::account::{Accounts, Identity};
use crate::bus;
use crate::child::{self, Launch};
use crate::control::{self, Answer, Request, State};
use crate::environment;
use crate::error::ApplianceError;
use crate::filesystem::LOGS;
use crate::name::of_kind;
use crate::notify::NotifySocket;
use crate::plan::Plan;
use crate::service::{Exit, Service, Step};
use crate::socket::Socket;
use crate::unit::{PathTable, Readiness, ServiceUnit};

/// A process behind one accepted connection.
pub(crate) struct Instance {
    pub(crate) pid: i32,
    pub(crate) socket: String,
    /// `RuntimeMaxSec=`, or when a stop becomes a kill.
    pub(crate) deadline: Option<Instant>,
}

/// A bus that was started and has not said its address.
struct BusStart {
    ready: OwnedFd,
    /// Where in the log its own lines begin.
    log_from: u64,
}

/// A request that is answered later.
struct Waiting {
    request: Request,
    answer_to: OwnedFd,
}

/// Everything that runs.
pub(crate) struct Supervisor {
    pub(crate) plan: Plan,
    pub(crate) accounts: Accounts,
    pub(crate) paths: PathTable,
    pub(crate) services: Vec<Service>,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) notify: NotifySocket,
    pub(crate) signals: SignalFd,
    pub(crate) control: OwnedFd,
    bus_ready: Option<BusStart>,
    pub(crate) instances: Vec<Instance>,
    waiting: Vec<Waiting>,
    /// Whom to tell when all is down; while it is set, nothing starts.
    shutdown: Option<OwnedFd>,
}

impl Supervisor {
    pub(crate) fn new(
        (plan, accounts, paths): (Plan, Accounts, PathTable),
        (services, sockets): (Vec<ServiceUnit>, Vec<Socket>),
        (notify, signals, control): (NotifySocket, SignalFd, OwnedFd),
    ) -> Self {
        let services = services.into_iter().map(Service::new).collect();
        Self {
            plan,
            accounts,
            paths,
            services,
            sockets,
            notify,
            signals,
            control,
            bus_ready: None,
            instances: Vec::new(),
            waiting: Vec::new(),
            shutdown: None,
        }
    }

    /// Runs until a shutdown is complete or the caller is gone.
    pub(crate) fn run(mut self) -> Result<(), ApplianceError> {
        loop {
            let now = Instant::now();
            self.take_due_steps(now);
            if self.shutdown.is_some() {
                self.stop_what_may(now);
                if self.services.iter().all(|service| service.pid.is_none()) && self.instances.is_empty() {
                    self.shutdown.iter().for_each(|caller| drop(control::send(caller, &Answer::Done, None)));
                    return Ok(());
                }
            } else {
                self.start_what_may(now);
            }
            self.answer_waiting();
            self.sleep()?;
            let now = Instant::now();
            while let Ok(Some(_)) = self.signals.read_signal() {}
            self.reap(now);
            self.hear(now);
            self.accept(now);
            self.trigger(now);
            if !self.obey(now) {
                return Ok(());
            }
        }
    }

    fn take_due_steps(&mut self, now: Instant) {
        for service in &mut self.services {
            if let (Some(Step::Kill(signal)), Some(pid)) = (service.step(now), service.pid) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
        for instance in &mut self.instances {
            if instance.deadline.is_some_and(|deadline| deadline <= now) {
                instance.deadline = None;
                let _ = kill(Pid::from_raw(instance.pid), Signal::SIGKILL);
            }
        }
    }

    fn start_what_may(&mut self, now: Instant) {
        let unsettled: Vec<String> =
            self.services.iter().filter(|s| !s.is_settled()).map(|s| s.unit.name.clone()).collect();
        for index in 0..self.services.len() {
            let Some(service) = self.services.get(index) else { continue };
            if service.state == State::Waiting
                && !service.unit.after.iter().any(|name| unsettled.contains(name))
            {
                let spawned = self.spawn(&service.unit.clone());
                match (self.services.get_mut(index), spawned) {
                    (Some(service), Ok(pid)) => service.spawned(pid, now),
                    (Some(service), Err(error)) => service.unstartable(error.to_string()),
                    (None, _) => {}
                }
            }
        }
    }

    /// Stops what nothing else needs any more: a unit after all that come after it, instances after their socket's users.
    fn stop_what_may(&mut self, now: Instant) {
        let up: Vec<Vec<String>> =
            self.services.iter().filter(|s| s.pid.is_some()).map(|s| s.unit.after.clone()).collect();
        let needed = |name: &String| up.iter().any(|after| after.contains(name));
        for service in self.services.iter_mut().filter(|service| !needed(&service.unit.name)) {
            // The bus has no unit that names it where a fixture does not ask for it; it still goes last.
            if service.unit.name == bus::UNIT && up.len() > 1 {
                continue;
            }
            if let (Some(Step::Kill(signal)), Some(pid)) = (service.stop(false, now), service.pid) {
                let _ = kill(Pid::from_raw(pid), signal);
            }
        }
        for socket in self.sockets.iter_mut().filter(|socket| !needed(&socket.unit.name)) {
            if socket.listening().is_none() {
                continue;
            }
            socket.close();
            for instance in self.instances.iter_mut().filter(|instance| instance.socket == socket.unit.name) {
                let _ = kill(Pid::from_raw(instance.pid), Signal::SIGTERM);
                instance.deadline = Some(now + socket.unit.template.stop_timeout);
            }
        }
    }

    fn spawn(&mut self, unit: &ServiceUnit) -> Result<i32, ApplianceError> {
        let identity = self.identity(unit)?;
        child::prepare(unit, &identity)?;
        let mut environment = environment::planned(&self.plan, unit, &identity)?;
        let given = self.plan.credentials.get(unit.short_name());
        if given.is_some() || !unit.credentials.is_empty() {
            let place = child::credentials(unit, &identity, given.into_iter().flatten())?;
            environment.insert("CREDENTIALS_DIRECTORY".to_owned(), place.to_string_lossy().into_owned());
        }
        let mut passed = Vec::new();
        let ready = if unit.readiness == Readiness::Address {
            let _ = fs::remove_file(Path::new("/run/testudo").join(bus::SOCKET));
            let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)
                .map_err(ApplianceError::system("make a pipe"))?;
            self.bus_ready =
                Some(BusStart { ready: read, log_from: log(unit)?.metadata().map_or(0, |log| log.len()) });
            Some(write)
        } else {
            None
        };
        passed.extend(ready.as_ref().map(AsFd::as_fd));
        let mut names: Vec<&str> = Vec::new();
        for socket in self.sockets.iter().filter(|socket| socket.unit.service.as_ref() == Some(&unit.name)) {
            if let Some(listener) = socket.listening() {
                passed.push(listener);
                names.push(&socket.unit.descriptor_name);
            }
        }
        let names = names.join(":");
        child::launch(&Launch {
            unit,
            identity: &identity,
            command: self.command(unit),
            environment: environment.into_iter().collect(),
            log: log(unit)?,
            passed,
            activation: (!names.is_empty()).then_some(names.as_str()),
        })
    }

    pub(crate) fn spawn_instance(
        &self,
        socket: &Socket,
        passed: BorrowedFd<'_>,
    ) -> Result<i32, ApplianceError> {
        let unit = &socket.unit.template;
        let identity = self.identity(unit)?;
        child::prepare(unit, &identity)?;
        child::launch(&Launch {
            unit,
            identity: &identity,
            command: self.command(unit),
            environment: environment::planned(&self.plan, unit, &identity)?.into_iter().collect(),
            log: log(unit)?,
            passed: vec![passed],
            activation: Some(&socket.unit.descriptor_name),
        })
    }

    fn identity(&self, unit: &ServiceUnit) -> Result<Identity, ApplianceError> {
        let mut identity = self.accounts.user(&unit.user)?;
        if let Some(group) = &unit.group {
            identity.gid = self.accounts.group(group)?;
        }
        Ok(identity)
    }

    /// The command line of a unit, with the plan's program and arguments.
    fn command(&self, unit: &ServiceUnit) -> Vec<String> {
        let mut command: Vec<String> = unit.command.iter().map(|word| self.paths.resolve(word)).collect();
        if let (Some(program), Some(other)) =
            (command.first_mut(), of_kind(&self.plan.binaries, unit.short_name()))
        {
            *program = other.to_string_lossy().into_owned();
        }
        command.extend(of_kind(&self.plan.arguments, unit.short_name()).into_iter().flatten().cloned());
        command
    }

    fn sleep(&self) -> Result<(), ApplianceError> {
        let deadlines = self.services.iter().filter_map(Service::deadline);
        let next = deadlines.chain(self.instances.iter().filter_map(|instance| instance.deadline)).min();
        // One more millisecond than the rest, which is cut to whole ones: never wake up just before.
        let limit = next.map_or(PollTimeout::NONE, |next| {
            let rest = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX)
        });
        let mut all = vec![self.signals.as_fd(), self.notify.as_fd(), self.control.as_fd()];
        all.extend(self.bus_ready.as_ref().map(|start| start.ready.as_fd()));
        // What knocks while the service runs is for the service.
        let free = |socket: &&Socket| {
            socket.unit.service.is_none() && (socket.unit.accept || !self.is_served(socket))
        };
        all.extend(self.sockets.iter().filter(free).filter_map(Socket::listening));
        let mut all: Vec<PollFd<'_>> = all.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut all, limit) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(ApplianceError::system("wait for events")(errno)),
        }
    }

    fn reap(&mut self, now: Instant) {
        loop {
            let (pid, exit) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) => (pid.as_raw(), Exit::Status(status)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), Exit::Signal(signal)),
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            // A last message may be in the queue: it counts before the end does.
            self.hear(now);
            self.instances.retain(|instance| instance.pid != pid);
            if let Some(service) = self.services.iter_mut().find(|service| service.pid == Some(pid)) {
                service.exited(exit, now);
            }
        }
    }

    fn hear(&mut self, now: Instant) {
        while let Some(message) = self.notify.receive() {
            if let Some(service) = self.services.iter_mut().find(|service| service.pid == Some(message.pid)) {
                service.notified(message.words, now);
            }
        }
        let Some(BusStart { ready, log_from }) = &self.bus_ready else { return };
        let mut readable = [PollFd::new(ready.as_fd(), PollFlags::POLLIN)];
        if !poll(&mut readable, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
            return;
        }
        let said = nix::unistd::read(ready, &mut [0; 256]).unwrap_or(0);
        let log = fs::read(Path::new(LOGS).join("dbus.log")).unwrap_or_default();
        let log =
            String::from_utf8_lossy(log.get(usize::try_from(*log_from).unwrap_or(0)..).unwrap_or_default());
        let complaint = bus::complaint(&log);
        self.bus_ready = None;
        let Some(service) = self.services.iter_mut().find(|service| service.unit.name == bus::UNIT) else {
            return;
        };
        match (complaint, service.pid) {
            // It would go on without the rules that it did not understand.
            (Some(complaint), Some(pid)) => {
                service.refuse(complaint);
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            _ if said > 0 => service.ready(now),
            _ => {}
        }
    }

    fn accept(&mut self, now: Instant) {
        let mut started = Vec::new();
        for socket in self.sockets.iter().filter(|socket| socket.unit.accept) {
            while let Some(connection) = socket.accept() {
                let name = &socket.unit.name;
                let count = self.instances.iter().chain(&started).filter(|i| i.socket == *name).count();
                if count >= socket.unit.max_connections {
                    continue;
                }
                // One connection that cannot be served is no reason to end everything: its caller hears of it.
                let pid = match self.spawn_instance(socket, connection.as_fd()) {
                    Ok(pid) => pid,
                    Err(error) => {
                        eprintln!("{name}: {error}");
                        continue;
                    }
                };
                started.push(Instance {
                    pid,
                    socket: name.clone(),
                    deadline: socket.unit.template.runtime_max.map(|most| now + most),
                });
            }
        }
        self.instances.append(&mut started);
    }

    /// Takes what the caller asks. False: the caller is gone.
    fn obey(&mut self, now: Instant) -> bool {
        loop {
            let mut readable = [PollFd::new(self.control.as_fd(), PollFlags::POLLIN)];
            if !poll(&mut readable, PollTimeout::ZERO).is_ok_and(|count| count > 0) {
                return true;
            }
            let Ok((request, Some(answer_to))) = control::receive::<Request>(&self.control) else {
                return false;
            };
            if matches!(request, Request::Shutdown) {
                self.shutdown = Some(answer_to);
                continue;
            }
            if let Some(answer) = self.answer(&request, now) {
                let _ = control::send(&answer_to, &answer, None);
            } else {
                self.waiting.push(Waiting { request, answer_to });
            }
        }
    }

    fn answer_waiting(&mut self) {
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.answer(&waiting.request, now) {
                Some(answer) => drop(control::send(&waiting.answer_to, &answer, None)),
                None => self.waiting.push(waiting),
            }
        }
    }
}

/// The log of a unit; all instances of a template share one.
fn log(unit: &ServiceUnit) -> Result<fs::File, ApplianceError> {
    let path = Path::new(LOGS).join(format!("{}.log", unit.short_name()));
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    file.map_err(|source| ApplianceError::file("open", path, source))
}

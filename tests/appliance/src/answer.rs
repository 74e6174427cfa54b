//! What the supervisor answers to its caller; nothing here waits.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::control::{Answer, Request, State};
use crate::name::is_of_kind;
use crate::service::{Service, Step};
use crate::supervisor::Supervisor;

impl Supervisor {
    fn find(&mut self, unit: &str) -> Result<&mut Service, Answer> {
        let found = self.services.iter_mut().find(|service| service.unit.short_name() == unit);
        found.ok_or_else(|| Answer::NoSuchUnit(unit.to_owned()))
    }

    /// The answer, if there is one yet.
    pub(crate) fn answer(&mut self, request: &Request, now: Instant) -> Option<Answer> {
        let result = match request {
            Request::Status => Ok(Some(Answer::Status(self.services.iter().map(Service::report).collect()))),
            Request::Signal { unit, signal } => {
                self.find(unit).map(|service| Some(deliver(service, *signal)))
            }
            Request::Stop { unit } => self.find(unit).map(|service| Some(stop(service, false, now))),
            Request::Restart { unit } => self.find(unit).map(|service| Some(stop(service, true, now))),
            Request::Start { unit } => self.find(unit).map(|service| {
                service.start();
                Some(Answer::Done)
            }),
            Request::AwaitReady { unit: Some(unit) } => self.find(unit).map(|service| readiness(service)),
            Request::AwaitReady { unit: None } => {
                let all: Vec<_> = self.services.iter().map(readiness).collect();
                let hopeless = |answer: &Option<Answer>| matches!(answer, Some(Answer::Hopeless { .. }));
                let ready = all.iter().all(Option::is_some);
                Ok(all.into_iter().find(hopeless).flatten().or(ready.then_some(Answer::Done)))
            }
            Request::AwaitRestarts { unit, at_least } => {
                self.find(unit).map(|service| (service.restarts >= *at_least).then_some(Answer::Done))
            }
            Request::AwaitStopped { unit } => {
                self.find(unit).map(|service| service.pid.is_none().then_some(Answer::Done))
            }
            Request::Instances { socket } => Ok(Some(Answer::Pids(self.instances_of(socket)))),
            Request::SignalInstances { socket, signal } => {
                let signal = Signal::try_from(*signal).unwrap_or(Signal::SIGKILL);
                for pid in self.instances_of(socket) {
                    let _ = kill(Pid::from_raw(pid), signal);
                }
                Ok(Some(Answer::Done))
            }
            Request::Shutdown => Ok(None),
        };
        result.unwrap_or_else(Some)
    }

    fn instances_of(&self, socket: &str) -> Vec<i32> {
        self.instances.iter().filter(|i| is_of_kind(&i.socket, socket)).map(|i| i.pid).collect()
    }
}

fn readiness(service: &Service) -> Option<Answer> {
    if service.is_hopeless() || service.state == State::Stopped {
        let outcome = service.outcome.clone().unwrap_or_else(|| "was stopped".to_owned());
        return Some(Answer::Hopeless { unit: service.unit.short_name().to_owned(), outcome });
    }
    (service.state == State::Ready).then_some(Answer::Done)
}

fn stop(service: &mut Service, again: bool, now: Instant) -> Answer {
    if let (Some(Step::Kill(signal)), Some(pid)) = (service.stop(again, now), service.pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
    Answer::Done
}

fn deliver(service: &mut Service, signal: i32) -> Answer {
    let (Ok(signal), Some(pid)) = (Signal::try_from(signal), service.pid) else {
        return Answer::Failed(format!("{} does not run", service.unit.short_name()));
    };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) if signal == Signal::SIGKILL => service.doomed(),
        Ok(()) => {}
        Err(errno) => return Answer::Failed(errno.to_string()),
    }
    Answer::Done
}

//! Stopping what waits for another daemon: at once here, and in order over there.
//!
//! A call on the bus is never dropped half sent. It is driven to its end by a task of its own, which also tells
//! the other daemon to stop; whoever waited for it is free at once, however long the other daemon takes.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::turn::Stop;

/// How long to wait before asking again to cancel a call that has not arrived yet.
const AGAIN: Duration = Duration::from_millis(50);

/// The end of the line at which a turn is stopped.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Stop>>);

/// The end at which it is noticed.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

/// A new line.
pub fn line() -> (Stopper, StopSignal) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), StopSignal(receiver))
}

impl Stopper {
    /// Stops the turn; the first reason counts.
    pub fn stop(&self, why: Stop) {
        self.0.send_if_modified(|stop| stop.is_none() && stop.replace(why).is_none());
    }
}

impl StopSignal {
    /// Why the turn is stopped, if it is.
    pub fn get(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits until the turn is stopped; forever if it never is.
    pub async fn raised(&self) -> Stop {
        let mut receiver = self.0.clone();
        // Bound before the match: the guard must not be held while waiting below.
        let stop = receiver.wait_for(Option::is_some).await.ok().and_then(|stop| *stop);
        match stop {
            Some(stop) => stop,
            None => std::future::pending().await,
        }
    }

    /// The result of `work`, or why it is not waited for any longer; it goes on by itself then. After the stop nothing
    /// is begun: a call's outcome may be seen a moment before the stop that ended it, and would have the model asked.
    ///
    /// # Errors
    /// The stop.
    pub async fn or<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Stop> {
        if let Some(stop) = self.get() {
            return Err(stop);
        }
        let task = tokio::spawn(work);
        tokio::select! {
            biased;
            stop = self.raised() => Err(stop),
            // A task ends without a result only when the whole daemon does.
            result = task => result.map_err(|_| Stop::Ending),
        }
    }

    /// Drives `call` to its end, and after a stop asks for it to be cancelled.
    pub async fn see_out<T, F>(&self, call: impl Future<Output = T>, cancel: impl Fn() -> F) -> T
    where
        F: Future<Output = zbus::Result<bool>>,
    {
        let cancelling = async {
            self.raised().await;
            // "No such call" may mean that the call itself is still on its way.
            while matches!(cancel().await, Ok(false)) {
                tokio::time::sleep(AGAIN).await;
            }
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            biased;
            result = call => result,
            never = cancelling => match never {},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn whoever_waits_is_free_at_once_and_the_work_goes_on() {
        let (stopper, signal) = line();
        let (begun, go_on, done) =
            (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, told, end) = (begun.clone(), go_on.clone(), done.clone());
        let work = async move {
            tell.notify_one();
            told.notified().await;
            end.notify_one();
        };
        let (result, ()) = tokio::join!(signal.or(work), async {
            begun.notified().await;
            stopper.stop(Stop::Cancelled);
            stopper.stop(Stop::Ending);
        });
        assert_eq!(result, Err(Stop::Cancelled));
        go_on.notify_one();
        done.notified().await;
    }

    #[tokio::test]
    async fn nothing_is_begun_after_a_stop() {
        let (stopper, signal) = line();
        stopper.stop(Stop::Ending);
        let (alive, work) = tokio::sync::oneshot::channel::<()>();
        assert_eq!(signal.or(work).await.map(drop), Err(Stop::Ending));
        assert!(alive.is_closed(), "the work was dropped, and not only left behind");
    }

    #[tokio::test]
    async fn a_call_that_has_not_arrived_is_cancelled_when_it_has() {
        let (stopper, signal) = line();
        stopper.stop(Stop::Cancelled);
        let (asked, cancelled) = (AtomicU32::new(0), Notify::new());
        let cancel = || async {
            let has_arrived = asked.fetch_add(1, Ordering::Relaxed) == 2;
            if has_arrived {
                cancelled.notify_one();
            }
            Ok(has_arrived)
        };
        let seen_out =
            tokio::time::timeout(Duration::from_secs(30), signal.see_out(cancelled.notified(), cancel));
        seen_out.await.expect("the call is never cancelled");
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}

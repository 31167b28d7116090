//! How a process ends: asked once it stops taking work, finishes what it has, tells peers the last of it and keeps it; asked
//! twice, or after its time, it goes. Its successor asks it, too ([`handover`](crate::handover)).
//!
//! SIGHUP does not end it: it asks for a reload.
//!
//! Pingora would sleep for a fixed grace period instead of waiting for the work, so the waiting is done here, before Pingora
//! hears of the signal.

use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long requests in progress may take to finish.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long what comes after the last request may take: the last word to peers, and a snapshot.
const FAREWELL: Duration = Duration::from_secs(30);

/// Ends a process, in two steps: first no new work is taken and what there is finishes, then the rest goes.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Sender<bool>,
    drained: watch::Sender<bool>,
    busy: tokio::sync::Mutex<mpsc::Receiver<()>>,
    last: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// Held by each part that has requests to finish; dropped when it has.
#[derive(Debug, Clone)]
pub struct Busy {
    asked: watch::Receiver<bool>,
    _part: mpsc::Sender<()>,
}

/// Held by what goes on until the last request is over, and a little longer.
#[derive(Debug)]
pub struct Last {
    asked: watch::Sender<bool>,
    drained: watch::Receiver<bool>,
    _part: mpsc::Sender<()>,
}

impl Stop {
    /// A process that nobody has asked to end, and the handles of its parts.
    pub fn new() -> (Stop, Busy, Last) {
        let (asked, heard) = watch::channel(false);
        let (drained, over) = watch::channel(false);
        let (part, busy) = mpsc::channel(1);
        let (rest, last) = mpsc::channel(1);
        let held = Last { asked: asked.clone(), drained: over, _part: rest };
        let stop = Stop { asked, drained, busy: tokio::sync::Mutex::new(busy), last: tokio::sync::Mutex::new(last) };
        (stop, Busy { asked: heard, _part: part }, held)
    }
}

impl Busy {
    /// Turns true when the process is asked to end.
    pub fn asked(&self) -> watch::Receiver<bool> {
        self.asked.clone()
    }
}

impl Last {
    /// Turns true when the process is asked to end.
    pub fn asked(&self) -> watch::Receiver<bool> {
        self.asked.subscribe()
    }

    /// Turns true when its last request is over, or was waited for long enough.
    pub fn drained(&self) -> watch::Receiver<bool> {
        self.drained.clone()
    }

    /// Asks the process to end, as a signal would.
    pub fn asker(&self) -> watch::Sender<bool> {
        self.asked.clone()
    }
}

#[async_trait]
impl ShutdownSignalWatch for Stop {
    async fn recv(&self) -> ShutdownSignal {
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            // Without signal handlers the kernel's default ends the process; there is nothing to wait for.
            return std::future::pending().await;
        };
        let mut asked = self.asked.subscribe();
        let handed_over = tokio::select! {
            () = either(&mut terminate, &mut interrupt) => false,
            _ = asked.wait_for(|asked| *asked) => true,
        };
        self.asked.send_replace(true);
        let (mut busy, mut last) = (self.busy.lock().await, self.last.lock().await);
        let finished = async {
            // None comes when every part has dropped its handle; nothing is ever sent.
            let _ = timeout(PATIENCE, busy.recv()).await;
            self.drained.send_replace(true);
            let _ = timeout(FAREWELL, last.recv()).await;
        };
        let hurried = async {
            if handed_over {
                // Of one that ends already: a first signal asks for no more.
                either(&mut terminate, &mut interrupt).await;
            }
            either(&mut terminate, &mut interrupt).await;
        };
        tokio::select! {
            () = finished => {}
            () = hurried => {}
        }
        ShutdownSignal::FastShutdown
    }
}

/// Waits until such a flag turns true, or whoever would turn it is gone.
pub(crate) async fn heard(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|is| *is).await;
}

/// Keeps SIGHUP from ending the process from now on, before there is anything to reload.
pub(crate) fn outlive_hangups() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        // The handler stays for the life of the process; where there can be none, the kernel's default goes on.
        runtime.block_on(async { drop(hangup()) });
    }
}

/// SIGHUP, which asks for a reload. From here on it no longer ends the process. None when the system gives no handler.
pub(crate) fn hangup() -> Option<Signal> {
    signal(SignalKind::hangup()).ok()
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

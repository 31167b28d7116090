//! How a process ends: asked once it stops taking work and finishes what it has; asked twice, or after its time, it goes.
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

/// Ends a process.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Sender<bool>,
    busy: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

/// Held by each part that has work to finish; dropped when it has.
#[derive(Debug, Clone)]
pub struct Busy {
    asked: watch::Receiver<bool>,
    _part: mpsc::Sender<()>,
}

impl Stop {
    /// A process that nobody has asked to end, and the first handle of its parts.
    pub fn new() -> (Stop, Busy) {
        let (asked, heard) = watch::channel(false);
        let (part, busy) = mpsc::channel(1);
        (Stop { asked, busy: tokio::sync::Mutex::new(busy) }, Busy { asked: heard, _part: part })
    }
}

impl Busy {
    /// Turns true when the process is asked to end.
    pub fn asked(&self) -> watch::Receiver<bool> {
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
        either(&mut terminate, &mut interrupt).await;
        self.asked.send_replace(true);
        let mut busy = self.busy.lock().await;
        tokio::select! {
            // None comes when every part has dropped its handle; nothing is ever sent.
            _ = timeout(PATIENCE, busy.recv()) => {}
            () = either(&mut terminate, &mut interrupt) => {}
        }
        ShutdownSignal::FastShutdown
    }
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

//! How long a client may take nothing in. Pingora bounds writes of bodies, but not of headers, nor flushes, nor a TLS goodbye.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The time since a write last made progress.
#[derive(Debug)]
pub(super) struct Stall {
    limit: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    pub(super) fn new(limit: Duration) -> Stall {
        Stall { limit, since: None, timer: None }
    }

    /// A write made progress.
    pub(super) fn over(&mut self) {
        self.since = None;
    }

    /// Called when a write has to wait: has it waited too long?
    pub(super) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let until = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_time_without_progress_counts() {
        let mut stall = Stall::new(Duration::from_secs(30));
        let start = Instant::now();
        let waited = tokio::time::timeout(Duration::from_secs(20), poll_fn(|context| stall.poll_expired(context)));
        assert!(waited.await.is_err());
        stall.over();
        poll_fn(|context| stall.poll_expired(context)).await;
        assert_eq!(start.elapsed().as_secs(), 50);
    }
}

//! What a client connection is waiting for, and until when.
//!
//! Pingora bounds each read, so one byte a minute holds a connection for ever, and a connection between two requests has no
//! bound at all. Here every connection is in one of three phases, each with a deadline of its own: *idle* (between requests),
//! *head* (from the first byte of a request to the end of its header) and *busy* (everything after). The stream moves from idle
//! to head by itself; the proxy's hooks say when a head is complete and when a request is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;

/// The deadlines of one connection.
#[derive(Debug)]
pub(super) struct Deadline {
    phase: AtomicU8,
    /// The phase that `until` and `received` belong to.
    seen: u8,
    until: Option<Instant>,
    /// Bytes of the current head.
    received: usize,
    timer: Option<Pin<Box<Sleep>>>,
    limits: Limits,
}

/// How long each phase may last, and how much it may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) idle: Duration,
    pub(super) head: Duration,
    /// Bytes of one request header.
    pub(super) head_max: usize,
    /// How long a write may make no progress.
    pub(super) write: Duration,
}

/// Why a read was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Nothing came between requests.
    Idle,
    /// A header was not complete in time.
    Head,
    /// A header was larger than allowed.
    HeadSize,
}

impl Deadline {
    pub(super) fn new(limits: Limits) -> Deadline {
        let until = Some(Instant::now() + limits.idle);
        Deadline { phase: AtomicU8::new(IDLE), seen: IDLE, until, received: 0, timer: None, limits }
    }

    /// The request's header is complete.
    pub(super) fn head_complete(&self) {
        self.phase.store(BUSY, Ordering::Relaxed);
    }

    /// The request is answered.
    pub(super) fn request_over(&self) {
        self.phase.store(IDLE, Ordering::Relaxed);
    }

    /// Called before a read that would wait: is the time over?
    pub(super) fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<Expired> {
        self.settle();
        let Some(until) = self.until else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        // The timer is moved only when it rings early: most deadlines are replaced long before they are due.
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= until {
                return Poll::Ready(if self.seen == HEAD { Expired::Head } else { Expired::Idle });
            }
            timer.as_mut().reset(until);
        }
        if timer.deadline() > until {
            timer.as_mut().reset(until);
            return self.poll_expired(context);
        }
        Poll::Pending
    }

    /// Called after a read brought bytes.
    pub(super) fn received(&mut self, bytes: usize) -> Result<(), Expired> {
        self.settle();
        if self.seen == IDLE && bytes > 0 {
            // The hooks may only move a connection out of `HEAD`, so this store cannot undo one of theirs.
            self.phase.store(HEAD, Ordering::Relaxed);
            self.settle();
        }
        if self.seen == HEAD {
            self.received = self.received.saturating_add(bytes);
            if self.received > self.limits.head_max {
                return Err(Expired::HeadSize);
            }
        }
        Ok(())
    }

    /// Takes notice of a phase that the hooks, or a read, have changed.
    fn settle(&mut self) {
        let phase = self.phase.load(Ordering::Relaxed);
        if phase == self.seen {
            return;
        }
        self.seen = phase;
        self.received = 0;
        self.until = match phase {
            IDLE => Some(Instant::now() + self.limits.idle),
            HEAD => Some(Instant::now() + self.limits.head),
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    fn limits() -> Limits {
        Limits {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            head_max: 1000,
            write: Duration::from_secs(30),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_sent_byte_by_byte_ends_at_its_own_deadline() {
        let mut deadline = Deadline::new(limits());
        let start = Instant::now();
        deadline.received(1).unwrap();
        for _ in 0..9 {
            tokio::time::advance(Duration::from_secs(1)).await;
            deadline.received(1).unwrap();
        }
        assert_eq!(poll_fn(|context| deadline.poll_expired(context)).await, Expired::Head);
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_ends_after_the_idle_time() {
        let mut deadline = Deadline::new(limits());
        deadline.received(10).unwrap();
        deadline.head_complete();
        deadline.received(10).unwrap();
        deadline.request_over();
        let start = Instant::now();
        assert_eq!(poll_fn(|context| deadline.poll_expired(context)).await, Expired::Idle);
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_in_progress_has_no_deadline_here() {
        let mut deadline = Deadline::new(limits());
        deadline.received(10).unwrap();
        deadline.head_complete();
        let waited = tokio::time::timeout(Duration::from_secs(3600), poll_fn(|context| deadline.poll_expired(context)));
        assert!(waited.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_has_a_largest_size() {
        let mut deadline = Deadline::new(limits());
        deadline.received(1000).unwrap();
        assert_eq!(deadline.received(1), Err(Expired::HeadSize));
    }
}

//! Live lines: every request that is over is shown to those whose filter it passes.
//!
//! A filter is asked on the request's own thread, since only there the request still is; what goes to the reader is the finished
//! line, made once for all. Each reader has a bounded queue: when it is full the line is lost to that reader and counted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use selvedge_filters::rule::Program;
use serde::Serialize;
use tokio::sync::mpsc;

use super::filter::Filter;

/// Tails at the same time, those of other POPs included.
pub const TAILS_MAX: usize = 16;

/// Lines that may wait for one reader.
pub const QUEUE: usize = 1024;

/// A tail cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TailError {
    /// There are [`TAILS_MAX`] already.
    #[error("{TAILS_MAX} tails are open at this POP already")]
    TooMany,
}

/// Those who tail.
#[derive(Debug)]
pub struct Hub<P> {
    /// How many there are: all that a request looks at while there is none.
    count: AtomicUsize,
    readers: ArcSwap<Vec<Arc<Reader<P>>>>,
    /// Held while the list of readers is changed.
    turn: Mutex<()>,
    /// Lines lost to any reader, ever.
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Reader<P> {
    /// Everything passes when there is none.
    filter: Option<Filter<P>>,
    lines: mpsc::Sender<Bytes>,
    dropped: AtomicU64,
    /// Why there is nothing more to come.
    ended: Mutex<Option<String>>,
}

/// What a reader did not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missed {
    /// So many lines, since it reads too slowly or since the config changed in that moment.
    Lines(u64),
    /// Everything from here on, and why.
    Rest(String),
}

/// One who tails; over when dropped.
#[derive(Debug)]
pub struct Tail<P> {
    hub: Arc<Hub<P>>,
    reader: Arc<Reader<P>>,
    lines: mpsc::Receiver<Bytes>,
}

impl<P> Default for Hub<P> {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            readers: ArcSwap::default(),
            turn: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }
}

impl<P> Hub<P> {
    /// Begins a tail of what passes the filter.
    ///
    /// # Errors
    /// [`TailError::TooMany`].
    pub fn tail(self: &Arc<Self>, filter: Option<Filter<P>>) -> Result<Tail<P>, TailError> {
        let (near, far) = mpsc::channel(QUEUE);
        let reader = Arc::new(Reader { filter, lines: near, dropped: AtomicU64::new(0), ended: Mutex::new(None) });
        let _turn = lock(&self.turn);
        let mut readers = Vec::clone(&self.readers.load());
        if readers.len() >= TAILS_MAX {
            return Err(TailError::TooMany);
        }
        readers.push(Arc::clone(&reader));
        self.set(readers);
        Ok(Tail { hub: Arc::clone(self), reader, lines: far })
    }

    /// Whether anybody tails.
    pub fn is_tailed(&self) -> bool {
        self.tails() > 0
    }

    /// How many tail.
    pub fn tails(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Lines that were lost to those who tail, ever.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Shows a request that is over to all whose filter it passes. `plan` is what served it; `holds` asks an expression about it.
    pub fn tell(&self, line: &impl Serialize, plan: &Arc<P>, holds: impl Fn(&Program) -> bool) {
        let mut made: Option<Bytes> = None;
        for reader in self.readers.load().iter() {
            match reader.filter.as_ref().map(|filter| filter.passes(plan, &holds)) {
                None | Some(Some(true)) => {}
                Some(Some(false)) => continue,
                Some(None) => {
                    self.lost(reader);
                    continue;
                }
            }
            let Some(line) = made.clone().or_else(|| json(line)) else { return };
            made = Some(line.clone());
            if reader.lines.try_send(line).is_err() {
                self.lost(reader);
            }
        }
    }

    fn lost(&self, reader: &Reader<P>) {
        reader.dropped.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Reads all filters anew with the names of the plan that is now in force. A tail whose filter cannot be is over.
    pub fn renew(&self, renew: impl Fn(&Filter<P>) -> Result<(), String>) {
        for reader in self.readers.load().iter() {
            if let Some(Err(cause)) = reader.filter.as_ref().map(&renew) {
                *lock(&reader.ended) = Some(cause);
                // Wakes the reader; one whose queue is full is awake.
                let _ = reader.lines.try_send(Bytes::new());
                self.remove(reader);
            }
        }
    }

    fn remove(&self, reader: &Arc<Reader<P>>) {
        let _turn = lock(&self.turn);
        let mut readers = Vec::clone(&self.readers.load());
        readers.retain(|held| !Arc::ptr_eq(held, reader));
        self.set(readers);
    }

    fn set(&self, readers: Vec<Arc<Reader<P>>>) {
        self.count.store(readers.len(), Ordering::Relaxed);
        self.readers.store(Arc::new(readers));
    }
}

impl<P> Tail<P> {
    /// The filter, to be read anew should the config have changed while the tail began.
    pub fn filter(&self) -> Option<&Filter<P>> {
        self.reader.filter.as_ref()
    }

    /// The next line, JSON with a line feed; empty when there may be something [`Missed`].
    pub async fn next(&mut self) -> Bytes {
        match self.lines.recv().await {
            Some(line) => line,
            // Never: the reader that is held here has the other end.
            None => std::future::pending().await,
        }
    }

    /// What was missed since it was asked last.
    pub fn missed(&self) -> Option<Missed> {
        if let Some(cause) = lock(&self.reader.ended).take() {
            return Some(Missed::Rest(cause));
        }
        match self.reader.dropped.swap(0, Ordering::Relaxed) {
            0 => None,
            lines => Some(Missed::Lines(lines)),
        }
    }
}

impl<P> Drop for Tail<P> {
    fn drop(&mut self) {
        self.hub.remove(&self.reader);
    }
}

fn json(line: &impl Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(line).ok()?;
    text.push(b'\n');
    Some(text.into())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use selvedge_conf::expr::{Setting, parse};

    use super::*;

    fn program(text: &str) -> Program {
        Program::compile(&parse(text, &Setting::bare()).unwrap())
    }

    fn filter(plan: &Arc<u8>) -> Option<Filter<u8>> {
        Some(Filter::new("true".to_owned(), plan, program("true")))
    }

    async fn text<P>(tail: &mut Tail<P>) -> String {
        String::from_utf8(tail.next().await.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_reader_gets_what_passes_its_filter_and_leaves_nothing_behind() {
        let (hub, plan) = (Arc::new(Hub::default()), Arc::new(1));
        assert!(!hub.is_tailed());
        let (mut all, mut few) = (hub.tail(None).unwrap(), hub.tail(filter(&plan)).unwrap());
        assert!(hub.is_tailed());
        hub.tell(&1, &plan, |_| false);
        hub.tell(&2, &plan, |_| true);
        assert_eq!((text(&mut all).await, text(&mut all).await), ("1\n".to_owned(), "2\n".to_owned()));
        assert_eq!(text(&mut few).await, "2\n");
        drop((all, few));
        assert!(!hub.is_tailed());
    }

    #[tokio::test]
    async fn a_slow_reader_loses_lines_and_is_told_how_many() {
        let (hub, plan) = (Arc::new(Hub::default()), Arc::new(1));
        let mut tail = hub.tail(None).unwrap();
        for line in 0..QUEUE + 7 {
            hub.tell(&line, &plan, |_| true);
        }
        assert_eq!(tail.missed(), Some(Missed::Lines(7)));
        assert_eq!((tail.missed(), hub.dropped()), (None, 7));
        for line in 0..QUEUE {
            assert_eq!(text(&mut tail).await, format!("{line}\n"));
        }
    }

    #[test]
    fn there_are_so_many_tails() {
        let hub: Arc<Hub<u8>> = Arc::default();
        let mut held: Vec<_> = (0..TAILS_MAX).map(|_| hub.tail(None).unwrap()).collect();
        assert_eq!(hub.tail(None).unwrap_err(), TailError::TooMany);
        held.pop();
        hub.tail(None).unwrap();
    }

    #[tokio::test]
    async fn a_reload_reads_the_filter_anew_and_requests_of_the_plan_before_still_pass() {
        let (hub, old, new) = (Arc::new(Hub::default()), Arc::new(1), Arc::new(2));
        let mut tail = hub.tail(filter(&old)).unwrap();
        // Between the exchange of the plan and the new reading nobody can say whether a request passes.
        hub.tell(&1, &new, |_| true);
        assert_eq!(tail.missed(), Some(Missed::Lines(1)));
        hub.renew(|filter| {
            assert_eq!(filter.text(), "true");
            filter.renew(&new, program("true"));
            Ok(())
        });
        assert!(tail.filter().unwrap().is_of(&new));
        hub.tell(&2, &old, |_| true);
        hub.tell(&3, &new, |_| true);
        assert_eq!((text(&mut tail).await, text(&mut tail).await), ("2\n".to_owned(), "3\n".to_owned()));
    }

    #[tokio::test]
    async fn a_filter_that_another_config_does_not_understand_ends_the_tail_and_says_why() {
        let (hub, plan) = (Arc::new(Hub::default()), Arc::new(1));
        let mut tail = hub.tail(filter(&plan)).unwrap();
        hub.renew(|_| Err("no such list".to_owned()));
        assert!(!hub.is_tailed());
        assert_eq!(text(&mut tail).await, "", "it is woken");
        assert_eq!(tail.missed(), Some(Missed::Rest("no such list".to_owned())));
    }
}

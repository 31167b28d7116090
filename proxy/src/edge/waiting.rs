//! Requests that wait for room under a limit (`over = { delay = ... }`): each for its own time, and not too many at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Requests that may wait at once.
const WAITING_MAX: usize = 10_000;
/// A wait is longer by one in so many parts at most, so that requests do not come together.
const JITTER: f64 = 10.0;

/// How many wait.
#[derive(Debug, Default)]
pub struct Waiting(AtomicUsize);

/// Whether a request has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Done,
    /// Too many wait already.
    Crowded,
}

/// One that waits; counted until it is dropped.
struct Place<'w>(&'w Waiting);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    fn enter(&self) -> Option<Place<'_>> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        let place = Place(self);
        (before < WAITING_MAX).then_some(place)
    }

    /// Waits at least so long.
    pub(super) async fn wait(&self, length: Duration) -> Waited {
        let Some(_place) = self.enter() else { return Waited::Crowded };
        tokio::time::sleep(length + length.mul_f64(fastrand::f64() / JITTER)).await;
        Waited::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_too_many_wait_at_once() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (0..WAITING_MAX).map(|_| waiting.enter().unwrap()).collect();
        assert!(waiting.enter().is_none());
        assert!(waiting.enter().is_none());
        places.pop();
        assert!(waiting.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_exact_but_for_a_tenth() {
        let waiting = Waiting::default();
        for _ in 0..100 {
            let began = tokio::time::Instant::now();
            assert_eq!(waiting.wait(Duration::from_secs(2)).await, Waited::Done);
            let took = began.elapsed();
            // The clock of tokio's timers has steps of a millisecond.
            assert!((Duration::from_millis(2000)..=Duration::from_millis(2201)).contains(&took), "{took:?}");
        }
    }
}

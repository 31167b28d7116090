//! Requests that wait for room under a limit (`over = { delay = ... }`): each for its own time, and not too many at once:
//! whether there is room for one more is asked before it is decided about, so that one that is refused takes no place in a queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Requests that may wait at once; beside them those that other threads have decided about since.
const WAITING_MAX: usize = 10_000;
/// A wait is longer by one in so many parts at most, so that requests do not come together.
const JITTER: f64 = 10.0;

/// How many wait.
#[derive(Debug, Default)]
pub struct Waiting(AtomicUsize);

/// One that waits; counted until it is dropped.
struct Place<'w>(&'w Waiting);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Whether one more may wait.
    pub(super) fn has_room(&self) -> bool {
        self.0.load(Ordering::Relaxed) < WAITING_MAX
    }

    fn enter(&self) -> Place<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Place(self)
    }

    /// Waits at least so long; or until there is nobody to wait for any more, and says how that came.
    pub(super) async fn wait<L>(&self, length: Duration, left: impl Future<Output = L>) -> Result<(), L> {
        let _place = self.enter();
        tokio::select! {
            biased;
            () = tokio::time::sleep(length + length.mul_f64(fastrand::f64() / JITTER)) => Ok(()),
            left = left => Err(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_too_many_wait_at_once() {
        let waiting = Waiting::default();
        let mut places: Vec<_> = (1..WAITING_MAX).map(|_| waiting.enter()).collect();
        assert!(waiting.has_room());
        places.push(waiting.enter());
        assert!(!waiting.has_room());
        places.pop();
        assert!(waiting.has_room());
    }

    /// Its client leaves, or it ends in a panic.
    #[tokio::test(start_paused = true)]
    async fn one_that_waits_no_longer_has_no_place() {
        let waiting = Waiting::default();
        let _others: Vec<_> = (1..WAITING_MAX).map(|_| waiting.enter()).collect();
        let leaves = async {
            tokio::task::yield_now().await;
            assert!(!waiting.has_room());
            "left"
        };
        assert_eq!(waiting.wait(Duration::from_secs(2), leaves).await, Err("left"));
        assert!(waiting.has_room());
        assert_eq!(waiting.wait(Duration::from_secs(2), std::future::pending::<()>()).await, Ok(()));
    }

    /// How long so many waits of ten seconds take beyond that, ms, in turn.
    async fn beyond(seed: u64, count: usize) -> Vec<u128> {
        fastrand::seed(seed);
        let (waiting, mut all) = (Waiting::default(), Vec::new());
        for _ in 0..count {
            let began = tokio::time::Instant::now();
            waiting.wait(Duration::from_secs(10), std::future::pending::<()>()).await.unwrap();
            all.push(began.elapsed().as_millis() - 10_000);
        }
        all
    }

    /// Those that were told to wait for as long do not come together: they are spread evenly over a tenth more.
    #[tokio::test(start_paused = true)]
    async fn waits_are_spread_over_a_tenth() {
        let all = beyond(7, 1_000).await;
        assert!(all.iter().all(|more| *more <= 1_001), "{all:?}");
        for tenth in 0..10 {
            let count = all.iter().filter(|more| **more / 100 == tenth).count();
            assert!((60..=140).contains(&count), "{count} in the tenth {tenth}");
        }
        let next: Vec<_> = all.windows(2).map(|pair| pair[0].abs_diff(pair[1])).collect();
        assert!(next.iter().filter(|apart| **apart < 10).count() < 50, "one is not near the next one");
        let again = |other: &[u128]| other.iter().zip(&all).all(|(one, other)| one.abs_diff(*other) <= 1);
        assert!(again(&beyond(7, 10).await), "by the seed alone, but for a step of the clock");
        assert!(!again(&beyond(8, 10).await));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_exact_but_for_a_tenth() {
        let waiting = Waiting::default();
        for _ in 0..100 {
            let began = tokio::time::Instant::now();
            waiting.wait(Duration::from_secs(2), std::future::pending::<()>()).await.unwrap();
            let took = began.elapsed();
            // The clock of tokio's timers has steps of a millisecond.
            assert!((Duration::from_millis(2000)..=Duration::from_millis(2201)).contains(&took), "{took:?}");
        }
    }
}

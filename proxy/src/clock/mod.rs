//! Node time: the wall clock read at start, then carried by the monotonic clock and brought after the wall clock, half a
//! millisecond a second at most ([`slew`]). A step of the wall clock (an operator, a bad NTP answer, a machine that slept)
//! therefore expires nothing and revives nothing; only a new process re-anchors.

mod slew;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use selvedge_state::Time;

use self::slew::Slew;

/// Between two looks at the wall clock, microseconds.
const LOOK: u64 = 1_000_000;

/// The node's clock. Clones are one clock, so all of them agree.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: Instant,
    slew: ArcSwap<Slew>,
    /// Held by whoever looks at the wall clock.
    looking: Mutex<()>,
    /// The latest time that was told, ms: a thread that was held up between reading and telling must not go back behind it.
    told: AtomicU64,
}

impl Clock {
    /// Anchors node time to the wall clock as it is now. A wall clock before 1970 anchors at 0.
    pub fn start() -> Self {
        let slew = ArcSwap::from_pointee(Slew::anchor(0, wall()));
        Self(Arc::new(Shared { started: Instant::now(), slew, looking: Mutex::new(()), told: AtomicU64::new(0) }))
    }

    /// Node time in milliseconds since the Unix epoch; never goes back, in whatever thread.
    pub fn now(&self) -> Time {
        let mono = micros(self.0.started.elapsed());
        if self.0.slew.load().elapsed(mono) >= LOOK {
            self.look();
        }
        let now = self.0.slew.load().at(mono) / 1000;
        let told = self.0.told.load(Ordering::Relaxed);
        // Written once a millisecond, so that threads share the cache line.
        Time(if now > told { self.0.told.fetch_max(now, Ordering::Relaxed).max(now) } else { told })
    }

    /// How far the wall clock is ahead of node time, as far as is known, ms.
    pub fn wall_ahead_ms(&self) -> i64 {
        self.0.slew.load().off(micros(self.0.started.elapsed())) / 1000
    }

    /// Looks at the wall clock, unless another thread does.
    fn look(&self) {
        let Ok(_looking) = self.0.looking.try_lock() else { return };
        let mono = micros(self.0.started.elapsed());
        let slew = self.0.slew.load();
        if slew.elapsed(mono) >= LOOK {
            self.0.slew.store(Arc::new(slew.look(mono, wall())));
        }
    }
}

fn wall() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_agree_and_time_never_goes_back() {
        let clock = Clock::start();
        let latest = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let clone = clock.clone();
                    for _ in 0..10_000 {
                        let before = latest.load(Ordering::SeqCst);
                        let now = clone.now().0;
                        assert!(now >= before, "{now} after {before}");
                        latest.fetch_max(now, Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn the_anchor_is_the_wall_clock() {
        let before = wall() / 1000;
        let clock = Clock::start();
        let now = clock.now().0;
        assert!(now >= before, "node time {now} began before the wall clock {before}");
        assert_eq!(clock.wall_ahead_ms(), 0);
    }
}

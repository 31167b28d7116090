//! Node time: the wall clock read once at start, then carried by the monotonic clock. A step of the wall clock
//! (an operator, a bad NTP answer) therefore expires nothing and revives nothing; only a restart re-anchors.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use selvedge_state::Time;

/// The node's clock. Copies share the anchor, so all of them agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Time,
    started: Instant,
}

impl Clock {
    /// Anchors node time to the wall clock as it is now. A wall clock before 1970 anchors at 0.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor: Time(millis(wall)), started: Instant::now() }
    }

    /// Node time in milliseconds since the Unix epoch; never goes back.
    pub fn now(&self) -> Time {
        Time(self.anchor.0.saturating_add(millis(self.started.elapsed())))
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_agree_and_time_never_goes_back() {
        let clock = Clock::start();
        let copy = clock;
        let mut last = clock.now();
        for _ in 0..1000 {
            let next = copy.now();
            assert!(next.0 >= last.0);
            last = next;
        }
    }

    #[test]
    fn the_anchor_is_the_wall_clock() {
        let before = millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        let now = Clock::start().now().0;
        assert!(now >= before, "node time {now} began before the wall clock {before}");
    }
}

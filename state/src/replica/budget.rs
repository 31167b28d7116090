//! What a peer may do wrong. A frame that cannot be read, or that says what its sender may not say, costs that frame; a peer that sends many of
//! them is ended, and not listened to for a while, longer each time. Its state, and that of everybody else, stays as it is.

use crate::time::Time;

/// Bad frames that are borne within [`SPAN`].
pub(super) const FRAMES_MAX: u32 = 64;

/// Bad frames are forgotten after this time, ms.
const SPAN: u64 = 60_000;

/// The first time that a peer is not listened to, ms; each further one takes twice as long.
const BARRED_FIRST: u64 = 10_000;

/// The longest, ms.
const BARRED_LONGEST: u64 = 600_000;

/// How a peer behaved lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Budget {
    since: Time,
    frames: u32,
    barred_until: Time,
    /// How long it was barred the last time, ms.
    barred_for: u64,
}

impl Budget {
    /// A bad frame came; says for how many ms the peer is barred, if it was one too many.
    pub(super) fn spend(&mut self, now: Time) -> Option<u64> {
        if now >= self.since.plus(SPAN) {
            (self.since, self.frames) = (now, 0);
        }
        self.frames += 1;
        if self.frames <= FRAMES_MAX {
            return None;
        }
        let good = now >= self.barred_until.plus(BARRED_LONGEST);
        self.barred_for = if good { BARRED_FIRST } else { (self.barred_for * 2).clamp(BARRED_FIRST, BARRED_LONGEST) };
        self.barred_until = now.plus(self.barred_for);
        self.frames = 0;
        Some(self.barred_for)
    }

    /// For how many ms it is barred yet.
    pub(super) fn barred(&self, now: Time) -> Option<u64> {
        (now < self.barred_until).then(|| self.barred_until.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(budget: &mut Budget, frames: u32, now: Time) -> Option<u64> {
        (0..frames).filter_map(|_| budget.spend(now)).last()
    }

    #[test]
    fn few_are_borne_and_forgotten() {
        let mut budget = Budget::default();
        assert_eq!(spend(&mut budget, FRAMES_MAX, Time(100_000)), None);
        assert_eq!(spend(&mut budget, FRAMES_MAX, Time(160_000)), None);
        assert_eq!(budget.barred(Time(160_000)), None);
    }

    #[test]
    fn many_bar_for_longer_each_time() {
        let (mut budget, mut now, mut waits) = (Budget::default(), Time(1_000_000), Vec::new());
        for _ in 0..9 {
            let wait = spend(&mut budget, FRAMES_MAX + 1, now).expect("it is barred");
            assert_eq!((budget.barred(now.plus(wait - 1)), budget.barred(now.plus(wait))), (Some(1), None));
            waits.push(wait);
            now = now.plus(wait);
        }
        assert_eq!(waits[..3], [10_000, 20_000, 40_000]);
        assert_eq!(waits[7..], [BARRED_LONGEST; 2]);
        now = now.plus(BARRED_LONGEST);
        assert_eq!(spend(&mut budget, FRAMES_MAX + 1, now), Some(BARRED_FIRST), "it was good for long");
    }
}

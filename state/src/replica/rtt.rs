//! Round trips, by echoed times: how long they take, and how far the other clock is ahead. The worst of the last few is what timeouts
//! and bounds should reckon with; the quickest tells most of the other clock (RFC 5905 sections 8 and 10).

/// Round trips that are remembered.
const ROUNDS: usize = 16;

/// By so much two clocks that are read in whole milliseconds may say that a frame was away less long than it was held.
const ROUNDING: u64 = 2;

/// The four instants of a round trip, ms: two by this node's clock, two by the other's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// When a frame left here.
    pub(super) left: u64,
    /// When it came there, by the clock there.
    pub(super) came: u64,
    /// When the answer left there.
    pub(super) answered: u64,
    /// When that came here.
    pub(super) back: u64,
}

/// How far another clock is ahead of this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    pub(super) ahead_ms: i64,
    /// It is that within so much to either side, ms: what a frame took longer one way than the other.
    pub(super) within_ms: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Round {
    ms: u64,
    ahead_ms: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    rounds: [Round; ROUNDS],
    /// Round trips that were taken. The newest ones are kept, each in the place of the one that is over.
    taken: usize,
    worst: Option<u64>,
    quickest: Option<Round>,
}

impl Times {
    /// `None` when an answer was held longer than the frame was away, which no peer that keeps the rules says.
    fn round(self) -> Option<Round> {
        let Times { left, came, answered, back } = self;
        let (away, held) = (back.checked_sub(left)?, answered.checked_sub(came)?);
        if held > away.saturating_add(ROUNDING) {
            return None;
        }
        let ahead = |there: u64, here: u64| i128::from(there) - i128::from(here);
        let ahead_ms = i64::try_from((ahead(came, left) + ahead(answered, back)) / 2).unwrap_or(i64::MAX);
        Some(Round { ms: away.saturating_sub(held), ahead_ms })
    }
}

impl Rtt {
    pub(super) fn take(&mut self, times: Times) {
        let Some(round) = times.round() else { return };
        if let Some(place) = self.rounds.get_mut(self.taken % ROUNDS) {
            *place = round;
        }
        self.taken += 1;
        // Both are asked for at each frame.
        let rounds = self.rounds.iter().take(self.taken);
        self.worst = rounds.clone().map(|round| round.ms).max();
        self.quickest = rounds.min_by_key(|round| round.ms).copied();
    }

    pub(super) fn worst(&self) -> Option<u64> {
        self.worst
    }

    /// By the quickest of the last few round trips.
    pub(super) fn offset(&self) -> Option<Offset> {
        let quickest = self.quickest?;
        Some(Offset { ahead_ms: quickest.ahead_ms, within_ms: quickest.ms.div_ceil(2).saturating_add(1) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offset(rounds: &[(u64, u64, u64, i64)]) -> Offset {
        let mut rtt = Rtt::default();
        for (there, held, back, ahead) in rounds {
            let left = 1_800_000_000_000;
            let came = (left + there).saturating_add_signed(*ahead);
            rtt.take(Times { left, came, answered: came + held, back: left + there + held + back });
        }
        rtt.offset().unwrap()
    }

    #[test]
    fn an_even_way_tells_the_offset_exactly_however_long_the_answer_was_held() {
        assert_eq!(offset(&[(40, 0, 40, 700)]), Offset { ahead_ms: 700, within_ms: 41 });
        assert_eq!(offset(&[(40, 4_000, 40, -700)]), Offset { ahead_ms: -700, within_ms: 41 });
    }

    #[test]
    fn the_quickest_of_the_last_few_counts() {
        let slow = (900, 5, 40, 0);
        assert_eq!(offset(&[slow, (3, 5, 3, 0), slow]), Offset { ahead_ms: 0, within_ms: 4 });
        let forgotten = [&[(3, 5, 3, 0)], &[slow; ROUNDS][..]].concat();
        assert_eq!(offset(&forgotten), Offset { ahead_ms: 430, within_ms: 471 });
    }

    #[test]
    fn nonsense_is_survived() {
        let round = |came, answered, back| Times { left: 5, came, answered, back }.round().is_some();
        assert!(!round(0, u64::MAX, 9), "held longer than it was away");
        assert!(!round(9, 8, 9) && !round(0, 0, 4), "answered before it came");
        assert!(round(0, 6, 9) && !round(0, 7, 9));
        assert!(round(u64::MAX, u64::MAX, 9) && round(0, u64::MAX - 4, u64::MAX));
    }

    proptest! {
        /// Whatever the ways take, the true offset is within the bound that is told.
        #[test]
        fn the_bound_holds(
            rounds in prop::collection::vec((0..3_000_u64, 0..5_000_u64, 0..3_000_u64), 1..40),
            ahead in -10_000_000..10_000_000_i64,
        ) {
            let rounds: Vec<_> = rounds.into_iter().map(|(there, held, back)| (there, held, back, ahead)).collect();
            let Offset { ahead_ms, within_ms } = offset(&rounds);
            prop_assert!(ahead_ms.abs_diff(ahead) <= within_ms, "{ahead_ms} +- {within_ms}, is {ahead}");
        }
    }
}

//! Round trips, by echoed times. The worst of the last few is what timeouts and bounds should reckon with.

/// Round trips that are remembered.
const ROUNDS: usize = 16;

#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    rounds: [Option<u64>; ROUNDS],
    next: usize,
}

impl Rtt {
    pub(super) fn take(&mut self, ms: u64) {
        if let Some(place) = self.rounds.get_mut(self.next % ROUNDS) {
            *place = Some(ms);
        }
        self.next = (self.next + 1) % ROUNDS;
    }

    pub(super) fn worst(&self) -> Option<u64> {
        self.rounds.iter().flatten().copied().max()
    }
}

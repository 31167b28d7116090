//! The cells of one row: two rings of eight counts. Which slots they stand for is told by the counter's head, the same for
//! all its rows, so a cell needs no tag of its own.

/// Slots in a ring.
pub(crate) const SLOTS: u64 = 8;

/// The counts of one row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) fine: Ring,
    pub(crate) coarse: Ring,
}

impl Cells {
    pub(crate) fn is_empty(&self) -> bool {
        self.fine.is_empty() && self.coarse.is_empty()
    }
}

/// Eight counts; slot `k` is at `k` modulo 8. Counts saturate: a cell that reached `u32::MAX` stays there until its slot is
/// over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ring([u32; SLOTS as usize]);

impl Ring {
    pub(crate) fn get(&self, slot: u64) -> u32 {
        self.0.get((slot % SLOTS) as usize).copied().unwrap_or_default()
    }

    fn at(&mut self, slot: u64, change: impl FnOnce(u32) -> u32) {
        if let Some(count) = self.0.get_mut((slot % SLOTS) as usize) {
            *count = change(*count);
        }
    }

    pub(crate) fn add(&mut self, slot: u64, n: u32) {
        self.at(slot, |count| count.saturating_add(n));
    }

    /// Takes the greater count; says by how much it rose.
    pub(crate) fn raise(&mut self, slot: u64, to: u32) -> u32 {
        let raised = to.saturating_sub(self.get(slot));
        self.add(slot, raised);
        raised
    }

    /// Empties the cells of the slots after `from` up to `to`, which are new in the ring.
    pub(crate) fn advance(&mut self, from: u64, to: u64) {
        for slot in from.saturating_add(1).max(to.saturating_sub(SLOTS - 1))..=to {
            self.at(slot, |_| 0);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

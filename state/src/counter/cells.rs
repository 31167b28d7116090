//! The cells of one row: two rings of eight counts. Which slots they stand for is told by the counter's head, the same for
//! all its rows, so a cell needs no tag of its own.
//!
//! Nearly all rows count less than 65,536 in any slot, so sixteen small counts are kept where the row is; a row that counts more
//! moves to large ones, elsewhere, and back when its large counts are over.

/// Slots in a ring.
pub(crate) const SLOTS: u64 = 8;

/// Cells of a row: those of the fine ring, then those of the coarse one.
const CELLS: usize = 2 * SLOTS as usize;

/// Counts below 65,536.
pub(super) type Small = [u16; CELLS];

/// Any counts.
pub(super) type Large = [u64; CELLS];

/// One of the two rings of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    /// The slots that time arrivals.
    Fine,
    /// The slots that remember.
    Coarse,
}

impl Ring {
    /// Where the count of a slot is; slot `k` is at `k` modulo 8.
    fn at(self, slot: u64) -> usize {
        let place = (slot % SLOTS) as usize;
        match self {
            Ring::Fine => place,
            Ring::Coarse => place + SLOTS as usize,
        }
    }
}

/// The counts of one row, wherever they are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counts<'a> {
    Small(&'a Small),
    Large(&'a Large),
}

impl Counts<'_> {
    #[inline]
    pub(crate) fn get(self, ring: Ring, slot: u64) -> u64 {
        match self {
            Counts::Small(counts) => counts.get(ring.at(slot)).map_or(0, |count| u64::from(*count)),
            Counts::Large(counts) => counts.get(ring.at(slot)).copied().unwrap_or_default(),
        }
    }

    pub(crate) fn is_empty(self) -> bool {
        match self {
            Counts::Small(counts) => counts.iter().all(|count| *count == 0),
            Counts::Large(counts) => counts.iter().all(|count| *count == 0),
        }
    }
}

/// The counts of one row: small ones in `small`, unless there are large ones. Counts saturate: a cell that reached `u64::MAX`
/// stays there until its slot is over.
#[derive(Debug)]
pub(super) struct CellsMut<'a> {
    pub(super) small: &'a mut Small,
    pub(super) large: &'a mut Option<Box<Large>>,
}

impl CellsMut<'_> {
    pub(super) fn counts(&self) -> Counts<'_> {
        self.large.as_ref().map_or(Counts::Small(self.small), |large| Counts::Large(large))
    }

    #[inline]
    pub(super) fn add(&mut self, ring: Ring, slot: u64, n: u64) {
        let at = ring.at(slot);
        if let Some(large) = self.large {
            if let Some(count) = large.get_mut(at) {
                *count = count.saturating_add(n);
            }
            return;
        }
        let Some(count) = self.small.get_mut(at) else { return };
        match u16::try_from(u64::from(*count).saturating_add(n)) {
            Ok(sum) => *count = sum,
            Err(_) => {
                let large = self.large.insert(Box::new(self.small.map(u64::from)));
                if let Some(count) = large.get_mut(at) {
                    *count = count.saturating_add(n);
                }
            }
        }
    }

    /// Adds the counts of another row, slot by slot. Both rings stand alike, so places are slots.
    pub(super) fn add_all(&mut self, other: Counts<'_>) {
        for place in 0..SLOTS {
            for ring in [Ring::Fine, Ring::Coarse] {
                self.add(ring, place, other.get(ring, place));
            }
        }
    }

    /// Takes the greater count; says by how much it rose.
    pub(super) fn raise(&mut self, ring: Ring, slot: u64, to: u64) -> u64 {
        let raised = to.saturating_sub(self.counts().get(ring, slot));
        self.add(ring, slot, raised);
        raised
    }

    /// Empties the cells of the slots after `from` up to `to`, which are new in the ring.
    pub(super) fn advance(&mut self, ring: Ring, from: u64, to: u64) {
        for slot in from.saturating_add(1).max(to.saturating_sub(SLOTS - 1))..=to {
            let at = ring.at(slot);
            match self.large {
                Some(large) => large.get_mut(at).map_or((), |count| *count = 0),
                None => self.small.get_mut(at).map_or((), |count| *count = 0),
            }
        }
        self.settle();
    }

    /// Moves back to small counts where they suffice.
    fn settle(&mut self) {
        let Some(large) = self.large.as_ref().filter(|large| large.iter().all(|count| *count <= u16::MAX.into()))
        else {
            return;
        };
        for (small, large) in self.small.iter_mut().zip(large.iter()) {
            *small = *large as u16;
        }
        *self.large = None;
    }
}

/// The counts of a row that stands for itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    small: Small,
    large: Option<Box<Large>>,
}

impl Cells {
    pub(super) fn of(counts: Counts<'_>) -> Cells {
        match counts {
            Counts::Small(small) => Cells { small: *small, large: None },
            Counts::Large(large) => Cells { small: Small::default(), large: Some(Box::new(*large)) },
        }
    }

    #[inline]
    pub(super) fn counts(&self) -> Counts<'_> {
        self.large.as_ref().map_or(Counts::Small(&self.small), |large| Counts::Large(large))
    }

    pub(super) fn change(&mut self) -> CellsMut<'_> {
        CellsMut { small: &mut self.small, large: &mut self.large }
    }
}

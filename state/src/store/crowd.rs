//! The crowd: what the many keys owe that have no counter. A count-min sketch (G. Cormode and S. Muthukrishnan, 2005) with
//! conservative update (C. Estan and G. Varghese, 2002) whose cells are no counts but backlogs: each drains at the limit's rate,
//! as the bucket of a key would, so what is over is gone without being rotated out, and a key that stays under its rate never
//! adds up.
//!
//! A key's backlog is the least of its four cells. Each of them holds all that the key owes and what others owe that share the
//! cell, so it is never too low by more than what drains in the 16th part of a slot, a 64th of the burst. It is too high
//! only where all four are shared. A charge that would bring a key to an eighth of the burst is not taken here, so what the
//! crowd does to a stranger stays below that eighth, however large it is. Beyond that only what forgotten counters owed is put in: of
//! `n` of those that still owe, one shares all four cells of a key once in `(width / n)^4`.
//!
//! A key that gets a counter brings what it owes here along, rounded up to the next whole token: rounded down, each round of being
//! forgotten and coming back would give it part of a token.
//!
//! It is this node's own: never sent, never compared. So peers do not know of what is charged here, an eighth of the burst a key
//! and node, while the table is nearly full.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::key::Key64;
use crate::time::Time;

/// Cells of one key.
const ROWS: usize = 4;

/// The part of a burst from which on a key has a counter.
pub(super) const EIGHTH: f64 = 1.0 / 8.0;

/// Bits of a cell's number, of tables of up to 4,096 keys and of those of a million and more: 8 MiB at most.
const BITS: std::ops::RangeInclusive<u32> = 10..=18;

/// Odd numbers for multiply-shift hashing (M. Dietzfelbinger and others, 1997), one for each row; the keys are random already.
const ODD: [u64; ROWS] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

/// A cell: a backlog as `f32` in the high bits, the tick at which it stood in the low ones. 0 owes nothing.
type Cell = AtomicU64;

pub(super) struct Crowd {
    rows: [Box<[Cell]>; ROWS],
    bits: u32,
    /// ms.
    tick: u64,
}

impl Crowd {
    /// For a table of so many keys, whose fine slots have so many ms.
    pub(super) fn new(keys_max: usize, fine: u64) -> Crowd {
        let bits = (keys_max / 4).max(1).next_power_of_two().ilog2().clamp(*BITS.start(), *BITS.end());
        let row = || (0..1_usize << bits).map(|_| Cell::new(0)).collect();
        Crowd { rows: std::array::from_fn(|_| row()), bits, tick: (fine / 16).max(1) }
    }

    fn cells(&self, key: Key64) -> impl Iterator<Item = &Cell> {
        let place = move |odd: &u64| (key.0.wrapping_mul(*odd) >> (64 - self.bits)) as usize;
        self.rows.iter().zip(&ODD).filter_map(move |(row, odd)| row.get(place(odd)))
    }

    /// What a key owes at most, in tokens.
    pub(super) fn level(&self, key: Key64, rate: f64, now: Time) -> f64 {
        let levels = self.cells(key).map(|cell| self.drained(cell.load(Ordering::Relaxed), rate, now));
        levels.fold(f64::INFINITY, f64::min)
    }

    /// Takes in that a key owes so much. Keys are changed by one thread at a time, under the lock of their place in the table.
    pub(super) fn raise(&self, key: Key64, to: f64, rate: f64, now: Time) {
        for cell in self.cells(key) {
            let raised = |known: u64| (self.drained(known, rate, now) < to).then(|| self.cell(to, now));
            // Not written where more is owed already.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised);
        }
    }

    /// Empties the drained cells of the `part`th of `parts`.
    pub(super) fn sweep(&self, (part, parts): (usize, usize), rate: f64, now: Time) {
        for row in &self.rows {
            let length = row.len().div_ceil(parts.max(1));
            for cell in row.iter().skip(part.saturating_mul(length)).take(length) {
                let drained = |known: u64| (known != 0 && self.drained(known, rate, now) <= 0.0).then_some(0);
                let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, drained);
            }
        }
    }

    fn cell(&self, level: f64, now: Time) -> u64 {
        u64::from((level as f32).to_bits()) << 32 | u64::from(self.tick_of(now))
    }

    /// Half of the ticks there are last 24 days or more; cells are swept long before.
    fn tick_of(&self, at: Time) -> u32 {
        (at.0 / self.tick) as u32
    }

    fn drained(&self, cell: u64, rate: f64, now: Time) -> f64 {
        let level = f64::from(f32::from_bits((cell >> 32) as u32));
        // A thread may have read an earlier time than the one that wrote: nothing drained then.
        let ticks = (self.tick_of(now).wrapping_sub(cell as u32) as i32).max(0);
        (level - rate * (ticks as u64 * self.tick) as f64).max(0.0)
    }
}

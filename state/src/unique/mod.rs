//! How many different values of something there were: one [`Sketch`] for each slot of absolute time.
//!
//! A sketch only rises, and a join takes the greater of each register, so loss, duplication and reordering are harmless and it
//! does not matter who saw a value, or how many saw it: sketches have no author. Nothing is reset: a slot dies because
//! time leaves it behind. A window reads the union of the slots that it touches, so values from up to one slot before it are
//! counted too, and none in it is missed.

mod estimate;
mod mark;
mod recent;
mod sketch;
mod span;

pub(crate) use self::mark::{Mark, RANK_MAX};
pub(crate) use self::sketch::{REGISTERS, SPARSE_MAX, Sketch};
pub(crate) use self::span::{Span, Standing};

use self::recent::Recent;
use crate::identity::{Actor, Nameable, PopId};
use crate::time::Time;

/// Slots that one key holds. Nine live at a time; the others are those that clocks ahead may bring with narrow slots.
const HELD_MAX: usize = 16;

/// The sketches of one key.
#[derive(Debug, Clone)]
pub(crate) struct Distinct {
    /// In the order of their numbers.
    slots: Vec<Slot>,
    /// When something was last seen or heard, changed or not.
    touched: Time,
    /// Whether a value was seen here.
    seen_here: bool,
    named_by: Option<Actor>,
    /// Whether somebody else than the POP that named its key told of it.
    is_shared: bool,
    /// Whether it waits to be sent.
    pub(crate) dirty: bool,
}

#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    sketch: Sketch,
    recent: Recent,
}

impl Nameable for Distinct {
    fn set_named_by(&mut self, peer: Actor) {
        self.named_by = Some(peer);
    }

    fn named_by(&self) -> Option<Actor> {
        self.named_by
    }

    fn is_only_of(&self, pop: PopId) -> bool {
        !self.seen_here && !self.is_shared && self.named_by.is_some_and(|named| named.pop == pop)
    }
}

impl Distinct {
    pub(crate) fn new(now: Time) -> Distinct {
        Distinct { slots: Vec::new(), touched: now, seen_here: false, named_by: None, is_shared: false, dirty: false }
    }

    pub(crate) fn touched(&self) -> Time {
        self.touched
    }

    /// Takes a value in; true if the sketch rose.
    pub(crate) fn observe(&mut self, span: Span, mark: Mark, now: Time) -> bool {
        self.seen_here = true;
        let number = span.slot(now);
        let Some(slot) = self.slot(span, number, now) else { return false };
        let rose = slot.sketch.raise(mark);
        if rose {
            slot.recent.rose(mark, span.start(number), now);
        }
        rose
    }

    /// Joins what a peer knows of one slot, which stands [`Standing::Live`], or what was known before this life; true if the sketch rose.
    pub(crate) fn join(&mut self, span: Span, by: Option<Actor>, (number, sketch): (u64, &Sketch), now: Time) -> bool {
        self.is_shared |= by.is_none() || self.named_by.map(|named| named.pop) != by.map(|by| by.pop);
        self.slot(span, number, now).is_some_and(|slot| slot.sketch.join(sketch))
    }

    /// Finds or makes a slot, and drops those that are over.
    fn slot(&mut self, span: Span, number: u64, now: Time) -> Option<&mut Slot> {
        self.touched = self.touched.max(now);
        let at = match self.slots.binary_search_by_key(&number, |slot| slot.number) {
            Ok(at) => at,
            Err(_) => {
                let floor = span.floor(now);
                self.slots.retain(|slot| slot.number >= floor);
                if self.slots.len() >= HELD_MAX {
                    self.slots.remove(0);
                }
                // The slot that just ended may still be on its way to peers.
                let current = span.slot(now);
                for slot in self.slots.iter_mut().filter(|slot| slot.number.saturating_add(1) < current) {
                    slot.recent.close();
                }
                let at = self.slots.partition_point(|slot| slot.number < number);
                self.slots.insert(at, Slot { number, sketch: Sketch::default(), recent: Recent::new() });
                at
            }
        };
        self.slots.get_mut(at)
    }

    /// How many different values there were in the slots that the last `window` ms touch.
    pub(crate) fn distinct(&self, span: Span, window: u64, now: Time) -> u64 {
        let (oldest, newest) = span.touched(window, now);
        let mut touched = self.slots.iter().filter(|slot| (oldest..=newest).contains(&slot.number));
        match (touched.next(), touched.next()) {
            (None, _) => 0,
            (Some(slot), None) => slot.sketch.estimate(),
            (Some(one), Some(other)) => {
                let mut union = one.sketch.clone();
                for slot in std::iter::once(other).chain(touched) {
                    union.join(&slot.sketch);
                }
                union.estimate()
            }
        }
    }

    /// Whether it may be forgotten: every slot is over.
    pub(crate) fn is_expired(&self, span: Span, now: Time) -> bool {
        let floor = span.floor(now);
        self.slots.iter().all(|slot| slot.number < floor)
    }

    /// What can have risen here since an instant, by slots.
    pub(crate) fn since(&self, span: Span, since: Time) -> Vec<(u64, Sketch)> {
        let told = |slot: &Slot| {
            let rises = slot.recent.told(span.start(slot.number), since);
            (slot.number, rises.unwrap_or_else(|| slot.sketch.clone()))
        };
        let risen = self.slots.iter().filter(|slot| span.start(slot.number.saturating_add(1)) > since);
        risen.map(told).filter(|(_, sketch)| !sketch.is_empty()).collect()
    }

    /// Visits what lives at an instant, but for the oldest slot, which others may have dropped already.
    pub(crate) fn each_live(&self, span: Span, at: Time, mut visit: impl FnMut(u64, &Sketch)) {
        let oldest = span.floor(at);
        let live = |slot: &&Slot| slot.number > oldest && span.standing(slot.number, at) == Standing::Live;
        self.slots
            .iter()
            .filter(live)
            .filter(|slot| !slot.sketch.is_empty())
            .for_each(|slot| visit(slot.number, &slot.sketch));
    }

    /// All that lives, by slots.
    pub(crate) fn live(&self, span: Span, now: Time) -> Vec<(u64, Sketch)> {
        let live = self.slots.iter().filter(|slot| span.standing(slot.number, now) == Standing::Live);
        live.map(|slot| (slot.number, slot.sketch.clone())).collect()
    }
}

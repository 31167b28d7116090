//! The standing repair: about every second one peer is asked whether it knows the same. While it does, that one question is all that
//! goes over a link; where it does not, both sides say what they know of the few ranges that differ. It brings what only some heard
//! from a node that is gone.
//!
//! ```text
//! question: one digest of a range   ->  the same: silence. Another: the digests of its 16 parts
//! parts                             ->  what differs is repaired, and the own parts go back
//! answer: the other side's parts    ->  what differs is repaired
//! ```
//!
//! Peers whose configs count in other tables, those whose clocks are far away, and those that name things by the other secret, cannot compare:
//! they get a frame of state each time, each from where their last one ended.

use super::clocks::Clocks;
use super::link::Link;
use super::{LinkId, Replica};
use crate::range::{PARTS, Range};
use crate::store::{Digests, Instant};
use crate::time::Time;
use crate::walk::{Filled, Walk};
use crate::wire::{self, Builder, Digest, RangeHead};

/// Keys that one question is about, if there are so many.
const ASKED: usize = 4096;

/// Keys whose digest is made for a peer: one that asks about more must ask in smaller ranges.
const DIGESTED_MAX: usize = 1 << 17;

/// Digests of a peer that are looked at in one second; making one takes time.
const DIGESTS_MAX: u32 = 32;

/// An instant that is further than this from now is none that both can look at, ms.
const FAR: u64 = 10_000;

/// What has not changed for so long is known everywhere, or was not heard, ms.
const SETTLED: u64 = 2_000;

/// How often a peer's digests were looked at lately.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    second: u64,
    times: u32,
}

impl Asked {
    /// Whether another one may be.
    fn once_more(&mut self, now: Time) -> bool {
        let second = now.0 / 1000;
        if self.second != second {
            *self = Asked { second, times: 0 };
        }
        self.times += 1;
        self.times <= DIGESTS_MAX
    }
}

impl Replica {
    /// One turn of the standing repair. A link that is still being repaired needs none, nor one that has long not acknowledged what it is sent. So
    /// to be asked means to have been told everything.
    pub(super) fn stand(&mut self, id: LinkId, now: Time) {
        match self.links.get(id) {
            Some(link) if !link.has_room() || !link.repair.is_idle() || link.out.patience.is_out() => {}
            Some(link) if self.compares_with(link) => self.ask(id, now),
            _ => self.tell_some(id, now),
        }
    }

    /// What differs only by clocks would be repaired again and again.
    fn compares_with(&self, link: &Link) -> bool {
        link.actor().is_some_and(|actor| self.clocks(actor) == Clocks::Agree)
    }

    /// When a link's first repair is over, the peer is asked at once: its answer is whether it knows the same, and to be asked tells it that it
    /// has heard everything.
    pub(super) fn stand_first(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.author.is_some()) else { return };
        if !link.repair.has_stood && link.repair.is_idle() && link.has_room() {
            link.repair.has_stood = true;
            self.stand(id, now);
        }
    }

    /// Asks a peer about the next range.
    fn ask(&mut self, id: LinkId, now: Time) {
        let bits = (0..=8).step_by(4).find(|bits| self.store.keys_about(now) >> bits <= ASKED).unwrap_or(8);
        // Nodes start at different ranges, so that a peer is not asked the same by all at once.
        let first = Range::new((self.turn.random() >> 48) as u16 & ((1 << bits) - 1), bits).unwrap_or(Range::ALL);
        let Some(link) = self.links.get_mut(id) else { return };
        let range = link.repair.asked.map_or(first, |asked| asked.next(bits));
        link.repair.asked = Some(range);
        // While nothing changes all is settled.
        let settled = self.changes(now);
        let version = self.version(id);
        let digests = self.store.digests(range, instant(now, settled, version));
        let (prefix, bits, at) = (range.prefix(), range.bits(), now.0);
        let tables = self.store.tables_digest(now, version);
        let question = Digest { tables, prefix, bits, parts: vec![sum(&digests)], answer: false, settled, at };
        self.send(id, wire::digest(&question), now);
    }

    /// Whether something changed lately, here or at a peer.
    fn changes(&self, now: Time) -> bool {
        self.changed.is_some_and(|changed| now < changed.plus(SETTLED))
    }

    /// A peer says what it knows in digests. False when it may not say that.
    pub(super) fn digest_in(&mut self, id: LinkId, digest: &Digest, now: Time) -> bool {
        let Some(range) = Range::new(digest.prefix, digest.bits) else { return false };
        let Some(link) = self.links.get_mut(id) else { return false };
        if !link.repair.is_idle() {
            // What differs may be under way.
            return true;
        }
        if !link.repair.heard.once_more(now) || self.store.keys_about(now) >> range.bits() > DIGESTED_MAX {
            return false;
        }
        // Names by another secret are other names, and their digests other digests.
        let compares = |link: &Link| self.compares_with(link) && link.secret_id == self.config.secret_id;
        let compares = self.links.get(id).is_some_and(compares);
        if digest.tables != self.store.tables_digest(now, self.version(id))
            || digest.at.abs_diff(now.0) > FAR
            || !compares
        {
            self.tell_some(id, now);
            return true;
        }
        if !digest.settled && digest.parts.len() == 1 && self.changes(now) {
            // What has changed here may still be under way to whoever asks; the next question will be another.
            return true;
        }
        // As of the instant that the asking peer means, so that both look at the same slots.
        let mine = self.store.digests(range, instant(Time(digest.at), digest.settled, self.version(id)));
        let parts = mine.to_vec();
        match digest.parts.as_slice() {
            [whole] if *whole == sum(&mine) => {}
            [_] => self.send(id, wire::digest(&Digest { parts, answer: false, ..digest.clone() }), now),
            theirs => {
                let Ok(theirs) = <&Digests>::try_from(theirs) else { return false };
                self.repair_parts(id, range, &mine, theirs, now);
                if !digest.answer {
                    self.send(id, wire::digest(&Digest { parts, answer: true, ..digest.clone() }), now);
                }
            }
        }
        true
    }

    /// Says what is known of the parts that differ.
    fn repair_parts(&mut self, id: LinkId, range: Range, mine: &Digests, theirs: &Digests, now: Time) {
        let differ = mine.iter().zip(theirs).enumerate().filter(|(_, (mine, theirs))| mine != theirs);
        let parts: Vec<Range> = differ.filter_map(|(part, _)| range.part(part as u16)).collect();
        if let Some(link) = self.links.get_mut(id) {
            // All of them: one walk instead of many small ones.
            if parts.len() == PARTS {
                link.repair.also(range);
            } else {
                parts.into_iter().for_each(|part| link.repair.also(part));
            }
        }
        self.repair(id, now);
    }

    /// One frame of what is known, from where the last one ended.
    fn tell_some(&mut self, id: LinkId, now: Time) {
        let Some(link) = self.links.get_mut(id).filter(|link| link.has_room() && link.repair.is_idle()) else {
            return;
        };
        let Some(receiver) = link.author else { return };
        // Nodes start at different shards, so that a peer does not hear the same from all at once.
        let mut walk = link.repair.standing.take().unwrap_or_else(|| Walk::from((self.turn.random() >> 56) as u8));
        let mut builder = Builder::new();
        let filled = walk.fill(&self.store, &mut builder, receiver, now);
        link.repair.standing = Some(if filled == Filled::Walk { Walk::all() } else { walk });
        if !builder.is_empty() {
            self.send(id, builder.range(&RangeHead { from: 0, to: 0, at: now.0 }, self.version(id)), now);
        }
    }
}

fn instant(at: Time, settled: bool, version: u16) -> Instant {
    Instant { at, settled: settled.then(|| at.minus(SETTLED)), version }
}

fn sum(digests: &Digests) -> u64 {
    digests.iter().fold(0, |sum, part| sum.wrapping_add(*part))
}

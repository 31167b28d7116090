//! Reservations: room in a bucket that is held for a cost whose fate is known later. What is held is in the way of whoever else asks at
//! this node, and is counted, or not, when its fate is known.

use super::table::Table;
use super::{Store, TableId};
use crate::bucket::{Bucket, Charge};
use crate::counter::{Asker, Lane, SlotCounter};
use crate::key::{Key, Key64};
use crate::time::Time;

impl Store {
    /// Checks a bucket as [`charge`](Store::charge) does and, if there is room, holds it: nothing is counted or sent. Whoever was
    /// admitted [commits](Store::commit) or [releases](Store::release) it, once, in the same table, under the same key and with
    /// the same cost; whoever was not does neither. Until then it is in the way of other charges and reservations of this process,
    /// of [`peek`](Store::peek) and [`level`](Store::level); its key is neither forgotten nor swept. No peer and no snapshot knows of it.
    ///
    /// In a table that is seven eighths full a key that is new and owes little is only looked at in the sketch: nothing is held, so
    /// several reservations of such a key at a time may see the same room, until they are committed.
    pub fn reserve(&self, table: TableId, key: Key, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        let Some(at) = self.at(table) else { return Charge::Full };
        let elsewhere = self.prepare(table, at, key, bucket, now);
        at.remember_burst(bucket.burst);
        let asker = Asker { me: self.me.actor, elsewhere, past: at.past(bucket.rate_per_ms) };
        let hold = |counter: &mut SlotCounter| counter.hold(at.widths(), (bucket, cost), asker, now);
        let in_crowd = || at.peek_crowd(key.now, (bucket, cost), elsewhere, now);
        let head = || at.widths().fine_slot(now);
        at.visit_unless(key.now, in_crowd, head, now, hold).unwrap_or(Charge::Full)
    }

    /// What was [held](Store::reserve) is counted now, without asking again. Where less was held all of it is counted, too: in a table that
    /// is seven eighths full, in the sketch, as a charge is. In a full table that can forget nothing this node alone knows of it.
    pub fn commit(&self, table: TableId, key: Key, cost: u32, now: Time) {
        let Some(at) = self.at(table) else { return };
        let key = key.now;
        // An edit may have passed the turn on since: whose turn it is has to know, and nobody takes it over meanwhile.
        let heir = self.heir(table, at, key);
        let _hand = heir.is_some().then(|| at.lineage().hand());
        if let Some((heir, key, turn)) = heir {
            heir.inherit(key, &[(cost.into(), now)], turn);
        }
        let commit = |counter: &mut SlotCounter| {
            counter.commit(at.widths(), cost, at.rate(), now);
            let lane = if is_near(at, counter, now) { Lane::NearLimit } else { Lane::Rest };
            Some(lane).filter(|lane| cost > 0 && self.dirty.mark(at, counter, *lane))
        };
        let in_crowd = || at.add_to_crowd(key, at.burst(), cost, now).map(|()| None);
        match at.visit_unless(key, in_crowd, || at.widths().fine_slot(now), now, commit) {
            Some(Some(lane)) => self.dirty.counter(table, key, lane),
            Some(None) => {}
            None => at.owe_in_crowd(key, cost, now),
        }
    }

    /// What was [held](Store::reserve) is not counted. Of more than is held all is let go.
    pub fn release(&self, table: TableId, key: Key, cost: u32) {
        if let Some(at) = self.at(table) {
            at.free(key.now, cost);
        }
    }

    /// What is held of a key in the other tables of its lineage: an edit does not free it.
    pub(super) fn held_elsewhere(&self, id: TableId, at: &Table, key: Key64) -> u64 {
        self.kin(id, at).map(|kin| kin.held(key)).fold(0, u64::saturating_add)
    }
}

/// Whether less than half of the deepest bucket that was asked for is left.
fn is_near(at: &Table, counter: &SlotCounter, now: Time) -> bool {
    at.rate().is_some_and(|rate| counter.level(at.widths(), rate, now) > at.burst() / 2.0)
}

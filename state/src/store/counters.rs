//! Counting: what requests do with tables of counters, and what they read there over all tables of a lineage, and both names of a
//! key while the secret is rotated.

use std::collections::BTreeMap;

use super::shards::Shards;
use super::table::{Coverage, Table};
use super::{Overshot, Store, TableFull, TableId, TableSpec};
use crate::bucket::{Bucket, Charge};
use crate::counter::{Asker, Lane, Row, SlotCounter};
use crate::identity::{Actor, Author, Incarnation};
use crate::key::{Domain, Key, Key64};
use crate::time::Time;
use crate::wire::Debts;

impl Store {
    /// Finds or makes the table of this identity, which is counted in from here on. Two configs that state the same identity
    /// share its counts; those of tables that differ in rungs alone are read with them, of [`KIN_MAX`](crate::KIN_MAX) of
    /// those, until all in them is over.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`](crate::TABLES_MAX) tables already; nothing is made then.
    pub fn table(&self, spec: &TableSpec) -> Result<TableId, TableFull> {
        let identity = spec.identity(&self.names);
        let lineage = || self.lineages.of(spec.lineage(&self.names));
        let counters = || Shards::new(self.keys_max, self.spread);
        let number = self.tables.find_or(identity, || Table::new(identity, spec, counters(), lineage()))?;
        if let Some(table) = self.tables.get(number) {
            table.lineage().enlist(number);
        }
        Ok(TableId::new(number))
    }

    pub(super) fn at(&self, id: TableId) -> Option<&Table> {
        self.tables.get(id.number())
    }

    /// The other tables of its lineage that hold something.
    pub(super) fn kin<'s>(&'s self, id: TableId, at: &'s Table) -> impl Iterator<Item = &'s Table> {
        let others = at.lineage().others(id.number()).filter_map(|number| self.tables.get(number));
        others.filter(|kin| kin.len() > 0)
    }

    /// The greatest backlog that the other tables know of a key, and all of them by its name beside. They drain at the greater rate:
    /// too little is said, not too much.
    fn kin_level(&self, id: TableId, at: &Table, key: Key, rate: f64, now: Time) -> f64 {
        let greater = |kin: &Table| kin.rate().map_or(rate, |theirs| theirs.max(rate));
        let level = |kin: &Table| kin.level(key.now, greater(kin), now);
        let known = self.kin(id, at).map(level).fold(0.0, f64::max);
        let Some(beside) = key.beside else { return known };
        let counted = |kin: &Table| kin.read(beside, |counter| counter.level(kin.widths(), greater(kin), now));
        let all = std::iter::once(at).chain(self.kin(id, at)).filter_map(counted).fold(known, f64::max);
        all.max(self.both_level(at, (key.now, beside), greater(at), now))
    }

    /// The backlog that the rows of both names tell together: each count is in one of them. What this node knows beside the rows
    /// is left out: it may be of the other name.
    fn both_level(&self, at: &Table, (one, other): (Key64, Key64), rate: f64, now: Time) -> f64 {
        let rows = |key| at.read(key, |counter| counter.all_rows(at.widths(), self.me));
        let (Some(one), Some(other)) = (rows(one), rows(other)) else { return 0.0 };
        let rows: Vec<Row> = one.into_iter().chain(other).map(|(_, row)| row).collect();
        SlotCounter::level_of(at.widths(), &rows, rate, now)
    }

    /// Whether a key has yet to take over what the other tables, and its name beside, tell of it in a turn.
    fn is_due(&self, id: TableId, at: &Table, key: Key, turn: u8) -> bool {
        let more = key.beside.is_some() || self.kin(id, at).next().is_some();
        let has_taken = || at.read(key.now, |counter| counter.turn() == turn) == Some(true);
        more && !(at.lineage().has_noted(key) && has_taken())
    }

    /// Before a key is charged in a table that has kin, or by two names: it takes over what they know, once in a turn. One whose
    /// names could not be noted, or are not any more, does so again: the greatest level is a lower bound at any time.
    #[cold]
    pub(super) fn take_over(&self, id: TableId, at: &Table, key: Key, rate: f64, now: Time) {
        let turn = at.lineage().take_turn(id.number());
        if self.is_due(id, at, key, turn) {
            let _hand = at.lineage().hand();
            at.lineage().note(key);
            at.take_over(key.now, self.kin_level(id, at, key, rate, now), turn, now);
        }
    }

    /// The table whose turn it is and the name in force, where what rises by a key in a table rises elsewhere too; and the turn.
    pub(super) fn heir(&self, id: TableId, at: &Table, key: Key64) -> Option<(&Table, Key64, u8)> {
        let named = at.lineage().named(key);
        if named.is_none() && !at.lineage().has_kin() {
            return None;
        }
        let (number, turn) = at.lineage().turn();
        let heir = self.tables.get(number).filter(|_| number != id.number() || named.is_some())?;
        Some((heir, named.unwrap_or(key), turn))
    }

    /// The keyed hash of a counter's parts. Parts are framed by length, so no two lists of parts run together.
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        self.secrets.key64(Domain::Key, parts)
    }

    /// What a key is called in one of its generations: what is counted under that name starts afresh, and what was counted before stays
    /// where it is. The same change for every name a key has, and at every node; made twice it is undone. Generation 0 is the key itself.
    #[must_use]
    pub fn in_generation(&self, Key64(key): Key64, generation: u64) -> Key64 {
        let changed = || key ^ self.names.hash64(Domain::Generation, &[&generation.to_le_bytes()]);
        Key64(if generation == 0 { key } else { changed() })
    }

    /// Buckets of a table drain at this rate: a limit that counts in it is in force. Where nothing was charged yet, what peers say of it is timed by
    /// its fine slots from now on, and not by a window when the first charge comes.
    pub fn drains(&self, table: TableId, rate_per_ms: f64) {
        if let Some(at) = self.at(table) {
            at.remember_rate(rate_per_ms);
        }
    }

    /// What comes before a key is asked for in a table; says what is held of it in others.
    #[inline]
    pub(super) fn prepare(&self, id: TableId, at: &Table, key: Key, bucket: &Bucket, now: Time) -> u64 {
        at.remember_rate(bucket.rate_per_ms);
        if !at.lineage().has_kin() && key.beside.is_none() {
            return 0;
        }
        self.take_over(id, at, key, bucket.rate_per_ms, now);
        self.held_elsewhere(id, at, key.now)
    }

    /// What the bucket of a key owes, in thousandths of a token, where that is a token at least and its rows do not tell it.
    pub(crate) fn hidden_debt(&self, table: TableId, key: Key64, now: Time) -> Option<u64> {
        let at = self.at(table)?;
        let rate = at.rate()?;
        let level = |counter: &SlotCounter| counter.owes_beside().then(|| counter.level(at.widths(), rate, now));
        at.read(key, level).flatten().filter(|level| *level >= 1.0).map(|level| (level * 1e3) as u64)
    }

    /// Takes in what buckets owed when a snapshot was made, less what has drained since. The rows of their keys were taken first: they are a part
    /// of it.
    pub(crate) fn owe(&self, Debts { table, at: owed_at, debts }: &Debts, now: Time) {
        let known = self.any_by_identity(*table).and_then(|id| self.at(id));
        let Some((at, rate)) = known.and_then(|at| Some((at, at.rate()?))) else { return };
        let drained = rate * now.since(*owed_at) as f64;
        for (key, owed) in debts {
            let level = *owed as f64 / 1e3 - drained;
            if level >= 1.0 {
                at.visit(*key, now, |counter| counter.owes_at_least(at.widths(), level, now, rate));
            }
        }
    }

    /// Watches how far buckets of this burst are overshot, from here on; another burst than before begins anew. See [`Overshot`].
    pub fn watch(&self, table: TableId, burst: f64) {
        if let Some(at) = self.at(table) {
            at.peak().watch(burst);
        }
    }

    /// By how much the bucket of any key of a table was overshot at most since it is watched, as far as this node came to know; `None`
    /// where none was.
    #[must_use]
    pub fn overshot(&self, table: TableId) -> Option<Overshot> {
        self.at(table)?.peak().greatest()
    }

    /// Checks a bucket and, if there is room, charges it: one atomic step, so that no two requests take the same room.
    ///
    /// In a table that is seven eighths full a key that is new is charged in a sketch, at this node alone, until it owes an eighth
    /// of the burst.
    pub fn charge(&self, table: TableId, key: Key, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        let Some(at) = self.at(table) else { return Charge::Full };
        let elsewhere = self.prepare(table, at, key, bucket, now);
        let key = key.now;
        let asker = Asker { me: self.me.actor, elsewhere, past: at.past(bucket.rate_per_ms) };
        let visit = |counter: &mut _| {
            let charge = SlotCounter::charge(counter, at.widths(), (bucket, cost), asker, now);
            let lane = match charge {
                Charge::Admitted { remaining, .. } if cost > 0 && bucket.is_near(remaining) => Some(Lane::NearLimit),
                Charge::Admitted { .. } if cost > 0 => Some(Lane::Rest),
                _ => None,
            };
            (charge, lane.filter(|lane| self.dirty.mark(at, counter, *lane)))
        };
        let in_crowd = || at.charge_crowd(key, (bucket, cost), elsewhere, now).map(|charge| (charge, None));
        let visited = at.visit_unless(key, in_crowd, || at.widths().fine_slot(now), now, visit);
        let Some((charge, newly)) = visited else { return Charge::Full };
        if let Some(lane) = newly {
            self.dirty.counter(table, key, lane);
        }
        charge
    }

    /// What [`charge`](Store::charge) would say now. Nothing is charged, made or forgotten.
    #[must_use]
    pub fn peek(&self, table: TableId, key: Key, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        let Some(at) = self.at(table) else { return Charge::Full };
        let (number, turn) = at.lineage().turn();
        let takes_over = number != table.number() || self.is_due(table, at, key, turn);
        let kin = if takes_over { self.kin_level(table, at, key, bucket.rate_per_ms, now) } else { 0.0 };
        at.peek((self.me.actor, key.now), (bucket, cost), (kin, self.held_elsewhere(table, at, key.now)), now)
    }

    /// The backlog of a bucket in tokens, what is [held](Store::reserve) here included; nothing is charged. The bucket admits while
    /// backlog and cost fit its burst and queue; of a key that is over its limit at several nodes, in its upper quarter, in turns.
    #[must_use]
    pub fn level(&self, table: TableId, key: Key, bucket: &Bucket, now: Time) -> f64 {
        let rate = bucket.rate_per_ms;
        let level = |at: &Table| at.level(key.now, rate, now).max(self.kin_level(table, at, key, rate, now));
        let held = |at: &Table| at.held(key.now).saturating_add(self.held_elsewhere(table, at, key.now));
        self.at(table).map_or(0.0, |at| level(at) + held(at) as f64)
    }

    /// Counts `n` without asking. A table at its cap that can forget nothing does not count it.
    pub fn add(&self, table: TableId, key: Key, n: u32, now: Time) {
        let Some(at) = self.at(table) else { return };
        if !at.lineage().has_noted(key) {
            // For those who look for the greatest.
            at.lineage().note(key);
        }
        let key = key.now;
        let visit = at.visit(key, now, |counter| {
            counter.add(at.widths(), n, at.rate(), now);
            n > 0 && self.dirty.mark(at, counter, Lane::Rest)
        });
        if visit == Some(true) {
            self.dirty.counter(table, key, Lane::Rest);
        }
    }

    /// What was counted in the last `window_ms`: all since the end of the slot that the window's start lies in, and of what
    /// that slot counted, as far as it has come, the part of time that the window covers, rounded down. So it differs from the
    /// truth by at most what was counted in that one slot, to either side. It is a fine one where the window reaches back
    /// seven fine slots or less, else a coarse one, without the part that fine slots tell. A window longer than eight coarse
    /// slots reads as those eight. Tables of one lineage, and names of one key, are read so one by one, and added up.
    #[must_use]
    pub fn count(&self, table: TableId, key: Key, window_ms: u64, now: Time) -> u64 {
        let Some(at) = self.at(table) else { return 0 };
        let by_name =
            |at: &Table, key| at.read(key, |counter| counter.counted(at.widths(), window_ms, now)).unwrap_or(0);
        let read = |at: &Table| key.each().map(|key| by_name(at, key)).fold(0, u64::saturating_add);
        self.kin(table, at).map(read).fold(read(at), u64::saturating_add)
    }

    /// What each author counted over the eight coarse slots, in the authors' order.
    #[must_use]
    pub fn counts(&self, table: TableId, key: Key, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let Some(at) = self.at(table) else { return Vec::new() };
        let mut sums: BTreeMap<Author, u64> = BTreeMap::new();
        for at in std::iter::once(at).chain(self.kin(table, at)) {
            let sums_of = |key| at.read(key, |counter| counter.sums(at.widths(), self.me, now)).unwrap_or_default();
            for (author, sum) in key.each().flat_map(sums_of) {
                let all = sums.entry(author).or_default();
                *all = all.saturating_add(sum);
            }
        }
        sums.into_iter().map(|(author, sum)| (author.actor, author.incarnation, sum)).collect()
    }

    /// Keys that a table holds, expired ones included until they are swept.
    #[must_use]
    pub fn keys(&self, table: TableId) -> usize {
        self.at(table).map_or(0, Table::len)
    }

    /// Whether a table holds all keys that were counted in it.
    #[must_use]
    pub fn coverage(&self, table: TableId, now: Time) -> Coverage {
        self.at(table).map_or(Coverage::Whole, |at| at.coverage(now))
    }

    /// The `n` keys with the greatest sums over the eight coarse slots, greatest first, ties by key. Visits the whole table.
    #[must_use]
    pub fn top(&self, table: TableId, n: usize, now: Time) -> Vec<(Key, u64)> {
        let Some(at) = self.at(table) else { return Vec::new() };
        let mut sums = Vec::new();
        at.each_sum(now, |key, sum| sums.push((key, sum)));
        for kin in self.kin(table, at) {
            kin.each_sum(now, |key, sum| sums.push((key, sum)));
        }
        // Where both names of a key are known here, it is called by both.
        let names = |key| at.lineage().named(key).map_or((key, None), |now| (now, Some(key)));
        let mut sums: Vec<(Key, u64)> = sums
            .into_iter()
            .map(|(key, sum)| {
                let (now, beside) = names(key);
                (Key { now, beside }, sum)
            })
            .collect();
        // One entry for each key; those of several tables and names are added up.
        sums.sort_unstable();
        sums.dedup_by(|(key, sum), (before, all)| {
            let same = key.now == before.now;
            if same {
                *all = all.saturating_add(*sum);
                before.beside = before.beside.or(key.beside);
            }
            same
        });
        sums.retain(|(_, sum)| *sum > 0);
        sums.sort_unstable_by_key(|(key, sum)| (std::cmp::Reverse(*sum), *key));
        sums.truncate(n);
        sums
    }
}

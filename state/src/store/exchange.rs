//! The replica's side of the store: taking what changed, walking what there is, joining what peers say.

use super::bans::Offered;
use super::{Store, Table, TableId};
use crate::ban::Fact;
use crate::counter::{Bounds, Joined, Row, SlotCounter};
use crate::identity::Author;
use crate::key::{Key64, Key128};
use crate::time::Time;

/// What waits for the replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) counters: usize,
    pub(crate) bans: usize,
}

/// What became of a peer's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ingested {
    /// Cells that began too far ahead.
    pub(crate) ahead: u64,
    /// Cells below the expiry floor.
    pub(crate) expired: u64,
    /// Whether there was no room for the row.
    pub(crate) full: bool,
}

impl Store {
    pub(crate) fn waiting(&self) -> Waiting {
        let (counters, bans) = self.dirty.waiting();
        Waiting { counters, bans }
    }

    /// Takes the changed counters, in order.
    pub(crate) fn take_counters(&self) -> Vec<(TableId, Key64)> {
        let mut counters = self.dirty.take_counters();
        counters.sort_unstable();
        counters
    }

    /// Takes the changed bans, in order.
    pub(crate) fn take_bans(&self) -> Vec<Key128> {
        let mut bans = self.dirty.take_bans();
        bans.sort_unstable();
        bans
    }

    /// The own row of a counter that was marked, and marks it as taken: what is charged from now on marks it again.
    pub(crate) fn take_row(&self, table: TableId, key: Key64, since: Time) -> Option<Row> {
        let at = self.at(table)?;
        at.counters().change(key, |counter| {
            counter.dirty = false;
            counter.own_row(at.widths(), since)
        })
    }

    /// The own row of a counter: the cells that can have changed since an instant.
    pub(crate) fn own_row(&self, table: TableId, key: Key64, since: Time) -> Option<Row> {
        let at = self.at(table)?;
        at.read(key, |counter| counter.own_row(at.widths(), since))
    }

    pub(crate) fn take_ban(&self, key: Key128) -> Option<Fact> {
        self.bans.take(key)
    }

    pub(crate) fn fact(&self, key: Key128) -> Option<Fact> {
        self.bans.get(key)
    }

    /// What a table is called on the wire.
    pub(crate) fn identity(&self, table: TableId) -> Option<u64> {
        self.at(table).map(Table::identity)
    }

    pub(crate) fn by_identity(&self, identity: u64) -> Option<TableId> {
        let by_identity = self.by_identity.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let id = by_identity.get(&identity).copied()?;
        self.at(id).filter(|table| table.is_replicated()).map(|_| id)
    }

    /// The table after this one whose counts go to peers; the first one after `None`.
    pub(crate) fn next_table(&self, after: Option<TableId>) -> Option<TableId> {
        let from = after.map_or(0, |table| table.index() + 1);
        let ids = (from..self.tables.len()).map_while(TableId::new);
        let mut made = ids.map_while(|id| self.at(id).map(|table| (id, table)));
        made.find(|(_, table)| table.is_replicated()).map(|(id, _)| id)
    }

    /// The keys of one shard of a table above `after`, in order.
    pub(crate) fn keys_of(&self, table: TableId, shard: u8, after: Option<Key64>) -> Vec<Key64> {
        self.at(table).map(|at| at.counters().keys(shard, after)).unwrap_or_default()
    }

    /// The keys of bans in one shard above `after`, in order.
    pub(crate) fn ban_keys(&self, shard: u8, after: Option<Key128>) -> Vec<Key128> {
        self.bans.keys(shard, after)
    }

    /// All rows of a counter that are not expired.
    pub(crate) fn rows(&self, table: TableId, key: Key64, now: Time) -> Vec<(Author, Row)> {
        let Some(at) = self.at(table) else { return Vec::new() };
        let bounds = Bounds::at(now, at.widths());
        let mut rows = at.read(key, |counter| counter.all_rows(at.widths(), self.me)).unwrap_or_default();
        rows.retain_mut(|(_, row)| {
            let _ = bounds.clip(row);
            !row.is_empty()
        });
        rows
    }

    /// Joins another author's row.
    pub(crate) fn offer_row(&self, table: TableId, key: Key64, author: Author, mut row: Row, now: Time) -> Ingested {
        let Some(at) = self.at(table) else { return Ingested::default() };
        let widths = at.widths();
        let refused = Bounds::at(now, widths).clip(&mut row);
        let ingested = Ingested { ahead: refused.ahead, expired: refused.expired, ..Ingested::default() };
        let Some(newest) = row.newest(widths).filter(|_| author != self.me) else { return ingested };
        let join = |counter: &mut SlotCounter| counter.join(widths, author, &row, at.rate());
        match at.visit_or(key, || newest, now, join) {
            Some(Joined::Raised | Joined::Unchanged) => ingested,
            Some(Joined::Crowded) | None => Ingested { full: true, ..ingested },
        }
    }

    /// Joins another node's fact.
    pub(crate) fn offer_fact(&self, fact: Fact, now: Time) -> Offered {
        self.bans.offer(&self.secret, fact, now)
    }

    /// Tells the store how much of the cluster is heard.
    pub(crate) fn set_heard(&self, heard: u16, news: Option<Time>) {
        self.heard.write(heard, news);
    }
}

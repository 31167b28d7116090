//! Fills a frame of state up to its bound.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::accounts::{self, LEDGER_MOST};
use super::block::{self, ACCOUNTS, BLOCK_HEAD, COUNTERS, DEBTS, SESSIONS, SKETCHES};
use super::control::{DeltaHead, RangeHead};
use super::counters::{self, AUTHOR_MOST, TABLE_MOST};
use super::debts::{self, DEBT_MOST, DEBTS_MOST, Debts};
use super::facts::{Facts, HEADS_MOST};
use super::frame::{self, DELTA, RANGE};
use super::sessions::{self, SESSIONS_MOST};
use super::sketches::{self, Seen, UNIQUES_MOST};
use super::{FRAME_MAX, NEWEST, OLDEST};
use crate::counter::Row;
use crate::fact::Fact;
use crate::identity::Author;
use crate::key::{Key64, Key128};
use crate::ledger::Account;
use crate::session::Session;
use crate::time::Time;

/// The most bytes of a frame's type and head: a delta's head is three numbers of 64 bits and an author.
const HEAD_MOST: usize = 1 + BLOCK_HEAD + 3 * 9 + 3 + 5 + 9;

/// The first version that has accounts.
const ACCOUNTS_SINCE: u16 = 3;

/// The first version that has sessions.
pub(crate) const SESSIONS_SINCE: u16 = 4;

/// Whether something went into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Taken,
    /// The frame is full; nothing was taken.
    Full,
}

/// A frame in the making. Its weight is what it takes at most, so the bytes never exceed [`FRAME_MAX`].
#[derive(Debug, Clone)]
pub(crate) struct Builder {
    rows: Vec<(u64, Key64, Author, Row)>,
    /// The (table, author) pairs met, each of which costs an entry in a block's list.
    authors: BTreeSet<(u64, Author)>,
    tables: BTreeSet<u64>,
    facts: Facts,
    /// With their tables.
    seen: Vec<(u64, Seen)>,
    uniques: BTreeSet<u64>,
    /// With their tables.
    accounts: Vec<(u64, Key64, Author, Account)>,
    ledgers: BTreeSet<u64>,
    sessions: BTreeMap<Key128, Session>,
    /// With their tables.
    debts: Vec<(u64, Key64, u64)>,
    debtors: BTreeSet<u64>,
    weight: usize,
}

impl Builder {
    pub(crate) fn new() -> Builder {
        // The blocks of facts are always reckoned with.
        let weight = HEAD_MOST + HEADS_MOST;
        Builder {
            rows: Vec::new(),
            authors: BTreeSet::new(),
            tables: BTreeSet::new(),
            facts: Facts::default(),
            seen: Vec::new(),
            uniques: BTreeSet::new(),
            accounts: Vec::new(),
            ledgers: BTreeSet::new(),
            sessions: BTreeMap::new(),
            debts: Vec::new(),
            debtors: BTreeSet::new(),
            weight,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        let counts = self.rows.is_empty() && self.seen.is_empty() && self.debts.is_empty();
        counts && self.facts.is_empty() && self.accounts.is_empty() && self.sessions.is_empty()
    }

    /// Takes a row. One without cells says nothing and is left out.
    pub(crate) fn row(&mut self, table: u64, key: Key64, author: Author, row: Row) -> Room {
        if row.is_empty() {
            return Room::Taken;
        }
        let mut weight = counters::weight(&row);
        if !self.tables.contains(&table) {
            weight += BLOCK_HEAD + TABLE_MOST;
        }
        if !self.authors.contains(&(table, author)) {
            weight += AUTHOR_MOST;
        }
        if self.weight + weight > FRAME_MAX {
            return Room::Full;
        }
        self.tables.insert(table);
        self.authors.insert((table, author));
        self.weight += weight;
        self.rows.push((table, key, author, row));
        Room::Taken
    }

    pub(crate) fn fact(&mut self, fact: &Fact) -> Room {
        let Some(weight) = self.facts.take(fact, self.weight) else { return Room::Full };
        self.weight += weight;
        Room::Taken
    }

    /// Takes what is known of one slot of a key in a table of distinct counts. An empty sketch says nothing and is left out.
    pub(crate) fn seen(&mut self, table: u64, seen: Seen) -> Room {
        if seen.sketch.is_empty() {
            return Room::Taken;
        }
        let mut weight = sketches::weight(&seen.sketch);
        if !self.uniques.contains(&table) {
            weight += BLOCK_HEAD + UNIQUES_MOST;
        }
        if self.weight + weight > FRAME_MAX {
            return Room::Full;
        }
        self.uniques.insert(table);
        self.weight += weight;
        self.seen.push((table, seen));
        Room::Taken
    }

    /// Takes an account.
    pub(crate) fn account(&mut self, table: u64, key: Key64, author: Author, account: Account) -> Room {
        let mut weight = accounts::weight(&account);
        if !self.ledgers.contains(&table) {
            weight += BLOCK_HEAD + LEDGER_MOST;
        }
        if self.weight + weight > FRAME_MAX {
            return Room::Full;
        }
        self.ledgers.insert(table);
        self.weight += weight;
        self.accounts.push((table, key, author, account));
        Room::Taken
    }

    /// Takes a session.
    pub(crate) fn session(&mut self, key: Key128, session: Session) -> Room {
        let head = if self.sessions.is_empty() { BLOCK_HEAD + SESSIONS_MOST } else { 0 };
        let weight = head + sessions::weight(&session);
        if self.weight + weight > FRAME_MAX {
            return Room::Full;
        }
        self.weight += weight;
        // One that is in here already was said by the same node just before.
        self.sessions.insert(key, session);
        Room::Taken
    }

    /// Takes what a key's bucket owes, in thousandths of a token. Of a key whose rows are in the same frame, which are read first.
    pub(crate) fn debt(&mut self, table: u64, key: Key64, owed: u64) -> Room {
        let list = if self.debtors.contains(&table) { 0 } else { BLOCK_HEAD + DEBTS_MOST };
        if self.weight + list + DEBT_MOST > FRAME_MAX {
            return Room::Full;
        }
        self.debtors.insert(table);
        self.weight += list + DEBT_MOST;
        self.debts.push((table, key, owed));
        Room::Taken
    }

    /// A frame of a snapshot.
    pub(crate) fn saved(mut self, at: Time) -> Bytes {
        let (debts, debtors) = (std::mem::take(&mut self.debts), std::mem::take(&mut self.debtors));
        let mut out = self.range(&RangeHead { from: 0, to: 0, at: at.0 }, NEWEST).to_vec();
        for table in debtors {
            let of_table = debts.iter().filter(|(of, ..)| *of == table).map(|(_, key, owed)| (*key, *owed));
            let debts = Debts { table, at, debts: of_table.collect() };
            block::put(&mut out, DEBTS, &debts::encode(&debts));
        }
        out.into()
    }

    /// The frame for peers that speak this version.
    pub(crate) fn delta(self, head: &DeltaHead, version: u16) -> Bytes {
        self.finish(frame::start(DELTA, head), version)
    }

    /// The frame for peers that speak this version.
    pub(crate) fn range(self, head: &RangeHead, version: u16) -> Bytes {
        self.finish(frame::start(RANGE, head), version)
    }

    fn finish(self, mut out: Vec<u8>, version: u16) -> Bytes {
        debug_assert!((OLDEST..=NEWEST).contains(&version), "a version that is not spoken");
        self.facts.put(&mut out, version);
        put_rows(&mut out, self.rows, &self.tables);
        put_seen(&mut out, self.seen, &self.uniques);
        if version >= ACCOUNTS_SINCE {
            put_accounts(&mut out, self.accounts, &self.ledgers);
        }
        if version >= SESSIONS_SINCE && !self.sessions.is_empty() {
            block::put(&mut out, SESSIONS, &sessions::encode(&self.sessions));
        }
        out.into()
    }
}

fn put_rows(out: &mut Vec<u8>, mut rows: Vec<(u64, Key64, Author, Row)>, tables: &BTreeSet<u64>) {
    rows.sort_unstable_by_key(|(table, key, author, _)| (*table, *key, *author));
    // A counter that was forgotten and made anew in one tick is in the queue twice.
    rows.dedup_by_key(|(table, key, author, _)| (*table, *key, *author));
    let mut rows = rows.into_iter().peekable();
    for table in tables {
        let mut of_table = Vec::new();
        while let Some((_, key, author, row)) = rows.next_if(|(of, ..)| of == table) {
            of_table.push((key, author, row));
        }
        block::put(out, COUNTERS, &counters::encode(*table, &of_table));
    }
}

fn put_seen(out: &mut Vec<u8>, mut seen: Vec<(u64, Seen)>, tables: &BTreeSet<u64>) {
    seen.sort_by_key(|(table, seen)| (*table, seen.key, seen.slot));
    // As above; here the later one of the two may say less than the first.
    seen.dedup_by(|(other, again), (table, first)| {
        let same = (&other, again.key, again.slot) == (&table, first.key, first.slot);
        if same {
            first.sketch.join(&again.sketch);
        }
        same
    });
    let mut seen = seen.into_iter().peekable();
    for table in tables {
        let mut of_table = Vec::new();
        while let Some((_, of)) = seen.next_if(|(of, _)| of == table) {
            of_table.push(of);
        }
        block::put(out, SKETCHES, &sketches::encode(*table, &of_table));
    }
}

fn put_accounts(out: &mut Vec<u8>, mut accounts: Vec<(u64, Key64, Author, Account)>, tables: &BTreeSet<u64>) {
    // The later of two first: a ledger that was forgotten and made anew in one tick is in the queue twice.
    accounts.sort_unstable_by(|one, other| (other.0, other.1, other.2, &other.3).cmp(&(one.0, one.1, one.2, &one.3)));
    accounts.dedup_by_key(|(table, key, author, _)| (*table, *key, *author));
    for table in tables {
        let mut of_table = Vec::new();
        while let Some((_, key, author, account)) = accounts.pop_if(|(of, ..)| of == table) {
            of_table.push((key, author, account));
        }
        block::put(out, ACCOUNTS, &accounts::encode(*table, &of_table));
    }
}

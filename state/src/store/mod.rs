//! The store: every table of counters and every ban that a node knows, shared by all its threads.
//!
//! Each operation visits one map entry under that entry's lock and returns; no guard leaves this room. A known key is found
//! without allocation. Everything is bounded: tables by [`TABLES_MAX`], keys of a table and bans by the config, authors of
//! one key by [`CONTRIBUTORS_MAX`].
//!
//! What changes here is marked once until the replica takes it ([`dirty`]); what peers say comes in by [`exchange`].

mod bans;
mod dirty;
mod exchange;
mod peers;
mod shards;
mod sweep;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

pub use self::bans::BanError;
pub(crate) use self::bans::Offered;
pub(crate) use self::dirty::FRAME_WORTH;
pub(crate) use self::exchange::Ingested;
pub use self::peers::Peers;
pub use self::table::{TableFull, TableId, TableSpec};
pub use crate::counter::CONTRIBUTORS_MAX;

use self::bans::Bans;
use self::dirty::Dirty;
use self::peers::Heard;
use self::sweep::SweepCursor;
use self::table::Table;
use crate::ban::Ban;
use crate::bucket::{Bucket, Charge};
use crate::identity::{Actor, Author, Incarnation};
use crate::key::{Domain, Key64, Secret};
use crate::time::Time;

/// Tables that one store holds. They are made by configs, never by clients or peers.
pub const TABLES_MAX: usize = 4096;

/// What a store is made of.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Who writes here.
    pub me: Actor,
    /// In which life.
    pub incarnation: Incarnation,
    /// The cluster's secret: the key of all hashes.
    pub secret: [u8; 16],
    /// Keys that one table holds.
    pub keys_max: usize,
    /// Subjects of bans that are remembered.
    pub bans_max: usize,
    /// POPs in the roster, this one included.
    pub roster: u16,
}

/// The state of one node: every table of counters and every ban it knows, shared by all its threads.
///
/// Each operation visits one map entry under that entry's lock and returns. Everything is bounded: tables by
/// [`TABLES_MAX`], keys of a table and bans by the config, authors of one key by [`CONTRIBUTORS_MAX`].
pub struct Store {
    me: Author,
    secret: Secret,
    keys_max: usize,
    tables: Box<[OnceLock<Box<Table>>]>,
    by_identity: Mutex<BTreeMap<u64, TableId>>,
    bans: Bans,
    dirty: Dirty,
    heard: Heard,
    sweep: SweepCursor,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("me", &self.me).field("bans", &self.bans.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(config: StoreConfig) -> Store {
        Store {
            me: Author { actor: config.me, incarnation: config.incarnation },
            secret: Secret::new(config.secret),
            keys_max: config.keys_max,
            tables: (0..TABLES_MAX).map(|_| OnceLock::new()).collect(),
            by_identity: Mutex::default(),
            bans: Bans::new(config.bans_max),
            dirty: Dirty::new(config.roster > 1),
            heard: Heard::new(config.roster),
            sweep: SweepCursor::default(),
        }
    }

    /// Finds or makes the table of this identity. Two configs that state the same identity share its counts.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`] tables already; nothing is made then.
    pub fn table(&self, spec: &TableSpec) -> Result<TableId, TableFull> {
        let identity = spec.identity(&self.secret);
        let mut by_identity = self.by_identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = by_identity.get(&identity) {
            return Ok(*id);
        }
        let free = TableId::new(by_identity.len());
        let (Some(id), Some(place)) = (free, self.tables.get(by_identity.len())) else { return Err(TableFull) };
        place.get_or_init(|| Box::new(Table::new(identity, spec, self.keys_max)));
        by_identity.insert(identity, id);
        Ok(id)
    }

    fn at(&self, id: TableId) -> Option<&Table> {
        self.tables.get(id.index())?.get().map(Box::as_ref)
    }

    /// The keyed hash of a counter's parts. Parts are framed by length, so no two lists of parts run together.
    #[must_use]
    pub fn key(&self, parts: &[&[u8]]) -> Key64 {
        Key64(self.secret.hash64(Domain::Key, parts))
    }

    /// Checks a bucket and, if there is room, charges it: one atomic step, so that no two requests take the same room.
    pub fn charge(&self, table: TableId, key: Key64, bucket: &Bucket, cost: u32, now: Time) -> Charge {
        let Some(at) = self.at(table) else { return Charge::Full };
        at.remember_rate(bucket.rate_per_ms);
        let visit = at.visit(key, now, |counter| {
            let charge = counter.charge(at.widths(), bucket, cost, now);
            let changed = cost > 0 && matches!(charge, Charge::Admitted { .. });
            (charge, changed && self.dirty.mark(at, counter))
        });
        let Some((charge, newly)) = visit else { return Charge::Full };
        if newly {
            self.dirty.counter(table, key);
        }
        charge
    }

    /// The backlog of a bucket in tokens; nothing is charged. The bucket admits while backlog and cost fit its burst.
    #[must_use]
    pub fn level(&self, table: TableId, key: Key64, bucket: &Bucket, now: Time) -> f64 {
        let read = |at: &Table| at.read(key, |counter| counter.level(at.widths(), bucket.rate_per_ms, now));
        self.at(table).and_then(read).unwrap_or(0.0)
    }

    /// Counts `n` without asking. A table at its cap that can forget nothing does not count it.
    pub fn add(&self, table: TableId, key: Key64, n: u32, now: Time) {
        let Some(at) = self.at(table) else { return };
        let visit = at.visit(key, now, |counter| {
            counter.add(at.widths(), n, at.rate(), now);
            n > 0 && self.dirty.mark(at, counter)
        });
        if visit == Some(true) {
            self.dirty.counter(table, key);
        }
    }

    /// What was counted in the last `window_ms`. The newest slots count in full, the one that the window's start lies in by
    /// the part of it that the window covers. Fine slots when eight of them span the window, else coarse ones; a window
    /// longer than eight coarse slots reads as those eight.
    #[must_use]
    pub fn count(&self, table: TableId, key: Key64, window_ms: u64, now: Time) -> u64 {
        let read = |at: &Table| at.read(key, |counter| counter.count(at.widths(), window_ms, now));
        self.at(table).and_then(read).unwrap_or(0)
    }

    /// What each author counted over the eight coarse slots, in the authors' order.
    #[must_use]
    pub fn counts(&self, table: TableId, key: Key64, now: Time) -> Vec<(Actor, Incarnation, u64)> {
        let read = |at: &Table| at.read(key, |counter| counter.sums(at.widths(), self.me, now));
        let sums = self.at(table).and_then(read).unwrap_or_default();
        sums.into_iter().map(|(author, sum)| (author.actor, author.incarnation, sum)).collect()
    }

    /// Keys that a table holds, expired ones included until they are swept.
    #[must_use]
    pub fn keys(&self, table: TableId) -> usize {
        self.at(table).map_or(0, Table::len)
    }

    /// The `n` keys with the greatest sums over the eight coarse slots, greatest first, ties by key. Visits the whole table.
    #[must_use]
    pub fn top(&self, table: TableId, n: usize, now: Time) -> Vec<(Key64, u64)> {
        self.at(table).map(|at| at.top(n, now)).unwrap_or_default()
    }

    /// Bans a subject until an instant, everywhere. A longer ban that holds already stays. Returns what holds.
    ///
    /// # Errors
    /// [`BanError`] when a text is empty or too long, or no more bans fit; nothing changes then.
    pub fn ban(&self, subject: &str, until: Time, level: u8, reason: &str, now: Time) -> Result<Ban, BanError> {
        let (ban, change) = self.bans.ban(&self.secret, self.me.actor, (subject, until, level, reason), now)?;
        self.dirty.ban(change);
        Ok(ban)
    }

    /// Lifts a ban everywhere; returns what held.
    pub fn unban(&self, subject: &str, now: Time) -> Option<Ban> {
        let (ban, change) = self.bans.lift(&self.secret, self.me.actor, subject, now)?;
        self.dirty.ban(change);
        Some(ban)
    }

    /// The ban that holds for a subject.
    #[must_use]
    pub fn banned(&self, subject: &str, now: Time) -> Option<Ban> {
        self.bans.find(&self.secret, subject, |fact| fact.ban.holds(now))
    }

    /// The last ban of a subject, also one that ended less than [`BAN_MEMORY`](crate::BAN_MEMORY) ago; none after a lifting.
    #[must_use]
    pub fn last_ban(&self, subject: &str, now: Time) -> Option<Ban> {
        self.bans.find(&self.secret, subject, |fact| fact.is_remembered(now))
    }

    /// All bans that hold, by subject.
    #[must_use]
    pub fn bans(&self, now: Time) -> Vec<Ban> {
        self.bans.all(now)
    }

    /// How much of the cluster is heard: by whom as the replica last saw it, how long ago as of `now`.
    #[must_use]
    pub fn peers(&self, now: Time) -> Peers {
        self.heard.read(now)
    }

    /// Sets what is called when something waits to be sent and nothing did before, and again when a frame's worth waits.
    /// Called by the thread that changed something, so it must not block. Only the first one set is used.
    pub fn on_dirty(&self, wake: Box<dyn Fn() + Send + Sync>) {
        self.dirty.on_dirty(wake);
    }

    /// Drops what expired in the next 16 of the 256 shards of each table and of the bans, round and round: call it every
    /// second or so. What expired reads as absent before that already.
    pub fn sweep(&self, now: Time) {
        self.sweep_some(now);
    }
}

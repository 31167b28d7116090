//! The store: every table of counters or distinct counts, and every ban and element of a list that a node knows, shared by all
//! its threads.
//!
//! Each operation visits one map entry under that entry's lock and returns; no guard leaves this room. A known key is found
//! without allocation. Everything is bounded: tables by [`TABLES_MAX`], keys of a table, bans and elements by the config,
//! authors of one key by [`CONTRIBUTORS_MAX`].
//!
//! What changes here is marked once until the replica takes it ([`dirty`]); what peers say comes in by [`exchange`].

mod bans;
mod before;
mod carried;
mod cluster;
mod counters;
mod crowd;
mod dense;
mod digests;
mod dirty;
mod entries;
mod estate;
mod exchange;
mod facts;
mod floors;
mod gauges;
mod holds;
mod journal;
mod ledgers;
mod lineage;
mod lists;
mod logged;
mod marks;
mod maxima;
mod named;
mod packed;
mod pages;
mod parts;
mod peak;
mod peers;
mod registers;
mod registry;
mod revocations;
mod rights;
mod room;
mod rosters;
mod session;
mod sessions;
mod settle;
mod shards;
mod shares;
mod sweep;
mod table;
mod uniques;
mod voiding;
mod watches;

use std::fmt;
use std::sync::atomic::AtomicU64;

pub use self::bans::BanError;
pub use self::carried::{Carried, CarriedError, Taken};
pub use self::cluster::Hearing;
pub(crate) use self::digests::{Digests, Instant};
pub(crate) use self::dirty::FRAME_WORTH;
pub use self::estate::{Estate, Inheritance};
pub(crate) use self::exchange::{Ingested, Waiting};
pub(crate) use self::facts::Offered;
pub use self::gauges::GaugeId;
pub(crate) use self::ledgers::LedgerId;
pub use self::ledgers::LedgerSpec;
pub use self::lineage::KIN_MAX;
pub use self::lists::{ListError, ListId};
pub use self::logged::{Revocation, RevocationsMade};
pub use self::marks::{Fill, PurgeError};
pub use self::maxima::{MaxError, MaxId};
pub use self::peak::Overshot;
pub use self::peers::{Peers, Standing};
pub use self::registers::{RegisterEntry, RegisterError, RegistersId};
pub use self::revocations::{RevokeError, RevokedBy};
pub use self::rights::RightsId;
#[cfg(all(loom, test))]
pub(crate) use self::room::{Generations, Rate, Room};
pub use self::rosters::{OVERLAP, SPREAD};
pub use self::shares::SharesId;
pub(crate) use self::table::Told;
pub use self::table::{Coverage, TableFull, TableId, TableSpec};
pub use self::uniques::{UniquesId, UniquesSpec};
pub use self::watches::SessionWatch;
pub use crate::counter::CONTRIBUTORS_MAX;

use self::carried::Children;
use self::cluster::Cluster;
use self::dense::Dense;
#[cfg(not(loom))]
use self::dirty::Dirty;
#[cfg(loom)]
pub(crate) use self::dirty::Dirty;
use self::estate::Closing;
use self::facts::Facts;
use self::ledgers::Ledgers;
use self::lineage::Lineages;
use self::logged::Made;
use self::packed::PackedMarks;
use self::peers::Heard;
use self::registry::Registry;
use self::revocations::Lately;
use self::sessions::Sessions;
use self::sweep::SweepCursor;
use self::table::Table;
use self::uniques::Uniques;
use crate::ban::{Ban, Banning, Statement};
use crate::fact::Kind;
use crate::identity::{Actor, Author, Incarnation};
use crate::key::{Key, Names, Secret, Secrets, Spread};
use crate::list::{ListEntry, Listing, Wanted};
use crate::marks::Marked;
use crate::maximum::Raised;
use crate::register::Registered;
use crate::revocation::Revoked;
use crate::time::Time;
use crate::trail::BanStep;
use crate::void::Voids;

/// Tables of one kind that one store holds: of counters, of distinct counts, and lists. They are made by configs, never by
/// clients or peers.
pub const TABLES_MAX: usize = 4096;

/// What a store is made of.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Who writes here.
    pub me: Actor,
    /// In which life.
    pub incarnation: Incarnation,
    /// The cluster's id: what configs name is hashed by it.
    pub cluster: String,
    /// The cluster's secret in force: the key of all hashes of what clients choose.
    pub secret: [u8; 16],
    /// The one that is known beside it while the secret is rotated, by which peers may write.
    pub secret_beside: Option<[u8; 16]>,
    /// A random number that nobody else knows. It decides where names lie in the maps, so that no peer can choose ones that lie in one place.
    pub salt: u64,
    /// Keys that one table holds.
    pub keys_max: usize,
    /// Subjects of bans that are remembered.
    pub bans_max: usize,
    /// POPs in the roster, this one included.
    pub roster: u16,
}

/// How much a store holds of what counters and bans do not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreBounds {
    /// Keys that one table of distinct counts holds. Default 100,000. A key takes some 120 bytes and 64 more for each live
    /// slot; a slot takes 4 bytes for each of its first 128 values, from then on 1 KiB; half a KiB more until the one after it ended.
    /// With nine slots (15 of 100 ms) full of values, the most, that is 11 KiB (17 KiB).
    pub uniques_max: usize,
    /// Elements that are remembered, in all lists together, those taken out and those that ended less than an hour ago
    /// included; one list has half of it at most. Default 100,000; an element takes some 300 bytes.
    pub lists_max: usize,
    /// Registers that are remembered, in all spaces together. A value is refused where three quarters are taken, or half by its
    /// space, removals and floors counted. Default 100,000; a register takes some 250 bytes and its value.
    pub registers_max: usize,
    /// Numbers that are remembered, in all spaces together. Default 100,000; a number takes some 200 bytes.
    pub maxima_max: usize,
    /// Purge keys that are remembered. Default 100,000; one takes some 200 bytes and 56 more for each actor that purged it.
    pub marks_max: usize,
    /// Keys that one table of gauges, rights or shares holds. Default 100,000. A key takes about 250 bytes, and 150 more for each author
    /// beside this node.
    pub ledgers_max: usize,
    /// Sessions that are remembered. Default 100,000. One takes some 300 bytes, its attributes, and 60 for each author that wrote it; 60 KiB at
    /// most.
    pub sessions_max: usize,
    /// Revocations that are remembered, of all kinds together. Default 1,000,000. One takes some 23 bytes.
    pub revocations_max: usize,
}

impl Default for StoreBounds {
    fn default() -> StoreBounds {
        StoreBounds {
            uniques_max: 100_000,
            lists_max: 100_000,
            registers_max: 100_000,
            maxima_max: 100_000,
            marks_max: 100_000,
            ledgers_max: 100_000,
            sessions_max: 100_000,
            revocations_max: 1_000_000,
        }
    }
}

/// The state of one node: every table of counters and distinct counts and every ban and element of a list it knows, shared by
/// all its threads.
///
/// Each operation visits one map entry under that entry's lock and returns. Everything is bounded: tables by
/// [`TABLES_MAX`], keys of a table, bans and elements by the config, authors of one key by [`CONTRIBUTORS_MAX`].
pub struct Store {
    me: Author,
    secrets: Secrets,
    names: Names,
    keys_max: usize,
    spread: Spread,
    tables: Registry<Table>,
    lineages: Lineages,
    uniques: Uniques,
    lists: Facts<Listing>,
    ledgers: Ledgers,
    bans: Facts<Banning>,
    registers: Facts<Registered>,
    maxima: Facts<Raised>,
    marks: Facts<Marked, PackedMarks>,
    sessions: Sessions,
    revocations: Facts<Revoked, Dense>,
    applied: Lately,
    made: Made,
    purges: AtomicU64,
    children: Children,
    dirty: Dirty,
    heard: Heard,
    cluster: Cluster,
    sweep: SweepCursor,
    voids: Voids,
    closing: Closing,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("me", &self.me).field("bans", &self.bans.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store with the default bounds.
    #[must_use]
    pub fn new(config: StoreConfig) -> Store {
        Store::with_bounds(config, StoreBounds::default())
    }

    /// An empty store.
    #[must_use]
    pub fn with_bounds(config: StoreConfig, bounds: StoreBounds) -> Store {
        let (me, secret) = (Author { actor: config.me, incarnation: config.incarnation }, Secret::new(config.secret));
        let cluster = Cluster::new(me);
        if config.roster <= 1 {
            // Nobody will tell it more: it stands alone.
            cluster.set_roster([me.actor.pop], (0, me.incarnation.began()));
            cluster.agree(me.incarnation.began());
        }
        let spread = Spread::new(&secret, config.salt);
        let lineages = Lineages::new(config.secret_beside.is_some().then_some(config.keys_max), spread);
        Store {
            me,
            keys_max: config.keys_max,
            spread,
            tables: Registry::new(),
            lineages,
            uniques: Uniques::new(bounds.uniques_max, spread),
            lists: Facts::new(bounds.lists_max, me, (&secret, spread)),
            ledgers: Ledgers::new(bounds.ledgers_max, spread),
            bans: Facts::new(config.bans_max, me, (&secret, spread)),
            registers: Facts::new(bounds.registers_max, me, (&secret, spread)),
            maxima: Facts::new(bounds.maxima_max, me, (&secret, spread)),
            marks: Facts::new(bounds.marks_max, me, (&secret, spread)),
            sessions: Sessions::new(bounds.sessions_max, me, spread),
            revocations: revocations::room(bounds.revocations_max, me, (&secret, spread)),
            applied: Lately::default(),
            made: Made::default(),
            purges: AtomicU64::new(0),
            children: Children::default(),
            secrets: Secrets { now: secret, beside: config.secret_beside.map(Secret::new) },
            names: Names::of(&config.cluster),
            dirty: Dirty::new(config.roster > 1),
            heard: Heard::new(config.roster),
            cluster,
            sweep: SweepCursor::default(),
            voids: Voids::default(),
            closing: Closing::default(),
        }
    }

    /// Finds or makes the table of distinct counts of this identity. Two configs that state the same identity share it.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`] of them already; nothing is made then.
    pub fn uniques(&self, spec: &UniquesSpec) -> Result<UniquesId, TableFull> {
        self.uniques.table(&self.names, spec)
    }

    /// Takes a value in. A table at its cap forgets the key touched longest ago; where all wait to be sent, the value is not
    /// counted.
    pub fn observe(&self, table: UniquesId, key: Key, element: &[u8], now: Time) {
        self.uniques.observe(&self.secrets, &self.dirty, (table, key), element, now);
    }

    /// How many different values there were in the slots that the last `window_ms` touch: none of the window is missed, and
    /// values from up to one slot before it count too. A window longer than eight slots reads as those. Up to 128 values are
    /// counted (two of them may be taken for one once in ten thousand times), more are estimated with a standard error of
    /// 3.25 %. Nodes that know the same say the same.
    #[must_use]
    pub fn distinct(&self, table: UniquesId, key: Key, window_ms: u64, now: Time) -> u64 {
        self.uniques.distinct(table, key, window_ms, now)
    }

    /// Keys that a table of distinct counts holds, expired ones included until they are swept.
    #[must_use]
    pub fn uniques_keys(&self, table: UniquesId) -> usize {
        self.uniques.len(table)
    }

    /// Finds or makes the list of this name, the same at every node that names it so.
    ///
    /// # Errors
    /// [`TableFull`] when the store holds [`TABLES_MAX`] lists already; nothing is made then.
    pub fn list(&self, uid: &str) -> Result<ListId, TableFull> {
        self.lists.list(&self.names, uid)
    }

    /// Puts an element into a list or takes it out of it, everywhere, until an instant (ten years away at most). The last
    /// statement about an element counts, whoever made it. One whose `until` has passed already takes back what was said. One list
    /// has half of the elements that fit at most, also where peers speak of it.
    ///
    /// # Errors
    /// [`ListError`] when the element is empty or too long, or no more elements fit; nothing changes then.
    pub fn list_set(
        &self,
        list: ListId,
        element: &str,
        present: bool,
        until: Time,
        now: Time,
    ) -> Result<(), ListError> {
        let wanted = Wanted { present, until, by: self.me.actor, now };
        self.dirty.fact(Kind::Listing, self.lists.set(&self.secrets.now, (list, element), wanted)?);
        Ok(())
    }

    /// Whether [`list_set`](Store::list_set) could state it now. Nothing changes.
    ///
    /// # Errors
    /// [`ListError`], as there.
    pub fn could_list(&self, list: ListId, element: &str, now: Time) -> Result<(), ListError> {
        self.lists.could_set(&self.secrets.now, (list, element), now)
    }

    /// Whether an element is said to be in a list or not to be in it; `None` when nothing is said.
    #[must_use]
    pub fn listed(&self, list: ListId, element: &str, now: Time) -> Option<bool> {
        self.lists.listed(&self.secrets.now, list, element, now)
    }

    /// Whether anything may be said of any element of a list: false means that [`listed`](Store::listed) knows none. One
    /// relaxed load.
    #[must_use]
    pub fn has_listed(&self, list: ListId) -> bool {
        self.lists.has_listed(list)
    }

    /// All that is said of a list, by element. Visits the elements of all lists.
    #[must_use]
    pub fn list_entries(&self, list: ListId, now: Time) -> Vec<ListEntry> {
        self.lists.of(list, now)
    }

    /// Bans a subject until an instant, everywhere. A longer ban that holds already stays. Returns what holds.
    ///
    /// # Errors
    /// [`BanError`] when a text is empty or too long, or no more bans fit; nothing changes then.
    pub fn ban(&self, subject: &str, until: Time, level: u8, reason: &str, now: Time) -> Result<Ban, BanError> {
        let statement = Statement { until, level, reason, by: self.me.actor, now };
        let (ban, change) = self.bans.ban(&self.secrets.now, subject, statement)?;
        self.dirty.fact(Kind::Ban, change);
        Ok(ban)
    }

    /// Whether [`ban`](Store::ban) could state it now. Nothing changes.
    ///
    /// # Errors
    /// [`BanError`], as there.
    pub fn could_ban(&self, subject: &str, reason: &str, now: Time) -> Result<(), BanError> {
        self.bans.could_ban(&self.secrets.now, (subject, reason), now)
    }

    /// Lifts a ban everywhere; returns what held.
    pub fn unban(&self, subject: &str, now: Time) -> Option<Ban> {
        let (ban, change) = self.bans.lift(&self.secrets.now, self.me.actor, subject, now)?;
        self.dirty.fact(Kind::Ban, change);
        Some(ban)
    }

    /// The ban that holds for a subject.
    #[must_use]
    pub fn banned(&self, subject: &str, now: Time) -> Option<Ban> {
        self.bans.find(&self.secrets.now, subject, |fact| fact.ban.holds(now))
    }

    /// The last ban of a subject, also one that ended less than [`BAN_MEMORY`](crate::BAN_MEMORY) ago; none after a lifting.
    #[must_use]
    pub fn last_ban(&self, subject: &str, now: Time) -> Option<Ban> {
        self.bans.find(&self.secrets.now, subject, |fact| fact.is_remembered(now))
    }

    /// All bans that hold, by subject.
    #[must_use]
    pub fn bans(&self, now: Time) -> Vec<Ban> {
        self.bans.all(now)
    }

    /// The bans of a subject that are remembered, the last one first: at most [`TRAIL_MAX`](crate::TRAIL_MAX) beside it. Those before
    /// it that this node did not hear of, since others followed while it was cut off, are missing.
    #[must_use]
    pub fn ban_steps(&self, subject: &str, now: Time) -> Vec<BanStep> {
        self.bans.steps_of(&self.secrets.now, subject, now)
    }

    /// [`ban_steps`](Store::ban_steps) of each subject that has any, by subject.
    #[must_use]
    pub fn all_ban_steps(&self, now: Time) -> Vec<Vec<BanStep>> {
        self.bans.all_steps(now)
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

    /// Drops what expired in the next 16 of the 256 shards of each table, of the bans and of the elements of lists, round and
    /// round: call it every second or so. What expired reads as absent before that already.
    pub fn sweep(&self, now: Time) {
        self.sweep_some(now);
    }
}

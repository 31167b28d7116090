//! The replicated truth of Selvedge: lattices, the concurrent store that holds them, what changed, what a peer lacks, the
//! wire format, and the state machine that keeps peers in step.
//!
//! Two rooms. [`Store`] is shared by every thread that serves requests: each operation is one visit of one map entry.
//! [`Replica`] is owned by one task: inputs go in, frames and events come out, no socket and no clock inside. Time is a
//! parameter everywhere, so that a simulation can run a whole cluster in one thread.
//!
//! Two families of values. *Rows* have one writer each and die by absolute time: counts join by the greatest count of each cell,
//! accounts (gauges, rights, shares) by the latest version of each author. *Facts* may be written by anybody: [bans](Ban) and [elements of lists](ListEntry) join by a
//! total order, the registers of distinct counts by the greatest rank.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ban;
mod bucket;
mod counter;
mod fact;
mod identity;
mod journal;
mod key;
mod ledger;
mod list;
mod marks;
mod maximum;
mod range;
mod register;
mod replica;
mod revocation;
mod rung;
mod session;
mod snapshot;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod time;
mod trail;
mod unique;
mod version;
mod void;
mod walk;
mod wire;

pub use ban::{BAN_LONGEST, BAN_MEMORY, Ban, TEXT_MAX};
pub use bucket::{Bucket, Charge};
pub use fact::{FACT_LONGEST, FACT_MEMORY};
pub use identity::{Actor, Author, Incarnation, PopId, Seq};
pub use journal::{Applied, Journal};
pub use key::{Key, Key64, Key128, Keyed, PurgeKey, SessionKey};
pub use ledger::gauge::{GAUGE_MEMORY, Raised};
pub use ledger::rights::{Epoch, Settled, Spent};
pub use ledger::shares::{Allowance, ERA};
pub use ledger::{AUTHORS_MAX, EPOCH_LONGEST};
pub use list::{ELEMENT_MAX, LIST_LONGEST, LIST_MEMORY, ListEntry};
pub use marks::{Application, DOTS_MAX, Dot, FLOOR_DOTS_MAX};
pub use maximum::Most;
pub use register::VALUE_MAX;
pub use replica::{
    Clocks, CloseReason, Draining, Event, Input, LinkId, Output, PeerState, PeerStatus, Replica, ReplicaConfig, Status,
};
pub use revocation::{CLOCKS_APART, REVOKED_AHEAD, Revocable, RevocationKey};
pub use rung::Rung;
pub use session::{
    CONTEXT_MAX, Covered, SESSION_ATTRIBUTES_MAX, SESSION_COUNTERS_MAX, SESSION_LONGEST, SESSION_NAME_MAX,
    SESSION_ROWS_MAX, SESSION_VALUE_MAX, Session, SessionError, SessionLife, SessionWrite, StatedAttribute, Versioned,
    newest_of,
};
pub use snapshot::{Reading, Restored, Snapshot, SnapshotError, SnapshotHead};
pub use store::{
    BanError, CONTRIBUTORS_MAX, Carried, CarriedError, Coverage, Estate, Fill, GaugeId, Hearing, Inheritance, KIN_MAX,
    LedgerSpec, ListError, ListId, MaxError, MaxId, OVERLAP, Overshot, Peers, PurgeError, RegisterEntry, RegisterError,
    RegistersId, Revocation, RevocationsMade, RevokeError, RevokedBy, RightsId, SPREAD, SessionWatch, SharesId,
    Standing, Store, StoreBounds, StoreConfig, TABLES_MAX, TableFull, TableId, TableSpec, Taken, UniquesId,
    UniquesSpec,
};
pub use time::Time;
pub use trail::{BanStep, TRAIL_MAX};
pub use version::Version;
pub use void::{VOIDS_MAX, Void};
pub use wire::FRAME_MAX;

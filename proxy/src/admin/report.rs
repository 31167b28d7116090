//! What the admin socket says, as types that both ends share.

mod bans;
mod cached;
pub mod explanation;
mod limits;
mod purges;
mod sessions;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use bans::{Ban, BanHistory, BanStep, NewBan, Unban};
pub use cached::{Cached, CachedAt, StoredResponse};
pub use limits::{Bound, Key, Limit, NewOverride, OneKey, Override, Overshot, Reset, Row};
pub use purges::{Missing, NewPurge, OnePurge, Purged, PurgedUrl, Purger, Receipt, What};
pub use sessions::{
    HeldSession, KnownSession, NewRevocation, Revoked, SessionAt, SessionAttribute, SessionCounter, Sessions,
    ShownSession, Whose, Writer, Written,
};

/// `/v1/status`: one node at a glance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The POP's name.
    pub pop: String,
    /// Its region, if it has one.
    pub region: Option<String>,
    /// The program's version.
    pub version: String,
    /// Node time, ms since the Unix epoch.
    pub now: u64,
    /// How far the wall clock is ahead of node time, ms, as last seen. Node time follows it by half a millisecond a second.
    #[serde(default)]
    pub wall_ahead_ms: i64,
    /// Since the process started, ms.
    pub uptime_ms: u64,
    /// This life's number; it grows at every start.
    pub incarnation: u64,
    /// Whether it serves.
    pub ready: bool,
    /// Where it listens for clients.
    pub listening: Vec<SocketAddr>,
    /// The config in force, and what became of newer ones.
    pub config: ConfigStatus,
    /// The other POPs; absent when it is alone.
    pub cluster: Option<Cluster>,
    /// Origins and their servers.
    pub origins: Vec<Origin>,
    /// The cache.
    pub cache: Cache,
    /// What outlives the process; absent when nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// What was taken over from a process that ran; absent where this one began afresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_over: Option<TookOver>,
    /// Limits whose tables are too full to hold all keys they counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partial: Vec<String>,
    /// What was said at run time of keys of limits and holds now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
    /// Bans in force.
    pub bans: usize,
    /// Access-log lines dropped.
    pub log_dropped: u64,
}

/// Where state outlives the process, and how it fares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The folder.
    pub path: PathBuf,
    /// When the newest snapshot began, node time; absent while this process has written none.
    pub written_at: Option<u64>,
    /// How long it took, ms.
    pub took_ms: Option<u64>,
    /// How long it is, bytes.
    pub bytes: Option<u64>,
    /// Why the newest could not be written; the one before is still there.
    pub error: Option<String>,
    /// What this process found at its start.
    pub restored: Option<Restored>,
    /// Why what it found was not taken.
    pub refused: Option<String>,
    /// What the life before had left of quotas, which this one has now.
    pub inherited: Option<Inherited>,
    /// The same of a life that did not end in order: nobody has it until the periods end.
    pub void: Option<Inherited>,
    /// The log of purges, where the cache has a tier on disk.
    #[serde(default)]
    pub purges: Option<PurgesKept>,
    /// The log of what was run under idempotency keys.
    #[serde(default)]
    pub runs: Option<RunsKept>,
    /// The log of what was revoked since the last snapshot.
    #[serde(default)]
    pub revocations: Option<RevocationsKept>,
}

/// The log of what was run under idempotency keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsKept {
    /// Keys that are known.
    pub keys: usize,
    /// How long it is, bytes.
    pub bytes: u64,
    /// Why no request with a key is run, if so.
    pub error: Option<String>,
}

/// The log of revocations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationsKept {
    /// How long it is, bytes.
    pub bytes: u64,
    /// Why some revocations are not in it, nor in a snapshot yet.
    pub error: Option<String>,
    /// Why something of it could not be read at the start.
    pub damaged: Option<String>,
}

/// The log of purges, and what follows for what is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgesKept {
    /// How long it is, bytes.
    pub bytes: u64,
    /// Whether anything is served from disk: not before all others said what they purged meanwhile.
    pub serves: bool,
    /// Why nothing of what earlier processes stored on disk is.
    pub forgotten: Option<String>,
    /// Why purges are not logged any more.
    pub error: Option<String>,
}

/// What a life had left of quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// Keys, one for each period.
    pub keys: u64,
    /// What is left of them, all in all.
    pub left: u64,
}

/// What was read at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When the snapshot began, node time of the process that wrote it.
    pub at: u64,
    /// The life that wrote it.
    pub incarnation: u64,
    /// Rows, facts and sketches that were taken.
    pub taken: u64,
    /// Those that were over, or of tables that the config has no longer, or that there was no room for.
    pub left: u64,
}

/// What a process took over from the one before it, while that ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TookOver {
    /// When, node time.
    pub at: u64,
    /// The life of the process before.
    pub incarnation: u64,
    /// Rows, facts and sketches that were taken the last time it told what it knew.
    pub taken: u64,
    /// Those that were over, or of tables that the config has no longer, or that there was no room for.
    pub left: u64,
    /// Why not all that it told was taken.
    pub error: Option<String>,
}

/// The config's standing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// What tells the config in force from another.
    pub revision: String,
    /// When it was loaded, node time, ms since the Unix epoch.
    pub loaded_at: u64,
    /// Where it was read; absent when it came from the command line.
    pub path: Option<PathBuf>,
    /// Why the newest config could not be used, in full; absent when the newest one is in force.
    pub last_error: Option<String>,
    /// When it could not, node time.
    pub failed_at: Option<u64>,
    /// Keys that were changed since the start and need a restart.
    pub needs_restart: Vec<String>,
}

/// `POST /v1/reload`: what was done.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reloaded {
    /// The revision before.
    pub from: String,
    /// The revision in force.
    pub to: String,
    /// Files that hold something else than before, that are new, or that are no longer named.
    pub changed: Vec<PathBuf>,
    /// Keys that were changed since the start and need a restart.
    pub needs_restart: Vec<String>,
}

/// The replicated state's standing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cluster {
    /// POPs in the roster.
    pub roster: u16,
    /// POPs heard, this one included.
    pub heard: u16,
    /// Age of the newest thing heard from the peer heard least, ms.
    pub lag_ms: u64,
    /// settled; warming while it has just started and not every POP has said yet what it knows; clock while its clock is further from
    /// that of most POPs than 500 ms.
    #[serde(default)]
    pub standing: String,
    /// How far the median of the clocks heard, its own among them, is ahead of its own, ms; of two in the middle the nearer one.
    #[serde(default)]
    pub offset_ms: i64,
    /// The number of this node in its POP.
    #[serde(default)]
    pub node: u32,
    /// The id of the cluster secret in force at this node.
    #[serde(default)]
    pub secret: String,
    /// The id of the one that is known beside it; absent while none is rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_beside: Option<String>,
    /// NATS; absent where peers have a connection each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nats: Option<Nats>,
    /// Where it listens for peers.
    pub listening: SocketAddr,
    /// Whether an operator keeps it apart.
    #[serde(default)]
    pub apart: bool,
    /// Each other POP.
    pub peers: Vec<Peer>,
    /// Connections refused lately, the newest last.
    pub refused: Vec<Refused>,
}

/// NATS, where peers are reached over it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nats {
    /// Since when this node is connected, node time; absent while it goes on alone.
    pub connected_at: Option<u64>,
    /// Other nodes that are there.
    pub nodes: usize,
    /// Messages that did not fit or had nowhere to go, and were lost: the nodes tell each other what they lack.
    pub lost: u64,
    /// The last thing that went wrong.
    pub error: Option<String>,
}

/// `POST /v1/cluster`: whether the node keeps apart from its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apart {
    /// Whether it exchanges nothing.
    pub apart: bool,
}

/// One other POP.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Peer {
    /// Its name in the roster.
    pub pop: String,
    /// The number of the node in that POP.
    #[serde(default)]
    pub node: u32,
    /// up, down or never heard.
    pub state: String,
    /// Age of the newest thing heard, ms; absent when nothing ever was.
    pub lag_ms: Option<u64>,
    /// Worst round trip of the last few, ms.
    pub rtt_ms: Option<u64>,
    /// How far its clock is ahead, ms, as the quickest of the last few round trips tells.
    #[serde(default)]
    pub offset_ms: Option<i64>,
    /// agrees, or differs: no counts are exchanged with it then.
    #[serde(default)]
    pub clock: String,
    /// Its life's number.
    pub incarnation: Option<u64>,
    /// The id of the cluster secret in force there.
    #[serde(default)]
    pub secret: Option<String>,
    /// What it has not acknowledged yet.
    pub behind: u64,
    /// Its life before, while that hands over to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Draining>,
    /// Payload bytes received from it.
    pub bytes_in: u64,
    /// Payload bytes sent to it.
    pub bytes_out: u64,
    /// The last thing that went wrong.
    pub error: Option<String>,
}

/// A life that hands over to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draining {
    /// Its number.
    pub incarnation: u64,
    /// What it has not acknowledged yet.
    pub behind: u64,
}

/// A peer connection that was refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refused {
    /// Who tried, or who was tried.
    pub address: String,
    /// Why not.
    pub cause: String,
    /// Node time, ms since the Unix epoch.
    pub at: u64,
}

/// One origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Origin {
    /// Its name in the config.
    pub name: String,
    /// Its servers.
    pub servers: Vec<Server>,
    /// The POP through which it is asked for what is to be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shield: Option<Shield>,
}

/// The POP that shields an origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shield {
    /// Its name.
    pub pop: String,
    /// `asked`, `not heard`, or `passed over` since it failed too often; `itself` at that POP.
    pub state: String,
}

/// One server of an origin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// As in the config.
    pub name: String,
    /// What its name resolves to; empty when it never resolved.
    pub addresses: Vec<SocketAddr>,
    /// Passed over since it failed too often.
    pub ejected: bool,
    /// It gets no new clients.
    #[serde(default)]
    pub drains: bool,
}

/// The cache's standing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cache {
    /// Bytes held.
    pub bytes: u64,
    /// Bytes it may hold.
    pub bytes_max: u64,
    /// Objects held.
    pub objects: u64,
    /// Objects evicted since the start.
    pub evicted: u64,
    /// What is on the disk; absent where the config names no folder for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskCache>,
}

/// The cache on the disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DiskCache {
    /// Whether it takes and gives anything.
    pub on: bool,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes they may have.
    pub bytes_max: u64,
    /// Files.
    pub objects: u64,
}

impl From<crate::cache::DiskStats> for DiskCache {
    fn from(stats: crate::cache::DiskStats) -> DiskCache {
        let crate::cache::DiskStats { is_on, bytes, capacity, objects, .. } = stats;
        DiskCache { on: is_on, bytes, bytes_max: capacity, objects }
    }
}

/// `/v1/lists`: one list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct List {
    /// Its name in the config.
    pub name: String,
    /// addresses, strings, needles or patterns.
    pub kind: String,
    /// Where it is written.
    pub place: String,
    /// Its file, if it has one.
    pub file: Option<PathBuf>,
    /// Elements of its file and of the config.
    pub base: usize,
    /// What was said at run time and holds now, by element.
    pub entries: Vec<ListEntry>,
}

/// What was said at run time of an element of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListEntry {
    /// The element, addresses as the network of one address.
    pub element: String,
    /// Whether it is in the list, or out of it whatever the file says.
    pub present: bool,
    /// Node time from when on nothing is said of it any more, ms since the Unix epoch.
    pub until: u64,
    /// When it was said, by the clock of the POP that did.
    pub made_at: u64,
    /// The POP that said it.
    pub made_by: String,
}

/// `POST /v1/lists/NAME` puts it into the list, `DELETE` takes it out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewListEntry {
    /// The element: for addresses an address, or an IPv6 network of /64; for strings any text of at most 128 bytes.
    pub element: String,
    /// How long, ms.
    pub for_ms: u64,
}

/// `/v1/counters`: one counter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counter {
    /// Its name in the config.
    pub name: String,
    /// Where it is written.
    pub place: String,
    /// How far back it reaches, ms.
    pub window_ms: u64,
    /// Keys it counts by now.
    pub keys: usize,
    /// The keys with most, or the one asked for.
    pub top: Vec<Counted>,
}

/// One key of a counter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    /// Its keyed hash, hex: keys themselves are not kept.
    pub hash: String,
    /// What was counted in its window, all POPs.
    pub count: u64,
    /// What is still remembered, by POP and life; that may be more than the window's.
    pub rows: Vec<Row>,
}

/// A line of a tail that is about the tail itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The POP it is about.
    pub pop: String,
    /// So many lines were lost before this one, because they came faster than they were read, or while the config changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<u64>,
    /// Why nothing comes from there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What the socket says when it cannot do what was asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    /// What is wrong, for people.
    pub error: String,
    /// When a config is what is wrong: its problems, each with file, line and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<serde_json::Value>,
}

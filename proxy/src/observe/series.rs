//! Every metric there is, with its name, help and labels, and how many series of it a config can make:
//! [`Metrics`](super::Metrics) registers what stands here, and `selvedge metrics budget` counts it before anything runs.

use selvedge_conf::Config;
use selvedge_filters::challenge::Refused;

use super::meters;

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What makes its series.
    by: By,
}

/// What makes the series of a metric: so many for each of these.
#[derive(Debug, Clone, Copy)]
enum By {
    /// A fixed number of them.
    Fixed(usize),
    /// For each site, and for hosts of none.
    Site(usize),
    /// For each limit.
    Limit(usize),
    /// For each origin.
    Origin(usize),
    /// For each idempotency policy.
    Idempotency(usize),
    /// For each rule that is not off.
    Rule,
    /// For each rule that closes connections.
    Closing,
    /// For each peer, in a cluster.
    Peer(usize),
}

/// Series that make a scrape dear; more than this is worth a warning.
pub const SERIES_MAX: usize = 20_000;

/// Buckets of the histogram of durations, the last one without bound, and its sum and count.
const DURATION: usize = 14 + 1 + 2;
/// Answer classes, and none.
const CLASSES: usize = 6;
/// hit, miss, collapsed, revalidated, bypass.
const RESULTS: usize = 5;
/// stored, aborted, outgrown, refused.
const FILLS: usize = 4;
/// hard, soft.
const REACHES: usize = 2;
/// url, tag, group, prefix, host, all.
const PURGE_KINDS: usize = 6;
/// Reasons for which purges are refused.
const PURGE_REFUSALS: usize = 4;
/// refused, would_refuse, uncounted, delayed, tagged.
const DECISIONS: usize = 5;
/// connect, timeout, broken, invalid, ejected.
const FAILURES: usize = 5;
/// Peers that are reckoned with: a config does not say how long its roster is.
const PEERS: usize = 16;
/// What a replica tells of a peer.
pub(super) const PEER_EVENTS: usize = 19;
/// Seven of links, three of NATS, twenty-three of the replica.
pub(super) const EVENTS: usize = 33;
/// shield, fallback, origin.
const WAYS: usize = 3;
/// fresh, behind, absent, idle, revoked, revoked_user, revoked_tenant, and the seven reasons for which a cookie is not believed.
const STANDINGS: usize = 14;
/// started, rotated, revoked, refused, failed.
const SESSION_CHANGES_MADE: usize = 5;
/// arrived, fetched, behind, unheard.
const SESSION_WAITS_MADE: usize = 4;
/// user, tenant and token by a rule and by an operator, user and tenant by an origin.
const REVOKED_BY: usize = 8;
/// first, repeat, alone, not-run, lost, and reasons for which a request is refused.
const RUN_OUTCOMES: usize = 5 + 11;
/// posed, solved, failed.
const OUTCOMES: usize = 3;
/// loaded, failed.
const RELOADS: usize = 2;

const fn family(name: &'static str, help: &'static str, labels: &'static [&'static str], by: By) -> Family {
    Family { name, help, labels, by }
}

pub(super) const BANS: Family = family("selvedge_bans", "Bans in force.", &[], By::Fixed(1));
pub(super) const CACHE_BYTES: Family = family("selvedge_cache_bytes", "Bytes the cache holds.", &[], By::Fixed(1));
pub(super) const CACHE_DISK_BYTES: Family =
    family("selvedge_cache_disk_bytes", "Bytes the cache has on the disk.", &[], By::Fixed(1));
pub(super) const CACHE_DISK_FILES: Family = family(
    "selvedge_cache_disk_files_total",
    "Files of the cache on the disk by event: hit, stored, dropped (too much waited to be written), evicted, damaged.",
    &["event"],
    By::Fixed(5),
);
pub(super) const CACHE_DISK_OBJECTS: Family =
    family("selvedge_cache_disk_objects", "Objects the cache has on the disk.", &[], By::Fixed(1));
pub(super) const CACHE_DISK_ON: Family = family(
    "selvedge_cache_disk_on",
    "1 while the cache on the disk takes and gives objects; 0 where it is off, or there is none.",
    &[],
    By::Fixed(1),
);
pub(super) const CACHE_EVICTIONS: Family =
    family("selvedge_cache_evictions_total", "Objects that made room for others.", &[], By::Fixed(1));
pub(super) const CACHE_FILLS: Family = family(
    "selvedge_cache_fills_total",
    "Responses on their way into the cache, by what became of them.",
    &["outcome"],
    By::Fixed(FILLS),
);
pub(super) const CACHE_OBJECTS: Family =
    family("selvedge_cache_objects", "Objects the cache holds.", &[], By::Fixed(1));
pub(super) const CACHE_PURGED: Family = family(
    "selvedge_cache_purged_total",
    "Objects that were asked for and found purged.",
    &["reach"],
    By::Fixed(REACHES),
);
pub(super) const CACHE_REQUESTS: Family =
    family("selvedge_cache_requests_total", "Requests by what the cache did.", &["result"], By::Fixed(RESULTS));
pub(super) const CHALLENGES: Family = family(
    "selvedge_challenges_total",
    "Challenges by what became of them here: posed, solved, failed.",
    &["outcome"],
    By::Fixed(OUTCOMES),
);
pub(super) const CHALLENGES_FAILED: Family = family(
    "selvedge_challenges_failed_total",
    "What was sent as a solution and is none, by why.",
    &["reason"],
    By::Fixed(Refused::ALL.len()),
);
pub(super) const CLOCK_OFFSET_MS: Family = family(
    "selvedge_clock_offset_ms",
    "How far the median of the clocks heard is ahead of node time.",
    &[],
    By::Fixed(1),
);
pub(super) const CLUSTER_SETTLED: Family =
    family("selvedge_cluster_settled", "1 unless warming, or with a clock that differs from most.", &[], By::Fixed(1));
pub(super) const CLOCK_WALL_AHEAD_MS: Family =
    family("selvedge_clock_wall_ahead_ms", "How far the wall clock is ahead of node time.", &[], By::Fixed(1));
pub(super) const CLUSTER_EVENTS: Family =
    family("selvedge_cluster_events_total", "What happened to the replicated state.", &["event"], By::Fixed(EVENTS));
pub(super) const CLUSTER_HEARD: Family =
    family("selvedge_cluster_heard", "Nodes heard, this one included.", &[], By::Fixed(1));
pub(super) const CLUSTER_LAG_MS: Family =
    family("selvedge_cluster_lag_ms", "Age of the newest thing heard from the peer heard least.", &[], By::Fixed(1));
pub(super) const CLUSTER_ROSTER: Family =
    family("selvedge_cluster_roster", "Nodes known, this one included.", &[], By::Fixed(1));
pub(super) const CONFIG_INFO: Family =
    family("selvedge_config_info", "The config in force.", &["revision"], By::Fixed(1));
pub(super) const CONFIG_LAST_RELOAD_SUCCESS: Family =
    family("selvedge_config_last_reload_success", "Whether the newest config could be used.", &[], By::Fixed(1));
pub(super) const CONFIG_LAST_RELOAD_TIMESTAMP_SECONDS: Family =
    family("selvedge_config_last_reload_timestamp_seconds", "When the config in force was loaded.", &[], By::Fixed(1));
pub(super) const CONFIG_RELOADS: Family = family(
    "selvedge_config_reloads_total",
    "Configs loaded, the first one included, by what became of them.",
    &["result"],
    By::Fixed(RELOADS),
);
pub(super) const CONNECTIONS_DENIED: Family =
    family("selvedge_connections_denied_total", "Connections that a rule had closed.", &["rule"], By::Closing);
pub(super) const HTTP_REQUEST_DURATION_SECONDS: Family = family(
    "selvedge_http_request_duration_seconds",
    "From the header to the end of the answer.",
    &[],
    By::Fixed(DURATION),
);
pub(super) const HTTP_REQUESTS: Family =
    family("selvedge_http_requests_total", "Requests answered.", &["site", "status_class"], By::Site(CLASSES));
pub(super) const IDEMPOTENCY_KEYS: Family = family(
    "selvedge_idempotency_keys",
    "Idempotency keys that this node knows; absent where nothing outlives the process.",
    &[],
    By::Fixed(1),
);
pub(super) const IDEMPOTENCY_LOG_BROKEN: Family = family(
    "selvedge_idempotency_log_broken",
    "1 when what is about to be run cannot be written down, or what was run is not known, so that nothing is run; absent without a log.",
    &[],
    By::Fixed(1),
);
pub(super) const IDEMPOTENCY_LOG_BYTES: Family = family(
    "selvedge_idempotency_log_bytes",
    "Bytes on the disk of what was run under idempotency keys; absent without a log.",
    &[],
    By::Fixed(1),
);
pub(super) const IDEMPOTENCY_REQUESTS: Family = family(
    "selvedge_idempotency_requests_total",
    "Requests that an idempotency policy is for, by what came of them.",
    &["policy", "outcome"],
    By::Idempotency(RUN_OUTCOMES),
);
pub(super) const IDEMPOTENCY_SERVED: Family = family(
    "selvedge_idempotency_served_total",
    "Requests of other POPs whose key this one answers for, by what came of them.",
    &["outcome"],
    By::Fixed(RUN_OUTCOMES),
);
pub(super) const LIMIT_DECISIONS: Family = family(
    "selvedge_limit_decisions_total",
    "Requests a limit did not just admit.",
    &["limit", "decision"],
    By::Limit(DECISIONS),
);
pub(super) const LIMIT_KEYS: Family =
    family("selvedge_limit_keys", "Keys a limit counts by now.", &["limit"], By::Limit(1));
pub(super) const LIMIT_PARTIAL: Family = family(
    "selvedge_limit_partial",
    "Whether a limit's table is too full to hold all keys it counted (1) or holds them all (0).",
    &["limit"],
    By::Limit(1),
);
pub(super) const LIMIT_OVERRIDES: Family = family(
    "selvedge_limit_overrides",
    "What was said of a limit's keys at run time and holds now.",
    &["limit"],
    By::Limit(1),
);
pub(super) const LIMIT_OVERSHOT: Family = family(
    "selvedge_limit_overshot_requests",
    "Requests beyond burst and rate that were admitted for one key at most, as far as this node came to know since its start.",
    &["limit"],
    By::Limit(1),
);
pub(super) const LOG_DROPPED: Family =
    family("selvedge_log_dropped_total", "Access-log lines dropped.", &[], By::Fixed(1));
pub(super) const NATS_CONNECTED: Family =
    family("selvedge_nats_connected", "1 while connected to NATS; absent without it.", &[], By::Fixed(1));
pub(super) const NATS_LOST: Family =
    family("selvedge_nats_lost_total", "Messages that were lost on their way, to be repaired.", &[], By::Fixed(1));
pub(super) const NATS_NODES: Family =
    family("selvedge_nats_nodes", "Other nodes that are there over NATS.", &[], By::Fixed(1));
pub(super) const ORIGIN_FAILURES: Family =
    family("selvedge_origin_failures_total", "Tries that an origin failed.", &["origin", "kind"], By::Origin(FAILURES));
pub(super) const PURGE_LOG_BROKEN: Family = family(
    "selvedge_purge_log_broken",
    "1 when purges cannot be logged, so that nothing is served from disk; absent without a log.",
    &[],
    By::Fixed(1),
);
pub(super) const PURGE_LOG_BYTES: Family =
    family("selvedge_purge_log_bytes", "Length of the log of purges; absent without one.", &[], By::Fixed(1));
pub(super) const PURGES_REFUSED: Family = family(
    "selvedge_purges_refused_total",
    "Requests to purge that were refused.",
    &["reason"],
    By::Fixed(PURGE_REFUSALS),
);
pub(super) const PURGES: Family =
    family("selvedge_purges_total", "Purges made at this node.", &["kind", "reach"], By::Fixed(PURGE_KINDS * REACHES));
pub(super) const REVOCATION_LOG_BROKEN: Family = family(
    "selvedge_revocation_log_broken",
    "1 while some of what was revoked here is neither in its log nor in a snapshot; absent without a log.",
    &[],
    By::Fixed(1),
);
pub(super) const REVOCATION_LOG_BYTES: Family =
    family("selvedge_revocation_log_bytes", "Length of the log of revocations; absent without one.", &[], By::Fixed(1));
pub(super) const RULE_EFFECTS_UNDONE: Family = family(
    "selvedge_rule_effects_undone_total",
    "Effects of rules that could not be carried out.",
    &["rule"],
    By::Rule,
);
pub(super) const RULE_MATCHES: Family =
    family("selvedge_rule_matches_total", "Times a rule matched.", &["rule", "action", "mode"], By::Rule);
pub(super) const TAIL_DROPPED: Family =
    family("selvedge_tail_dropped_total", "Lines lost to those who tail.", &[], By::Fixed(1));
pub(super) const TAILS: Family = family("selvedge_tails", "Tails that are open.", &[], By::Fixed(1));

pub(super) const PEER_EVENTS_TOTAL: Family = family(
    "selvedge_peer_events_total",
    "What the replicated state met with at a peer: each kind of trouble once per link.",
    &["peer", "event"],
    By::Peer(PEER_EVENTS),
);
pub(super) const REVOCATIONS: Family =
    family("selvedge_revocations", "Revocations held, by what is revoked.", &["what"], By::Fixed(4));
pub(super) const REVOCATIONS_FLOOR: Family = family(
    "selvedge_revocations_floor_seconds",
    "Unix time before which all of a kind is revoked, since not all revocations fitted; 0 where all did.",
    &["what"],
    By::Fixed(4),
);
pub(super) const REVOCATIONS_MADE: Family = family(
    "selvedge_revocations_total",
    "Users, tenants and tokens revoked here.",
    &["what", "by"],
    By::Fixed(REVOKED_BY),
);
pub(super) const SESSION_CHANGES: Family = family(
    "selvedge_session_changes_total",
    "Sessions started, rotated and revoked; refused (what an origin said of one cannot be done) and failed (there is no room).",
    &["change"],
    By::Fixed(SESSION_CHANGES_MADE),
);
pub(super) const SESSION_REQUESTS: Family = family(
    "selvedge_session_requests_total",
    "Requests to sites with sessions, by what their cookie came to: fresh, behind (not all is known here), absent, idle, revoked (by itself, its user or its tenant), or why it is not believed.",
    &["standing"],
    By::Fixed(STANDINGS),
);
pub(super) const SESSION_WAITS: Family = family(
    "selvedge_session_waits_total",
    "Requests whose client wrote what is not known here: it arrived, was fetched, they are behind, or its writer is unheard.",
    &["outcome"],
    By::Fixed(SESSION_WAITS_MADE),
);
pub(super) const SESSIONS: Family = family("selvedge_sessions", "Sessions held.", &[], By::Fixed(1));
pub(super) const SHIELD_FILLS: Family = family(
    "selvedge_shield_fills_total",
    "Requests to a shielded origin for what is to be stored, by the way that they went: shield, fallback (the shield did not answer), origin (it was not asked).",
    &["origin", "way"],
    By::Origin(WAYS),
);
pub(super) const SHIELD_SERVED: Family = family(
    "selvedge_shield_served_total",
    "Requests of other POPs that fetch through this one, by what the cache did; refused when there was no answer for them.",
    &["result"],
    By::Fixed(RESULTS + 1),
);
pub(super) const SNAPSHOT_FAILURES: Family =
    family("selvedge_snapshot_failures_total", "Snapshots that could not be written.", &[], By::Fixed(1));
pub(super) const SNAPSHOT_TIMESTAMP_SECONDS: Family = family(
    "selvedge_snapshot_timestamp_seconds",
    "When the newest snapshot began; 0 before the first.",
    &[],
    By::Fixed(1),
);

/// All metrics, by name.
pub const FAMILIES: [Family; 64] = [
    BANS,
    CACHE_BYTES,
    CACHE_DISK_BYTES,
    CACHE_DISK_FILES,
    CACHE_DISK_OBJECTS,
    CACHE_DISK_ON,
    CACHE_EVICTIONS,
    CACHE_FILLS,
    CACHE_OBJECTS,
    CACHE_PURGED,
    CACHE_REQUESTS,
    CHALLENGES_FAILED,
    CHALLENGES,
    CLOCK_OFFSET_MS,
    CLOCK_WALL_AHEAD_MS,
    CLUSTER_EVENTS,
    CLUSTER_HEARD,
    CLUSTER_LAG_MS,
    CLUSTER_ROSTER,
    CLUSTER_SETTLED,
    CONFIG_INFO,
    CONFIG_LAST_RELOAD_SUCCESS,
    CONFIG_LAST_RELOAD_TIMESTAMP_SECONDS,
    CONFIG_RELOADS,
    CONNECTIONS_DENIED,
    HTTP_REQUEST_DURATION_SECONDS,
    HTTP_REQUESTS,
    IDEMPOTENCY_KEYS,
    IDEMPOTENCY_LOG_BROKEN,
    IDEMPOTENCY_LOG_BYTES,
    IDEMPOTENCY_REQUESTS,
    IDEMPOTENCY_SERVED,
    LIMIT_DECISIONS,
    LIMIT_KEYS,
    LIMIT_OVERRIDES,
    LIMIT_OVERSHOT,
    LIMIT_PARTIAL,
    LOG_DROPPED,
    NATS_CONNECTED,
    NATS_LOST,
    NATS_NODES,
    ORIGIN_FAILURES,
    PEER_EVENTS_TOTAL,
    PURGE_LOG_BROKEN,
    PURGE_LOG_BYTES,
    PURGES,
    PURGES_REFUSED,
    REVOCATION_LOG_BROKEN,
    REVOCATION_LOG_BYTES,
    REVOCATIONS,
    REVOCATIONS_FLOOR,
    REVOCATIONS_MADE,
    RULE_EFFECTS_UNDONE,
    RULE_MATCHES,
    SESSIONS,
    SESSION_CHANGES,
    SESSION_REQUESTS,
    SESSION_WAITS,
    SHIELD_FILLS,
    SHIELD_SERVED,
    SNAPSHOT_FAILURES,
    SNAPSHOT_TIMESTAMP_SECONDS,
    TAIL_DROPPED,
    TAILS,
];

impl Family {
    /// The most series it can have with a config.
    pub fn series(&self, config: &Config) -> usize {
        match self.by {
            By::Fixed(series) => series,
            By::Site(each) => (config.sites.len() + 1) * each,
            By::Limit(each) => config.limits.len() * each,
            By::Origin(each) => config.origins.len() * each,
            By::Idempotency(each) => config.idempotencies.len() * each,
            By::Rule => config.rules.iter().filter_map(meters::labels).count(),
            By::Peer(each) => config.cluster.as_ref().map_or(0, |_| PEERS * each),
            By::Closing => config.rules.iter().filter(|rule| meters::closes(rule)).count(),
        }
    }
}

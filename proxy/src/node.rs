//! One running edge: what lives from start to end, the plan in force, and what may be said about both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use selvedge_conf::{Mode, Scope};
use selvedge_filters::client_net;
use selvedge_filters::limit::Limit;
use selvedge_state::{Actor, Ban, Clocks, Coverage, Incarnation, Key, PeerState, PopId, Standing, Store, Time};

use crate::admin::{report, unknown};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::edge::origin::Origin;
use crate::front::Certificates;
use crate::keep::Keeper;
use crate::link::nats::FabricStatus;
use crate::link::secret::SecretId;
use crate::link::{Links, Refusal};
use crate::observe::metrics::Reading;
use crate::observe::{AccessLog, Metrics};
use crate::plan::{Ground, Groups, Plan, Reloads};
use crate::witness::Witness;

/// One batch of changes waits at most this long before it is sent (ms); see the replica's batching.
const BATCH_MS: u64 = 25;

/// Keys listed for one limit.
const TOP: usize = 10;

/// Everything that one process serves with.
pub struct Node {
    /// What requests are served by. A request takes it once, so that it sees one plan to its end.
    pub plan: ArcSwap<Plan>,
    /// How plans came and come to be.
    pub reloads: Reloads,
    /// Numbers for the origins of plans to come.
    pub groups: Groups,
    /// For each TLS address, what it answers with.
    pub certificates: Vec<Arc<Certificates>>,
    /// Node time.
    pub clock: Clock,
    /// Who it is, for the others.
    pub me: Actor,
    /// Which life of it this is.
    pub incarnation: Incarnation,
    /// The secret in force, and the one beside it.
    pub secrets: (SecretId, Option<SecretId>),
    /// The replicated state.
    pub store: Arc<Store>,
    /// What writes the state where it outlives the process; nothing where the config names no folder.
    pub keeper: Option<Keeper>,
    /// The cache.
    pub cache: &'static Cache,
    /// Counters for operators.
    pub metrics: Metrics,
    /// One line a request.
    pub log: Arc<AccessLog>,
    /// Where clients connect.
    pub listening: Vec<SocketAddr>,
    /// Names of all POPs by id.
    pub pops: Pops,
    /// What goes by, and what was refused lately.
    pub witness: Witness,
    /// The admin socket.
    pub socket: PathBuf,
    pub(crate) links: std::sync::OnceLock<Arc<Links>>,
    pub(crate) ready: AtomicBool,
    /// Whether a successor took over from this process.
    pub(crate) handed_over: AtomicBool,
    /// What it took over from another process itself.
    pub(crate) took_over: Mutex<Option<report::TookOver>>,
    pub(crate) started: Time,
}

/// The names of POPs by id, for reports, as the roster in force has them.
#[derive(Debug)]
pub struct Pops(ArcSwap<Vec<(PopId, String)>>);

impl Pops {
    /// The names in a roster.
    pub fn new(pops: Vec<(PopId, String)>) -> Pops {
        Pops(ArcSwap::from_pointee(pops))
    }

    /// Takes those of another roster.
    pub fn renew(&self, pops: Vec<(PopId, String)>) {
        self.0.store(Arc::new(pops));
    }

    /// A POP's name, or its number when the roster has none.
    pub fn name(&self, id: PopId) -> String {
        self.0
            .load()
            .iter()
            .find(|(pop, _)| *pop == id)
            .map_or_else(|| format!("pop-{}", id.0), |(_, name)| name.clone())
    }

    /// The POP of that name.
    pub fn named(&self, name: &str) -> Option<PopId> {
        self.0.load().iter().find(|(_, pop)| pop == name).map(|(id, _)| *id)
    }

    /// All but one.
    pub fn others(&self, me: PopId) -> Vec<PopId> {
        self.0.load().iter().map(|(id, _)| *id).filter(|id| *id != me).collect()
    }

    /// All names, for messages.
    pub fn names(&self) -> Vec<String> {
        self.0.load().iter().map(|(_, name)| name.clone()).collect()
    }
}

impl Node {
    /// Whether it serves: listeners up, and not on its way out. Peers have no say in it.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// A successor has taken over: what is this node's is no longer this process's.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Ordering::Relaxed);
    }

    /// Whether one has.
    pub(crate) fn has_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }

    /// What it took over from the process before, while that ran.
    pub(crate) fn took_over(&self) -> Option<report::TookOver> {
        self.took_over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_took_over(&self, took: Option<report::TookOver>) {
        *self.took_over.lock().unwrap_or_else(PoisonError::into_inner) = took;
    }

    /// What plans are made with.
    pub fn ground(&self) -> Ground<'_> {
        Ground { store: &self.store, metrics: &self.metrics, groups: &self.groups }
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn metrics_text(&self) -> Result<String, prometheus::Error> {
        let plan = self.plan.load();
        let peers = self.store.peers(self.clock.now());
        let reading = Reading {
            cache: self.cache.stats(),
            log_dropped: self.log.dropped(),
            peers_heard: peers.heard,
            peers_roster: peers.roster,
            lag_ms: peers.lag_ms,
            wall_ahead_ms: self.clock.wall_ahead_ms(),
            offset_ms: self.links.get().map_or(0, |links| links.status().state.ahead_ms),
            nats: self.links.get().and_then(|links| links.fabric()),
            settled: peers.standing == Standing::Settled,
            bans: self.store.bans(self.clock.now()).len(),
            limit_keys: plan.filters.limits().iter().map(|limit| self.store.keys(limit.table())).collect(),
            limit_coverage: plan.filters.limits().iter().map(|limit| self.coverage(limit)).collect(),
            tails: self.witness.hub.tails(),
            tail_dropped: self.witness.hub.dropped(),
        };
        self.metrics.text(&plan.config, &reading)
    }

    /// The node at a glance.
    pub fn status(&self) -> report::Status {
        let now = self.clock.now();
        let cache = self.cache.stats();
        let plan = self.plan.load();
        report::Status {
            pop: plan.config.pop.name.clone(),
            region: plan.config.pop.region.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: now.0,
            wall_ahead_ms: self.clock.wall_ahead_ms(),
            uptime_ms: now.0.saturating_sub(self.started.0),
            incarnation: self.incarnation.0,
            ready: self.is_ready(),
            listening: self.listening.clone(),
            cluster: self.links.get().map(|links| self.cluster(links)),
            config: self.reloads.status(&plan.config.revision),
            origins: plan.origins.iter().map(|origin| self.origin(origin, now)).collect(),
            cache: report::Cache {
                bytes: cache.bytes,
                bytes_max: plan.config.storage.memory,
                objects: cache.objects,
                evicted: cache.evicted,
            },
            kept: self.keeper.as_ref().map(Keeper::status),
            took_over: self.took_over(),
            partial: self.partial(&plan),
            bans: self.store.bans(now).len(),
            log_dropped: self.log.dropped(),
        }
    }

    fn coverage(&self, limit: &Limit) -> Coverage {
        self.store.coverage(limit.table(), self.clock.now())
    }

    fn partial(&self, plan: &Plan) -> Vec<String> {
        let limits = plan.filters.limits().iter().filter(|limit| self.coverage(limit) == Coverage::Partial);
        limits.map(|limit| limit.facts().name.clone()).collect()
    }

    fn cluster(&self, links: &Links) -> report::Cluster {
        let peers = self.store.peers(self.clock.now());
        let status = links.status();
        let peer = |peer: selvedge_state::PeerStatus| {
            let trouble =
                status.peers.iter().find(|links| links.pop == peer.actor.pop).and_then(|links| links.trouble.clone());
            report::Peer {
                pop: self.pops.name(peer.actor.pop),
                node: peer.actor.node,
                state: state_name(peer.state).to_owned(),
                lag_ms: peer.lag_ms,
                rtt_ms: peer.rtt_ms,
                offset_ms: peer.ahead_ms,
                clock: clock_name(peer.clocks).to_owned(),
                incarnation: peer.incarnation.map(|incarnation| incarnation.0),
                secret: peer.secret_id.map(|id| SecretId(id).to_string()),
                behind: peer.behind,
                draining: peer
                    .draining
                    .map(|older| report::Draining { incarnation: older.incarnation.0, behind: older.behind }),
                bytes_in: peer.bytes_in,
                bytes_out: peer.bytes_out,
                // Trouble of the link is over once the peer is heard; what the replica complains of is not.
                error: peer.last_error.or(trouble.filter(|_| peer.state != PeerState::Up).map(|(_, cause)| cause)),
            }
        };
        report::Cluster {
            roster: peers.roster,
            heard: peers.heard,
            lag_ms: peers.lag_ms,
            standing: standing_name(peers.standing).to_owned(),
            offset_ms: status.state.ahead_ms,
            node: self.me.node,
            secret: self.secrets.0.to_string(),
            secret_beside: self.secrets.1.map(|id| id.to_string()),
            nats: status.fabric.map(nats),
            listening: status.local_address,
            apart: links.is_apart(),
            peers: status.state.peers.into_iter().map(peer).collect(),
            refused: status.refused.into_iter().map(refused).collect(),
        }
    }

    fn origin(&self, origin: &Origin, now: Time) -> report::Origin {
        let server = |(name, addresses, ejected)| report::Server { name, addresses, ejected };
        report::Origin {
            name: origin.name().to_owned(),
            servers: origin.servers(now).into_iter().map(server).collect(),
        }
    }

    /// All limits; with the busiest keys of each.
    pub fn limits(&self) -> Vec<report::Limit> {
        let lag = self.charge_lag_ms();
        self.plan.load().filters.limits().iter().map(|limit| self.limit(limit, None, lag)).collect()
    }

    /// One limit. `key` has a value for each part of its key, in the config's order; without it the busiest keys are told.
    ///
    /// # Errors
    /// In words, when there is no such limit or the key does not fit it.
    pub fn limit_named(&self, name: &str, key: &[String]) -> Result<report::Limit, String> {
        let plan = self.plan.load();
        let limit = plan.filters.limit_named(name).ok_or_else(|| {
            unknown("limit", name, plan.filters.limits().iter().map(|limit| limit.facts().name.as_str()))
        })?;
        let key = if key.is_empty() { None } else { Some(limit.key_of(key, &self.store)?) };
        Ok(self.limit(limit, key, self.charge_lag_ms()))
    }

    fn limit(&self, limit: &Limit, key: Option<Key>, lag_ms: u64) -> report::Limit {
        let now = self.clock.now();
        let facts = limit.facts();
        let keys = match key {
            Some(key) => vec![key],
            None => self.store.top(limit.table(), TOP, now).into_iter().map(|(key, _)| key).collect(),
        };
        let bound = limit.bound();
        report::Limit {
            name: facts.name.clone(),
            rate: format!("{}/{}s", facts.rate.count, facts.rate.per.as_secs_f64()),
            burst: facts.burst,
            scope: match facts.scope {
                Scope::Global => "global",
                Scope::Pop => "pop",
            }
            .to_owned(),
            class: facts.class.text(),
            mode: match facts.mode {
                Mode::Enforce => "enforce",
                Mode::Monitor => "monitor",
            }
            .to_owned(),
            place: facts.place.to_string(),
            keys: self.store.keys(limit.table()),
            partial: self.coverage(limit) == Coverage::Partial,
            bound: report::Bound {
                rate_per_s: bound.rate_per_s,
                burst: bound.burst,
                slot_ms: u64::try_from(bound.slot.as_millis()).unwrap_or(u64::MAX),
                lag_ms,
                slots: match bound.overdraft {
                    Some(_) => 0.0,
                    None => bound.beyond(0.0, std::time::Duration::from_millis(lag_ms)),
                },
                overdraft: bound.overdraft,
                formula: match bound.overdraft {
                    Some(_) => "admitted(s,t] <= burst + rate (t-s) + overdraft",
                    None => "admitted(s,t] <= burst + rate (t-s) + slots + arrival rate x lag",
                }
                .to_owned(),
            },
            top: keys.into_iter().map(|key| self.limit_key(limit, key, now)).collect(),
        }
    }

    fn limit_key(&self, limit: &Limit, key: Key, now: Time) -> report::Key {
        let rows: Vec<report::Row> = self
            .store
            .counts(limit.table(), key, now)
            .into_iter()
            .map(|(actor, incarnation, count)| report::Row {
                pop: self.pops.name(actor.pop),
                incarnation: incarnation.0,
                count,
            })
            .collect();
        report::Key {
            hash: key.to_string(),
            count: rows.iter().map(|row| row.count).sum(),
            rows,
            level: self.store.level(limit.table(), key, &limit.bucket(), now),
        }
    }

    /// How late a charge made here may be known at another POP, ms: the worst round trip seen lately bounds the way there
    /// whichever direction is slow, and a batch waits before it leaves.
    fn charge_lag_ms(&self) -> u64 {
        let Some(links) = self.links.get() else { return 0 };
        let peers = links.status().state.peers;
        peers.iter().filter_map(|peer| peer.rtt_ms).max().map_or(0, |rtt| rtt + BATCH_MS)
    }

    /// Bans in force, by subject.
    pub fn bans(&self) -> Vec<report::Ban> {
        self.store.bans(self.clock.now()).into_iter().map(|ban| self.ban_report(ban)).collect()
    }

    fn ban_report(&self, ban: Ban) -> report::Ban {
        report::Ban {
            subject: ban.subject.to_string(),
            until: ban.until.0,
            level: ban.level,
            reason: ban.reason.to_string(),
            made_at: ban.made_at.0,
            made_by: self.pops.name(ban.made_by.pop),
            applied_at: ban.applied_at.0,
        }
    }

    /// Bans a client network everywhere.
    ///
    /// # Errors
    /// In words, when the subject or the reason cannot be used, or no more bans fit.
    pub fn ban(&self, new: &report::NewBan) -> Result<report::Ban, String> {
        let subject = subject(&new.subject)?;
        for (prefix, whose) in
            [(selvedge_filters::PENALTY_PREFIX, "penalties"), (selvedge_filters::RULE_PREFIX, "bans by rules")]
        {
            if new.reason.starts_with(prefix) {
                return Err(format!("a reason may not start with {prefix:?}: those of {whose} do"));
            }
        }
        if new.for_ms == 0 {
            return Err("a ban lasts at least 1 ms".to_owned());
        }
        let now = self.clock.now();
        let until = Time(now.0.saturating_add(new.for_ms));
        let ban = self.store.ban(&subject, until, 0, &new.reason, now).map_err(|error| error.to_string())?;
        Ok(self.ban_report(ban))
    }

    /// Lifts a ban everywhere.
    ///
    /// # Errors
    /// In words, when the subject cannot be used or is not banned.
    pub fn unban(&self, old: &report::Unban) -> Result<report::Ban, String> {
        let subject = subject(&old.subject)?;
        let lifted = self.store.unban(&subject, self.clock.now());
        lifted.map(|ban| self.ban_report(ban)).ok_or_else(|| format!("{subject} is not banned"))
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Settled => "settled",
        Standing::Warming => "warming",
        Standing::Clock => "clock",
    }
}

fn clock_name(clocks: Clocks) -> &'static str {
    match clocks {
        Clocks::Agree => "agrees",
        Clocks::Differ => "differs",
    }
}

fn state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::Up => "up",
        PeerState::Down => "down",
        PeerState::NeverHeard => "never heard",
    }
}

fn nats(status: FabricStatus) -> report::Nats {
    let FabricStatus { connected, members, lost, trouble } = status;
    report::Nats { connected_at: connected.map(|at| at.0), nodes: members, lost, error: trouble }
}

fn refused(refusal: Refusal) -> report::Refused {
    let cause = match refusal.times {
        1 => refusal.cause.to_string(),
        times => format!("{} ({times} times)", refusal.cause),
    };
    report::Refused { address: refusal.from, cause, at: refusal.at.0 }
}

/// The subject of a ban: an address as the network it counts as, or just such a network.
fn subject(text: &str) -> Result<String, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(client_net(address).to_string());
    }
    let net: ipnet::IpNet = text.parse().map_err(|_| format!("{text:?} is neither an address nor a network"))?;
    let counted = client_net(net.network());
    if counted.prefix_len() != net.prefix_len() {
        return Err(format!("bans are on networks as clients are counted: {counted}, not {net}"));
    }
    Ok(counted.to_string())
}

//! One running edge: what lives from start to end, the plan in force, and what may be said about both.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use selvedge_filters::limit::Limit;
use selvedge_state::{Actor, Clocks, Coverage, Incarnation, Overshot, PeerState, PopId, Standing, Store, Time};

use crate::admin::{Repeats, report};
use crate::cache::Cache;
use crate::clock::Clock;
use crate::edge::Waiting;
use crate::edge::origin::{Origin, Shown};
use crate::front::Certificates;
use crate::keep::{Keeper, PurgeLog, RevocationLog, Runs};
use crate::link::nats::FabricStatus;
use crate::link::secret::SecretId;
use crate::link::{Links, Refusal};
use crate::observe::metrics::Reading;
use crate::observe::{AccessLog, Metrics};
use crate::plan::{Ground, Groups, Plan, Reloads};
use crate::witness::Witness;

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
    /// The log of purges, where the cache has a disk tier.
    pub purge_log: Option<Arc<PurgeLog>>,
    /// The cache.
    pub cache: &'static Cache,
    /// Requests that wait for room under a limit.
    pub waiting: Waiting,
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
    /// What was answered there under a key.
    pub(crate) repeats: Repeats,
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

    /// What was run under idempotency keys, where anything outlives the process.
    pub(crate) fn runs(&self) -> Option<&Arc<Runs>> {
        self.keeper.as_ref().and_then(Keeper::runs)
    }

    /// The log of what is revoked here, where anything outlives the process.
    pub(crate) fn revocation_log(&self) -> Option<&Arc<RevocationLog>> {
        self.keeper.as_ref().and_then(Keeper::revocations)
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
            purge_log: self.purge_log.as_ref().map(|log| log.standing()),
            runs: self.runs().map(|runs| runs.status()),
            revocation_log: self.revocation_log().map(|log| log.status()),
            settled: peers.standing == Standing::Settled,
            bans: self.store.bans(self.clock.now()).len(),
            sessions: self.store.session_count(),
            revocations: selvedge_filters::revocation::held(&self.store),
            limit_keys: plan.filters.limits().iter().map(|limit| limit.keys(&self.store)).collect(),
            limit_coverage: plan.filters.limits().iter().map(|limit| self.coverage(limit)).collect(),
            limit_overrides: plan.filters.limits().iter().map(|limit| self.overrides(limit)).collect(),
            limit_overshot: plan
                .filters
                .limits()
                .iter()
                .map(|limit| self.overshot(limit).map_or(0.0, |overshot| overshot.by))
                .collect(),
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
                disk: cache.disk.map(report::DiskCache::from),
            },
            kept: self.keeper.as_ref().map(Keeper::status),
            took_over: self.took_over(),
            partial: self.partial(&plan),
            overrides: crate::admin::overrides(self, &plan),
            bans: self.store.bans(now).len(),
            log_dropped: self.log.dropped(),
        }
    }

    /// Whether a limit's table holds all keys that it counted.
    pub(crate) fn coverage(&self, limit: &Limit) -> Coverage {
        limit.coverage(&self.store, self.clock.now())
    }

    fn overrides(&self, limit: &Limit) -> usize {
        limit.overrides().all(&self.store, self.clock.now()).len()
    }

    /// By how much the first rate of a limit was overshot.
    pub(crate) fn overshot(&self, limit: &Limit) -> Option<Overshot> {
        self.store.overshot(limit.table()?)
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
        let server = |shown: Shown<'_>| report::Server {
            name: shown.name.to_owned(),
            addresses: shown.addresses,
            ejected: shown.ejected,
            drains: shown.drains,
        };
        report::Origin {
            name: origin.name().to_owned(),
            servers: origin.servers(now).map(server).collect(),
            shield: self.shield(origin, now),
        }
    }

    fn shield(&self, origin: &Origin, now: Time) -> Option<report::Shield> {
        let plan = self.plan.load();
        let pop = plan.parents.shield(origin.name())?;
        let state = match plan.parents.of(origin.name()) {
            None => "itself",
            Some(_) if !self.store.hears_pop(pop) => "not heard",
            Some(parent) if !parent.way().is_up(now) => "passed over",
            Some(_) => "asked",
        };
        Some(report::Shield { pop: self.pops.name(pop), state: state.to_owned() })
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

//! Metrics: the only place that knows what they are made of; [`series`](super::series) names them.
//!
//! Every label value comes from the config or from a closed enum, so the number of series is known when the config is. What is
//! counted per request is looked up once for each config ([`Meters`]), and not by label on the way.

use std::collections::{HashMap, HashSet};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use selvedge_conf::{Config, Named};
use selvedge_filters::challenge::{Outcome, Refused};
use selvedge_filters::revocation::Held;
use selvedge_filters::session::Standing;
use selvedge_state::{Coverage, Time};

use super::cached::CacheGauges;
use super::meters::{self, Families, Meters};
use super::runs::RunMeters;
use super::series::{self, Family};
use super::sessions::{Revoker, SessionChange, SessionCounters, SessionWait};
use crate::cache::Stats;
use crate::keep::{LogStatus, RevocationsStatus, RunsStatus};
use crate::link::nats::FabricStatus;

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// By site and class.
    requests: IntCounterVec,
    /// By limit and decision.
    decisions: IntCounterVec,
    duration: Histogram,
    cache: IntCounterVec,
    /// By rule, action and mode.
    rules: IntCounterVec,
    /// By rule.
    undone: IntCounterVec,
    /// By rule.
    connections: IntCounterVec,
    events: IntCounterVec,
    peer_events: IntCounterVec,
    origin_failures: IntCounterVec,
    shield_fills: IntCounterVec,
    shield_served: IntCounterVec,
    purges: IntCounterVec,
    purges_refused: IntCounterVec,
    sessions: SessionCounters,
    /// By outcome.
    challenges: IntCounterVec,
    /// By reason.
    challenges_failed: IntCounterVec,
    config: ConfigMetrics,
    snapshot: Gauge,
    snapshot_failures: IntCounter,
    /// Of requests that are run once.
    pub runs: RunMeters,
    gauges: Gauges,
}

#[derive(Debug)]
struct ConfigMetrics {
    info: IntGaugeVec,
    success: IntGauge,
    timestamp: Gauge,
    reloads: IntCounterVec,
}

#[derive(Debug)]
struct Gauges {
    cache: CacheGauges,
    log_dropped: IntCounter,
    peers_heard: IntGauge,
    peers_roster: IntGauge,
    lag: IntGauge,
    wall_ahead: IntGauge,
    offset: IntGauge,
    nats_connected: IntGaugeVec,
    nats_nodes: IntGaugeVec,
    nats_lost: IntCounterVec,
    purge_log_bytes: IntGaugeVec,
    purge_log_broken: IntGaugeVec,
    revocation_log_bytes: IntGaugeVec,
    revocation_log_broken: IntGaugeVec,
    settled: IntGauge,
    bans: IntGauge,
    limit_keys: IntGaugeVec,
    limit_partial: IntGaugeVec,
    limit_overrides: IntGaugeVec,
    limit_overshot: GaugeVec,
    tails: IntGauge,
    tail_dropped: IntCounter,
}

/// What is read from elsewhere when the metrics are asked for.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The cache.
    pub cache: Stats,
    /// Access-log lines dropped.
    pub log_dropped: u64,
    /// POPs heard, this one included.
    pub peers_heard: u16,
    /// POPs in the roster.
    pub peers_roster: u16,
    /// Age of the newest thing heard from the peer heard least, ms.
    pub lag_ms: u64,
    /// How far the wall clock is ahead of node time, ms.
    pub wall_ahead_ms: i64,
    /// How far the median of the clocks heard is ahead of node time, ms.
    pub offset_ms: i64,
    /// NATS, where peers are reached over it.
    pub nats: Option<FabricStatus>,
    /// The log of purges, where there is one.
    pub purge_log: Option<LogStatus>,
    /// What was run under idempotency keys, where anything outlives the process.
    pub runs: Option<RunsStatus>,
    /// The log of revocations, where anything outlives the process.
    pub revocation_log: Option<RevocationsStatus>,
    /// Neither warming nor with a clock that differs from most.
    pub settled: bool,
    /// Bans in force.
    pub bans: usize,
    /// Sessions held.
    pub sessions: usize,
    /// Revocations held, by what is revoked.
    pub revocations: [Held; 4],
    /// Keys in each limit's table, by limit.
    pub limit_keys: Vec<usize>,
    /// Whether each limit's table holds all keys it counted, by limit.
    pub limit_coverage: Vec<Coverage>,
    /// What was said of each limit's keys at run time and holds, by limit.
    pub limit_overrides: Vec<usize>,
    /// By how much each limit was overshot at most, requests, by limit.
    pub limit_overshot: Vec<f64>,
    /// Who tail now.
    pub tails: usize,
    /// Lines lost to those who tail.
    pub tail_dropped: u64,
}

impl Metrics {
    /// The metrics of a process that has no config yet.
    ///
    /// # Errors
    /// When two metrics have one name, which cannot be.
    pub fn new() -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let counters = |family: &Family| counters(&registry, family);
        let duration = HistogramOpts::from(opts(&series::HTTP_REQUEST_DURATION_SECONDS))
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        Ok(Metrics {
            requests: counters(&series::HTTP_REQUESTS)?,
            decisions: counters(&series::LIMIT_DECISIONS)?,
            duration: registered(&registry, Histogram::with_opts(duration)?)?,
            cache: counters(&series::CACHE_REQUESTS)?,
            rules: counters(&series::RULE_MATCHES)?,
            undone: counters(&series::RULE_EFFECTS_UNDONE)?,
            connections: counters(&series::CONNECTIONS_DENIED)?,
            events: counters(&series::CLUSTER_EVENTS)?,
            peer_events: counters(&series::PEER_EVENTS_TOTAL)?,
            origin_failures: counters(&series::ORIGIN_FAILURES)?,
            shield_fills: counters(&series::SHIELD_FILLS)?,
            shield_served: counters(&series::SHIELD_SERVED)?,
            purges: counters(&series::PURGES)?,
            purges_refused: counters(&series::PURGES_REFUSED)?,
            sessions: SessionCounters::new(&registry)?,
            challenges: counters(&series::CHALLENGES)?,
            challenges_failed: counters(&series::CHALLENGES_FAILED)?,
            config: ConfigMetrics::new(&registry)?,
            snapshot: registered(&registry, Gauge::with_opts(opts(&series::SNAPSHOT_TIMESTAMP_SECONDS))?)?,
            snapshot_failures: registered(&registry, IntCounter::with_opts(opts(&series::SNAPSHOT_FAILURES))?)?,
            runs: RunMeters::new(&registry)?,
            gauges: Gauges::new(&registry)?,
            registry,
        })
    }

    /// The counters of a config's names. Names that were counted before go on where they were.
    pub fn meters(&self, config: &Config) -> Meters {
        Meters::new(
            config,
            Families {
                requests: &self.requests,
                decisions: &self.decisions,
                duration: &self.duration,
                cache: &self.cache,
                rules: &self.rules,
                undone: &self.undone,
                connections: &self.connections,
            },
        )
    }

    /// A config came into force. Series of names that it has no longer are gone from here on, so that as many series are kept
    /// as the config has names, however often it changes.
    pub fn config_loaded(&self, config: &Config, now: Time) {
        let sites: Vec<String> = meters::sites(config).collect();
        retain(&self.requests, "site", |site| sites.iter().any(|name| name == site));
        retain(&self.decisions, "limit", |limit| config.limits.iter().any(|facts| facts.name == limit));
        let rules: HashSet<[&str; 3]> = config.rules.iter().filter_map(meters::labels).collect();
        let names: HashSet<&str> = rules.iter().map(|[rule, ..]| *rule).collect();
        let known = |labels: &Labels<'_>| labels.get("rule").is_some_and(|rule| names.contains(rule));
        retain_all(&self.rules, |labels| {
            let found = ["rule", "action", "mode"].map(|label| labels.get(label).copied().unwrap_or_default());
            rules.contains(&found)
        });
        retain_all(&self.undone, known);
        retain_all(&self.connections, known);
        retain(&self.origin_failures, "origin", |origin| config.origins.iter().any(|facts| facts.name == origin));
        let is_shielded = |origin: &str| config.origins.iter().any(|facts| facts.shield && facts.name == origin);
        retain(&self.shield_fills, "origin", is_shielded);
        retain(&self.runs.requests, "policy", |name| config.idempotencies.iter().any(|policy| policy.name == name));
        self.gauges.limit_keys.reset();
        self.gauges.limit_partial.reset();
        self.gauges.limit_overrides.reset();
        self.gauges.limit_overshot.reset();
        self.config.info.reset();
        self.config.info.with_label_values(&[config.revision.as_str()]).set(1);
        self.config.success.set(1);
        self.config.timestamp.set(now.0 as f64 / 1000.0);
        self.config.reloads.with_label_values(&["loaded"]).inc();
    }

    /// A config could not be used; the one before it stays.
    pub fn config_failed(&self) {
        self.config.success.set(0);
        self.config.reloads.with_label_values(&["failed"]).inc();
    }

    /// A snapshot that began then is on the disk.
    pub fn snapshot_written(&self, began: Time) {
        self.snapshot.set(began.0 as f64 / 1000.0);
    }

    /// A snapshot could not be written.
    pub fn snapshot_failed(&self) {
        self.snapshot_failures.inc();
    }

    /// A try at an origin failed.
    pub fn origin_failed(&self, origin: &str, kind: &'static str) {
        self.origin_failures.with_label_values(&[origin, kind]).inc();
    }

    /// What is to be stored of a shielded origin is asked for by this way.
    pub fn filled(&self, origin: &str, way: &'static str) {
        self.shield_fills.with_label_values(&[origin, way]).inc();
    }

    /// A request of another POP that fetches through this one is over.
    pub fn served(&self, result: &'static str) {
        self.shield_served.with_label_values(&[result]).inc();
    }

    /// Something was purged here, of a kind and as far as this.
    pub fn purged(&self, kind: &str, reach: &str) {
        self.purges.with_label_values(&[kind, reach]).inc();
    }

    /// A request to purge was refused, for this reason.
    pub fn purge_refused(&self, reason: &str) {
        self.purges_refused.with_label_values(&[reason]).inc();
    }

    /// A request to a site that has sessions came in.
    pub fn session_met(&self, standing: Standing) {
        self.sessions.met(standing);
    }

    /// A request waited for what its client wrote elsewhere.
    pub fn session_waited(&self, wait: SessionWait) {
        self.sessions.waited(wait);
    }

    /// Something became of a session.
    pub fn session_changed(&self, change: SessionChange) {
        self.sessions.changed(change);
    }

    /// A user, a tenant or a token was revoked here.
    pub fn revoked(&self, what: Named, by: Revoker) {
        self.sessions.revoked(what, by);
    }

    /// An answer had to do with challenges; why, where there is no pass for what was sent.
    pub fn challenge(&self, outcome: Option<Outcome>, refused: Option<Refused>) {
        if let Some(outcome) = outcome {
            self.challenges.with_label_values(&[outcome.as_str()]).inc();
        }
        if let Some(refused) = refused {
            self.challenges_failed.with_label_values(&[refused.as_str()]).inc();
        }
    }

    /// Something happened to the replicated state.
    pub fn event(&self, name: &str) {
        self.events.with_label_values(&[name]).inc();
    }

    /// The same, about one peer.
    pub fn peer_event(&self, peer: &str, name: &str) {
        self.event(name);
        self.peer_events.with_label_values(&[peer, name]).inc();
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn text(&self, config: &Config, reading: &Reading) -> Result<String, prometheus::Error> {
        self.gauges.set(config, reading);
        self.sessions.set(reading.sessions, &reading.revocations);
        self.runs.set(reading.runs.as_ref());
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl ConfigMetrics {
    fn new(registry: &Registry) -> Result<ConfigMetrics, prometheus::Error> {
        Ok(ConfigMetrics {
            info: gauges(registry, &series::CONFIG_INFO)?,
            success: registered(registry, IntGauge::with_opts(opts(&series::CONFIG_LAST_RELOAD_SUCCESS))?)?,
            timestamp: registered(registry, Gauge::with_opts(opts(&series::CONFIG_LAST_RELOAD_TIMESTAMP_SECONDS))?)?,
            reloads: counters(registry, &series::CONFIG_RELOADS)?,
        })
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Gauges, prometheus::Error> {
        let gauge = |family: &Family| registered(registry, IntGauge::with_opts(opts(family))?);
        let counter = |family: &Family| registered(registry, IntCounter::with_opts(opts(family))?);
        Ok(Gauges {
            cache: CacheGauges::new(registry)?,
            log_dropped: counter(&series::LOG_DROPPED)?,
            peers_heard: gauge(&series::CLUSTER_HEARD)?,
            peers_roster: gauge(&series::CLUSTER_ROSTER)?,
            lag: gauge(&series::CLUSTER_LAG_MS)?,
            wall_ahead: gauge(&series::CLOCK_WALL_AHEAD_MS)?,
            offset: gauge(&series::CLOCK_OFFSET_MS)?,
            nats_connected: gauges(registry, &series::NATS_CONNECTED)?,
            nats_nodes: gauges(registry, &series::NATS_NODES)?,
            nats_lost: counters(registry, &series::NATS_LOST)?,
            purge_log_bytes: gauges(registry, &series::PURGE_LOG_BYTES)?,
            purge_log_broken: gauges(registry, &series::PURGE_LOG_BROKEN)?,
            revocation_log_bytes: gauges(registry, &series::REVOCATION_LOG_BYTES)?,
            revocation_log_broken: gauges(registry, &series::REVOCATION_LOG_BROKEN)?,
            settled: gauge(&series::CLUSTER_SETTLED)?,
            bans: gauge(&series::BANS)?,
            limit_keys: gauges(registry, &series::LIMIT_KEYS)?,
            limit_partial: gauges(registry, &series::LIMIT_PARTIAL)?,
            limit_overrides: gauges(registry, &series::LIMIT_OVERRIDES)?,
            limit_overshot: registered(
                registry,
                GaugeVec::new(opts(&series::LIMIT_OVERSHOT), series::LIMIT_OVERSHOT.labels)?,
            )?,
            tails: gauge(&series::TAILS)?,
            tail_dropped: counter(&series::TAIL_DROPPED)?,
        })
    }

    fn set(&self, config: &Config, reading: &Reading) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.cache.set(&reading.cache);
        raise(&self.log_dropped, reading.log_dropped);
        raise(&self.tail_dropped, reading.tail_dropped);
        self.tails.set(whole(reading.tails as u64));
        self.peers_heard.set(reading.peers_heard.into());
        self.peers_roster.set(reading.peers_roster.into());
        self.lag.set(whole(reading.lag_ms));
        self.wall_ahead.set(reading.wall_ahead_ms);
        self.offset.set(reading.offset_ms);
        // Where there is no NATS there is nothing to say of it.
        if let Some(nats) = &reading.nats {
            self.nats_connected.with_label_values::<&str>(&[]).set(nats.connected.is_some().into());
            self.nats_nodes.with_label_values::<&str>(&[]).set(whole(nats.members as u64));
            raise(&self.nats_lost.with_label_values::<&str>(&[]), nats.lost);
        }
        if let Some(log) = &reading.purge_log {
            self.purge_log_bytes.with_label_values::<&str>(&[]).set(whole(log.bytes));
            self.purge_log_broken.with_label_values::<&str>(&[]).set(log.broken.is_some().into());
        }
        if let Some(log) = &reading.revocation_log {
            self.revocation_log_bytes.with_label_values::<&str>(&[]).set(whole(log.bytes));
            self.revocation_log_broken.with_label_values::<&str>(&[]).set(log.error.is_some().into());
        }
        self.settled.set(reading.settled.into());
        self.bans.set(whole(reading.bans as u64));
        for (limit, keys) in config.limits.iter().zip(&reading.limit_keys) {
            self.limit_keys.with_label_values(&[limit.name.as_str()]).set(whole(*keys as u64));
        }
        for (limit, coverage) in config.limits.iter().zip(&reading.limit_coverage) {
            let partial = i64::from(*coverage == Coverage::Partial);
            self.limit_partial.with_label_values(&[limit.name.as_str()]).set(partial);
        }
        for (limit, overrides) in config.limits.iter().zip(&reading.limit_overrides) {
            self.limit_overrides.with_label_values(&[limit.name.as_str()]).set(whole(*overrides as u64));
        }
        for (limit, overshot) in config.limits.iter().zip(&reading.limit_overshot) {
            self.limit_overshot.with_label_values(&[limit.name.as_str()]).set(*overshot);
        }
    }
}

/// The labels of one series.
type Labels<'a> = HashMap<&'a str, &'a str>;

/// Removes the series whose `label` is not one to keep.
fn retain(counters: &IntCounterVec, label: &str, keep: impl Fn(&str) -> bool) {
    retain_all(counters, |labels| labels.get(label).is_some_and(|value| keep(value)));
}

/// Removes the series that are not to be kept.
fn retain_all(counters: &IntCounterVec, keep: impl Fn(&Labels<'_>) -> bool) {
    for family in counters.collect() {
        for metric in family.get_metric() {
            let labels: Labels<'_> = metric.get_label().iter().map(|label| (label.name(), label.value())).collect();
            if !keep(&labels) {
                // Gone already is gone too.
                let _ = counters.remove(&labels);
            }
        }
    }
}

/// Sets a counter to what is counted elsewhere; it never falls.
pub(super) fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

pub(super) fn counters(registry: &Registry, family: &Family) -> Result<IntCounterVec, prometheus::Error> {
    registered(registry, IntCounterVec::new(opts(family), family.labels)?)
}

pub(super) fn gauges(registry: &Registry, family: &Family) -> Result<IntGaugeVec, prometheus::Error> {
    registered(registry, IntGaugeVec::new(opts(family), family.labels)?)
}

pub(super) fn opts(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

pub(super) fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

//! Metrics: the only place that names one.
//!
//! Every label value comes from the config or from a closed enum, so the number of series is known when the config is. What is
//! counted per request is looked up once, here, and not by label on the way.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use selvedge_conf::Config;
use selvedge_filters::SiteId;
use selvedge_filters::limit::LimitId;

use crate::cache::Stats;

/// Answer classes, `1xx` to `5xx`, and `none` for clients that left before any answer.
const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// All metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// By site, then class; the last row counts requests for no site.
    requests: Vec<Vec<IntCounter>>,
    /// By limit.
    limits: Vec<LimitCounters>,
    duration: Histogram,
    cache: IntCounterVec,
    events: IntCounterVec,
    origin_failures: IntCounterVec,
    gauges: Gauges,
}

#[derive(Debug)]
struct LimitCounters {
    refused: IntCounter,
    would_refuse: IntCounter,
    uncounted: IntCounter,
}

/// What a limit did with a request, other than to admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOutcome {
    /// It refused.
    Refused,
    /// In monitor mode: it would have refused.
    WouldRefuse,
    /// Its table had no room for the key.
    Uncounted,
}

#[derive(Debug)]
struct Gauges {
    cache_bytes: IntGauge,
    cache_objects: IntGauge,
    log_dropped: IntCounter,
    cache_fills: IntCounterVec,
    cache_evicted: IntCounter,
    peers_heard: IntGauge,
    peers_roster: IntGauge,
    lag: IntGauge,
    bans: IntGauge,
    limit_keys: IntGaugeVec,
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
    /// Bans in force.
    pub bans: usize,
    /// Keys in each limit's table, by limit.
    pub limit_keys: Vec<usize>,
}

impl Metrics {
    /// The metrics of a config.
    ///
    /// # Errors
    /// When two metrics have one name, which no config can bring about.
    pub fn new(config: &Config) -> Result<Metrics, prometheus::Error> {
        let registry = Registry::new();
        let requests =
            counters(&registry, "selvedge_http_requests_total", "Requests answered.", &["site", "status_class"])?;
        let decisions = counters(
            &registry,
            "selvedge_limit_decisions_total",
            "Requests a limit did not just admit.",
            &["limit", "decision"],
        )?;
        let sites = config.sites.iter().map(|site| site.host.to_string()).chain(["_other".to_owned()]);
        let duration =
            HistogramOpts::new("selvedge_http_request_duration_seconds", "From the header to the end of the answer.")
                .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        Ok(Metrics {
            requests: sites
                .map(|site| CLASSES.iter().map(|class| requests.with_label_values(&[site.as_str(), class])).collect())
                .collect(),
            limits: config
                .limits
                .iter()
                .map(|limit| LimitCounters {
                    refused: decisions.with_label_values(&[limit.name.as_str(), "refused"]),
                    would_refuse: decisions.with_label_values(&[limit.name.as_str(), "would_refuse"]),
                    uncounted: decisions.with_label_values(&[limit.name.as_str(), "uncounted"]),
                })
                .collect(),
            duration: registered(&registry, Histogram::with_opts(duration)?)?,
            cache: counters(
                &registry,
                "selvedge_cache_requests_total",
                "Requests by what the cache did.",
                &["result"],
            )?,
            events: counters(
                &registry,
                "selvedge_cluster_events_total",
                "What happened to the replicated state.",
                &["event"],
            )?,
            origin_failures: counters(
                &registry,
                "selvedge_origin_failures_total",
                "Tries that an origin failed.",
                &["origin", "kind"],
            )?,
            gauges: Gauges::new(&registry)?,
            registry,
        })
    }

    /// A request was answered with `status`, or with nothing (0).
    pub fn request(&self, site: Option<SiteId>, status: u16, seconds: f64, cache: Option<&str>) {
        let row = site.and_then(|site| self.requests.get(site.0)).or(self.requests.last());
        if let Some(counter) = row.and_then(|row| row.get(usize::from(status / 100).min(5))) {
            counter.inc();
        }
        self.duration.observe(seconds);
        if let Some(result) = cache {
            self.cache.with_label_values(&[result]).inc();
        }
    }

    /// A limit did something else than to admit.
    pub fn limit(&self, limit: LimitId, outcome: LimitOutcome) {
        let Some(counters) = self.limits.get(limit.0) else { return };
        match outcome {
            LimitOutcome::Refused => counters.refused.inc(),
            LimitOutcome::WouldRefuse => counters.would_refuse.inc(),
            LimitOutcome::Uncounted => counters.uncounted.inc(),
        }
    }

    /// A try at an origin failed.
    pub fn origin_failed(&self, origin: &str, kind: &'static str) {
        self.origin_failures.with_label_values(&[origin, kind]).inc();
    }

    /// Something happened to the replicated state.
    pub fn event(&self, name: &str) {
        self.events.with_label_values(&[name]).inc();
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub fn text(&self, config: &Config, reading: &Reading) -> Result<String, prometheus::Error> {
        self.gauges.set(config, reading);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Gauges {
    fn new(registry: &Registry) -> Result<Gauges, prometheus::Error> {
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let keys = Opts::new("selvedge_limit_keys", "Keys a limit counts by now.");
        Ok(Gauges {
            cache_bytes: gauge("selvedge_cache_bytes", "Bytes the cache holds.")?,
            cache_objects: gauge("selvedge_cache_objects", "Objects the cache holds.")?,
            log_dropped: counter("selvedge_log_dropped_total", "Access-log lines dropped.")?,
            cache_fills: counters(
                registry,
                "selvedge_cache_fills_total",
                "Responses on their way into the cache, by what became of them.",
                &["outcome"],
            )?,
            cache_evicted: counter("selvedge_cache_evictions_total", "Objects that made room for others.")?,
            peers_heard: gauge("selvedge_cluster_heard", "POPs heard, this one included.")?,
            peers_roster: gauge("selvedge_cluster_roster", "POPs in the roster.")?,
            lag: gauge("selvedge_cluster_lag_ms", "Age of the newest thing heard from the peer heard least.")?,
            bans: gauge("selvedge_bans", "Bans in force.")?,
            limit_keys: registered(registry, IntGaugeVec::new(keys, &["limit"])?)?,
        })
    }

    fn set(&self, config: &Config, reading: &Reading) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let cache = &reading.cache;
        self.cache_bytes.set(whole(cache.bytes));
        self.cache_objects.set(whole(cache.objects));
        raise(&self.cache_evicted, cache.evicted);
        let fills = [
            ("stored", cache.stored),
            ("aborted", cache.aborted),
            ("outgrown", cache.outgrown),
            ("refused", cache.refused),
        ];
        for (outcome, count) in fills {
            raise(&self.cache_fills.with_label_values(&[outcome]), count);
        }
        raise(&self.log_dropped, reading.log_dropped);
        self.peers_heard.set(reading.peers_heard.into());
        self.peers_roster.set(reading.peers_roster.into());
        self.lag.set(whole(reading.lag_ms));
        self.bans.set(whole(reading.bans as u64));
        for (limit, keys) in config.limits.iter().zip(&reading.limit_keys) {
            self.limit_keys.with_label_values(&[limit.name.as_str()]).set(whole(*keys as u64));
        }
    }
}

/// Sets a counter to what is counted elsewhere; it never falls.
fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

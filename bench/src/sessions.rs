//! Sessions over POPs: what it costs to look whether something is revoked beside ten million revocations, what each takes, how fast one is in force at 100
//! POPs over a wide area, and whether a client that roams is ever told less than it knew by an answer that is called fresh.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use selvedge_sim::converge::{self, Spread, Watched, quantile};
use selvedge_sim::roam::{self, Roam};
use selvedge_state::{
    Actor, FACT_LONGEST, Incarnation, PopId, Revocable, RevocationKey, Store, StoreBounds, StoreConfig, Time,
};

use crate::figures::{Figures, median, rounded};
use crate::{heap, sessions_live};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Revocations that are remembered.
    #[arg(long, default_value_t = 10_000_000)]
    revocations: u64,
    /// Measurements of a look; the median is told.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Where everything random comes from; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual seconds for which revocations are watched.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Requests of clients that roam.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// Pairs of measurements of CPU time; the medians are told.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of load for each of them.
    #[arg(long, default_value_t = 3)]
    load: u64,
    /// The selvedge binary; the one beside this program unless named.
    #[arg(long)]
    selvedge: Option<PathBuf>,
    /// The program of the tests in `proxy/tests/it`, whose long runs with live POPs are left out unless it is named.
    #[arg(long)]
    live: Option<PathBuf>,
    /// This part alone; all of them otherwise.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What a look costs.
    Revoked,
    /// How fast revocations spread.
    Spread,
    /// Clients that roam.
    Roam,
    /// CPU time per request.
    Cpu,
    /// Clients that roam and retry at live POPs.
    Live,
}

/// POPs among which revocations spread, and counts beside them in a second.
const POPS: u16 = 100;
const UPDATES: u64 = 1_000;

/// Looks of one measurement.
const LOOKS: u64 = 400_000;

/// Revocations beyond those that fit, of which the slowest is told.
const OVERFLOW: u64 = 10_000;

const NOW: Time = Time(1_800_000_000_000);

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let asked = |part: Part| args.only.is_none_or(|only| only == part);
    let mut figures = Figures::default();
    if asked(Part::Revoked) {
        revoked(args, &mut figures)?;
    }
    if asked(Part::Spread) {
        spread(args, &mut figures)?;
    }
    if asked(Part::Roam) {
        roams(args, &mut figures)?;
    }
    if asked(Part::Cpu) {
        sessions_live::cpu(args.selvedge.clone(), (args.pairs, args.load), &mut figures)?;
    }
    match &args.live {
        Some(tests) if asked(Part::Live) => sessions_live::live(tests, args.requests, &mut figures)?,
        _ => eprintln!("no tests' program is named by --live: its runs are left out"),
    }
    Ok(figures)
}

fn revoked(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let store = store(args.revocations as usize);
    let key = |what: Revocable, nth: u64| store.revocation_key(what, &[b"shop", &nth.to_le_bytes()]);
    let revoke = |nth: u64| {
        // A thousand in a ms, so that those that are lowest are not all.
        let now = NOW.plus(nth / 1_000);
        store.revoke(key(Revocable::Session, nth), now, NOW.plus(FACT_LONGEST), now)
    };
    let mut result = Ok(());
    let asked = heap::asked(|| result = (0..args.revocations).try_for_each(revoke));
    result.map_err(|error| error.to_string())?;
    figures.add("revocations_mb", rounded(asked.grown as f64 / 1e6));
    figures.add("bytes_per_revocation", rounded(asked.grown as f64 / args.revocations.max(1) as f64));
    // A stride that is prime to most numbers, so that no look is near the one before.
    let nth = |look: u64| look.wrapping_mul(7_919_777) % args.revocations.max(1);
    let keys =
        |what, after: u64| -> Vec<RevocationKey> { (0..LOOKS).map(|look| key(what, after + nth(look))).collect() };
    let takes = |keys: &[RevocationKey], revoked: usize| {
        let mut nanos = Vec::new();
        for _ in 0..args.rounds {
            let began = cpu_nanos()?;
            let found = keys.iter().filter(|key| store.revoked(black_box(**key), NOW).is_some()).count();
            nanos.push((cpu_nanos()? - began) as f64 / LOOKS as f64);
            if found != revoked {
                return Err(format!("{found} of {LOOKS} are revoked, not {revoked}"));
            }
        }
        Ok(median(nanos).map(rounded))
    };
    figures.add("revoked_check_ns", takes(&keys(Revocable::Session, args.revocations), 0)?);
    figures.add("revoked_found_ns", takes(&keys(Revocable::Session, 0), LOOKS as usize)?);
    figures.add("revoked_check_clear_ns", takes(&keys(Revocable::User, 0), 0)?);
    let mut slowest = Duration::ZERO;
    for nth in args.revocations..args.revocations + OVERFLOW {
        let began = Instant::now();
        revoke(nth).map_err(|error| error.to_string())?;
        slowest = slowest.max(began.elapsed());
    }
    figures.add("revoke_full_max_ms", rounded(slowest.as_secs_f64() * 1e3));
    Ok(())
}

/// CPU time of this thread until now, ns.
fn cpu_nanos() -> Result<u64, String> {
    // What it took since the last tick is added when it steps back.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(|error| error.to_string())?;
    let spent = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    spent.ok_or_else(|| format!("/proc/thread-self/schedstat says {text:?}"))
}

fn spread(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let watched = Watched::Revocations;
    let spreads =
        converge::run(Spread { nodes: POPS, seed: args.seed, seconds: args.seconds, updates: UPDATES, watched });
    if spreads.lost > 0 {
        return Err(format!("seed {}: {} revocations did not get everywhere", args.seed, spreads.lost));
    }
    figures.add("revoke_p50_ms_over_owd", quantile(&spreads.over_way, 500));
    figures.add("revoke_p99_ms_over_owd", quantile(&spreads.over_way, 990));
    Ok(())
}

fn roams(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let roamed = roam::run(Roam { nodes: 5, clients: 10, requests: args.requests, seed: args.seed, in_trouble: true });
    if let Some(first) = roamed.violations.first() {
        return Err(format!("seed {}: {first}", args.seed));
    }
    figures.add("roamed_requests", roamed.requests);
    figures.add("ryw_violations", roamed.violations.len());
    figures.add("not_fresh_though_reachable", roamed.stale_though_reachable);
    figures.add("fresh_share", rounded(roamed.fresh as f64 / roamed.requests.max(1) as f64));
    figures.add("lost_for_good", roamed.lost);
    Ok(())
}

fn store(revocations: usize) -> Store {
    let config = StoreConfig {
        me: Actor { pop: PopId(0), node: 0 },
        incarnation: Incarnation(1),
        cluster: "bench".to_owned(),
        secret: [7; 16],
        secret_beside: None,
        salt: 0,
        keys_max: 10,
        bans_max: 10,
        roster: 1,
    };
    Store::with_bounds(config, StoreBounds { revocations_max: revocations + 1, ..StoreBounds::default() })
}

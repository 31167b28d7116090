//! Simulated clusters: one under load for as long as asked for, and the figures of how fast changes spread.

use std::time::Instant;

use selvedge_sim::converge::{self, Spread, Watched, quantile};
use selvedge_sim::load::{self, Links, Load, Weather};
use selvedge_sim::stopped::Stopped;

use crate::figures::{Figures, rounded};
use crate::heap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Nodes.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=4000))]
    nodes: u16,
    /// How they reach each other; up to 300 over a mesh, more over a fabric, if nothing is said.
    #[arg(long, value_enum)]
    links: Option<Reach>,
    /// Where everything random comes from; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual seconds for which nodes count.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Updates a second over the whole cluster.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    updates: u64,
    /// No faults beside loss.
    #[arg(long)]
    fair: bool,
    /// This part alone; all of them otherwise.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Virtual minutes for which a node is stopped.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    minutes: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Reach {
    /// Each is linked to all others over TCP with 1 % loss.
    Mesh,
    /// All share a fabric: a broker in each city, and routes between them with 1 % loss.
    Fabric,
}

impl From<Reach> for Links {
    fn from(reach: Reach) -> Links {
        match reach {
            Reach::Mesh => Links::Mesh,
            Reach::Fabric => Links::Fabric,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The cluster that `nodes` and the rest describe, under load.
    Load,
    /// How fast changes spread among 100 POPs.
    Spread,
    /// What four nodes hold for a fifth that is stopped.
    Stopped,
}

/// POPs among which changes spread.
const POPS: u16 = 100;

/// Updates a second while a node is stopped.
const STORM: u64 = 100_000;

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let asked = |part: Part| args.only.is_none_or(|only| only == part);
    let mut figures = Figures::default();
    if asked(Part::Spread) {
        spread(args, &mut figures)?;
    }
    if asked(Part::Stopped) {
        stopped(args, &mut figures);
    }
    if asked(Part::Load) {
        figures.group("load", under_load(args)?);
    }
    Ok(figures)
}

fn spread(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let (seed, seconds, updates) = (args.seed, args.seconds, args.updates);
    let spreads = converge::run(Spread { nodes: POPS, seed, seconds, updates, watched: Watched::Counts });
    if spreads.lost > 0 {
        return Err(format!("seed {}: {} changes did not get everywhere", args.seed, spreads.lost));
    }
    figures.add("converge_changes", spreads.last_over_bound.len());
    for (name, values, part) in [
        ("converge_p50_ms_over_owd", &spreads.over_way, 500),
        ("converge_p99_ms_over_owd", &spreads.over_way, 990),
        ("last_pop_p50_ms_over_bound", &spreads.last_over_bound, 500),
        ("last_pop_p99_ms_over_bound", &spreads.last_over_bound, 990),
    ] {
        figures.add(name, quantile(values, part));
    }
    Ok(())
}

/// Sampled ten times a minute, after the first minute.
fn stopped(args: &Args, figures: &mut Figures) {
    let mut cluster = Stopped::new(args.seed, STORM);
    cluster.pass(60);
    let (mut held, mut heap) = (Vec::new(), Vec::new());
    for minute in 1..args.minutes {
        let asked = heap::asked(|| {
            for _ in 0..10 {
                cluster.pass(6);
                held.push(cluster.held());
            }
        });
        heap.push(asked.grown);
        eprintln!("minute {minute}: {:?}, the heap of all nodes grew by {} bytes", held.last(), asked.grown);
    }
    figures.add("stopped_peer_bytes", held.iter().map(|held| held.process).max());
    figures.add("stopped_peer_socket_bytes", held.iter().map(|held| held.sockets).max());
    figures.add("stopped_peer_changes_behind", held.iter().map(|held| held.behind).max());
    figures.add("stopped_heap_growth_bytes_per_minute", heap.last().copied());
    figures.add("stopped_back_ms", cluster.resume());
}

fn under_load(args: &Args) -> Result<Figures, String> {
    let weather = if args.fair { Weather::Fair } else { Weather::Foul };
    let (nodes, seed, seconds, updates) = (args.nodes, args.seed, args.seconds, args.updates);
    let links = args.links.map_or(Links::of(nodes), Links::from);
    let began = Instant::now();
    let seen = load::run(Load { nodes, links, seed, seconds, updates, weather }, &mut |second, world| {
        eprintln!("virtual second {second}: {:.1} s, {} inputs", began.elapsed().as_secs_f64(), world.inputs);
    });
    let took = began.elapsed().as_secs_f64();
    let mut figures = Figures::default();
    figures.add("nodes", nodes);
    figures.add("seed", seed);
    figures.add("seconds", rounded(took));
    figures.add("inputs", seen.inputs);
    figures.add("ns_per_input", rounded(took * 1e9 / seen.inputs as f64));
    figures.add("updates", seen.updates);
    figures.add("looks", seen.looks);
    figures.add("faults", seen.faults);
    for (kind, (frames, bytes)) in &seen.sent {
        figures.add(&format!("frames_{kind}"), *frames);
        figures.add(&format!("bytes_{kind}"), *bytes);
    }
    figures.add("payload_over_floor", seen.payload_over_floor as f64 / 100.0);
    figures.add("unsent_max_bytes", seen.unsent_max);
    figures.add("overrun_messages", seen.overrun);
    figures.add("settled_ms", seen.settled);
    figures.add("disagreements", seen.disagreements);
    figures.add("digest", format!("{:016x}", seen.digest));
    if seen.disagreements > 0 {
        return Err(format!("seed {seed}: {} counters are not told in full", seen.disagreements));
    }
    Ok(figures)
}

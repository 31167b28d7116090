//! Simulated clusters: one under load for as long as asked for, and the figures of how fast changes spread.

use std::time::Instant;

use selvedge_sim::load::{self, Load, Weather};

use crate::figures::{Figures, rounded};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Nodes, each linked to all others over TCP with 1 % loss.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=4000))]
    nodes: u16,
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
}

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let weather = if args.fair { Weather::Fair } else { Weather::Foul };
    let (nodes, seed, seconds, updates) = (args.nodes, args.seed, args.seconds, args.updates);
    let began = Instant::now();
    let seen = load::run(Load { nodes, seed, seconds, updates, weather }, &mut |second, world| {
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
    figures.add("disagreements", seen.disagreements);
    figures.add("digest", format!("{:016x}", seen.digest));
    if seen.disagreements > 0 {
        return Err(format!("seed {seed}: {} counters are not told in full", seen.disagreements));
    }
    Ok(figures)
}

//! A limit over ten POPs in virtual time, by the shape of its traffic: what each class admits, beside what others do. And, with `--live`, over
//! three POPs that run.

mod flood;
mod live;
mod ours;
mod rivals;
mod shape;
mod tally;

use std::path::PathBuf;
use std::time::Duration;

use self::ours::Ours;
use self::rivals::{Overwritten, PerPop};
use self::shape::{SHAPES, Shape};
use self::tally::Tally;
use crate::figures::Figures;

/// POPs.
const POPS: usize = 10;

/// Requests in [`PERIOD`].
const COUNT: u32 = 600;

/// In which the bucket refills, ms.
const PERIOD: u64 = 60_000;

/// Depth of the bucket.
const BURST: u32 = 60;

/// A ms.
const RATE: f64 = COUNT as f64 / PERIOD as f64;

/// From any POP to any other, ms.
const DELAYS: [u64; 2] = [100, 500];

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where everything random comes from; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of each shape: 240 of virtual time (60 at least), or 60 of real time with `--live`.
    #[arg(long, value_parser = clap::value_parser!(u64).range(6..=3_600))]
    seconds: Option<u64>,
    /// The figures of these names alone, such as `strict`; all otherwise.
    #[arg(long)]
    only: Vec<String>,
    /// Ten million clients that come once, beside one that takes all it gets and some that stay under their rate.
    #[arg(long, conflicts_with = "live")]
    flood: bool,
    /// Three POPs that run, under the load of wrk, beside HAProxy's peers.
    #[arg(long)]
    live: bool,
    /// Requests a second that the limit of a live run admits.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=10_000), requires = "live")]
    rate: u32,
    /// The selvedge binary of a live run; the one beside this program unless named.
    #[arg(long, requires = "live")]
    selvedge: Option<PathBuf>,
}

/// Something that limits over all POPs.
trait Scheme {
    /// The instant at which traffic begins, ms.
    fn began(&self) -> u64;
    /// Lets time pass.
    fn run(&mut self, until: u64);
    /// Decides about a request at a POP now.
    fn admits(&mut self, pop: usize) -> bool;
    /// What it may admit beyond `rate x time` in any stretch when so many requests arrive in a ms; `None` of what promises nothing.
    fn bound(&self, arrivals_per_ms: f64) -> Option<f64>;
}

/// Makes a scheme anew: seed, delay.
type Make = fn(u64, u64) -> Result<Box<dyn Scheme>, String>;

/// All schemes, by the names of their figures.
const SCHEMES: [(&str, Make); 5] = [
    ("converge", |seed, delay| Ours::of("converge", seed, delay)),
    ("bounded", |seed, delay| Ours::of("bounded(5%)", seed, delay)),
    ("strict", |seed, delay| Ours::of("strict", seed, delay)),
    ("per_pop", |_, _| Ok(Box::new(PerPop::new()))),
    ("overwrite", |_, delay| Ok(Box::new(Overwritten::new(delay)))),
];

/// The figures of the longer delay by the names of the schemes; those of the shorter one beside them.
pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let Args { seconds, rate, selvedge, only, .. } = args;
    if args.live {
        let selvedge = selvedge.clone();
        return live::measure(&live::Request { seconds: seconds.unwrap_or(60), rate: *rate, selvedge, only });
    }
    if args.flood {
        return flood::measure(args.seed);
    }
    let mut figures = Figures::default();
    let asked = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let length = seconds.unwrap_or(240).max(60) * 1_000;
    for (name, make) in SCHEMES.into_iter().filter(|(name, _)| asked(name)) {
        for delay in DELAYS {
            let group = if delay == DELAYS[1] { name.to_owned() } else { format!("{name}_at_{delay}_ms") };
            eprintln!("{group}:");
            figures.group(&group, of_scheme(make, delay, args.seed, length)?);
        }
    }
    Ok(figures)
}

/// `length` is in ms.
fn of_scheme(make: Make, delay: u64, seed: u64, length: u64) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let mut worst = None;
    for shape in &SHAPES {
        let mut scheme = make(seed, delay)?;
        let tally = drive(&mut *scheme, shape, seed, length);
        let Shape { name, times, .. } = shape;
        if *times > 1.0 {
            figures.add(&format!("{name}_long_run"), rounded3(tally.long_run()));
            figures.add(&format!("{name}_worst_window"), rounded3(tally.worst_window()));
        } else {
            figures.add(&format!("{name}_served"), rounded3(tally.served()));
        }
        if let Some(bound) = scheme.bound(RATE * times) {
            worst = worst.max(Some((tally.above_rate() / bound * 1e3).ceil() as u64));
        }
    }
    if let Some(worst) = worst {
        figures.add("worst_over_bound", worst as f64 / 1e3);
    }
    Ok(figures)
}

/// Requests as they come in: at random instants, so many on average.
fn drive(scheme: &mut dyn Scheme, shape: &Shape, seed: u64, length: u64) -> Tally {
    let mut rng = fastrand::Rng::with_seed(seed);
    let began = scheme.began();
    let mut tally = Tally::new(length);
    let mut at = 0.0;
    loop {
        // Times between arrivals of a Poisson process; 1 - f64() is never 0.
        at += -(1.0 - rng.f64()).ln() / (RATE * shape.times);
        let passed = at as u64;
        if passed >= length {
            return tally;
        }
        scheme.run(began + passed);
        tally.offered(passed, scheme.admits(shape.pop(passed, &mut rng)));
    }
}

fn rounded3(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// What a change waits at most for its frame, and a ms for the simulator's steps.
const BATCH: Duration = Duration::from_millis(26);

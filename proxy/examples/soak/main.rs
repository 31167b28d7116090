//! `make soak`: nine real processes, each in a network namespace of its own, peers linked through relays, load on all of them, and
//! a seeded schedule of trouble. After it, what every POP knows is held against what the load generator knows.

mod load;
mod place;
mod pops;
mod trouble;
mod verdict;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::time::Instant;

use place::Place;
use pops::Pops;

#[derive(Debug, Parser)]
struct Args {
    /// How long the trouble lasts, seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Of the schedule and the load; a run is repeated with it, as far as the machine keeps time.
    #[arg(long)]
    seed: Option<u64>,
    /// POPs.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u8).range(2..=20))]
    pops: u8,
}

/// How long all may take to agree once the trouble is over.
const HEALING: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("soak of {} s with seed {seed}: again with SECONDS={} SEED={seed}", args.seconds, args.seconds);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let soaked = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            tokio::select! {
                soaked = soak(&args, seed) => soaked,
                // Namespaces and processes go as their owners are dropped.
                _ = tokio::signal::ctrl_c() => Err("stopped".to_owned()),
            }
        })
    });
    match soaked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the soak failed (seed {seed}): {error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak(args: &Args, seed: u64) -> Result<(), String> {
    let place = Place::make(usize::from(args.pops)).await;
    let pops = Arc::new(Pops::start(&place, seed).await?);
    pops.until_all_heard(HEALING).await?;
    println!("{} POPs hear each other, {}", args.pops, place.describe());
    let (before, until) = (pops.memory().await, Instant::now() + Duration::from_secs(args.seconds));
    let load = load::start(&pops, seed, until);
    let done = trouble::make(&pops, seed, until).await?;
    println!("{done}");
    let truth = load.finish().await;
    pops.until_all_heard(HEALING).await?;
    verdict::judge(&pops, &truth, &before, HEALING).await
}

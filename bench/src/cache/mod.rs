//! The cache: what a hit costs beside Pingora's own storage, and on the disk beside nginx, and how much of a load it answers beside Varnish and LRU.

mod disk;
mod lru;
mod mix;
mod origin;
mod player;
mod ratio;
mod resident;

use std::path::PathBuf;
use std::time::Duration;

use crate::figures::{Figures, median, rounded};
use crate::programs::{Program, installed, origin};
use crate::server::{Folder, Server, free_port, load};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pairs of measurements of a hit; the medians are told.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement of a hit.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Requests of each mix.
    #[arg(long, default_value_t = 150_000)]
    requests: usize,
    /// Where the mixes come from; the same seed gives the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The figures of these names alone, `hit`, `disk`, `resident` or `ratio`; all otherwise.
    #[arg(long)]
    only: Vec<String>,
    /// The selvedge binary; the one beside this program unless named.
    #[arg(long)]
    selvedge: Option<PathBuf>,
    /// The program with a bare storage; `examples/hits` beside this program unless named.
    #[arg(long)]
    hits: Option<PathBuf>,
}

/// The storages, by the names that the program knows.
const STORES: [&str; 2] = ["own", "memcache"];

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let asked = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let mut figures = Figures::default();
    if asked("hit") {
        figures.group("hit", hit(args)?);
    }
    if asked("disk") {
        figures.group("disk", disk::measure(args.selvedge.clone(), args.rounds, args.seconds)?);
    }
    if asked("resident") {
        figures.group("resident", resident::measure(args.selvedge.clone(), args.seconds, args.seed)?);
    }
    if asked("ratio") {
        figures.group("ratio", ratio::measure(args.selvedge.clone(), args.requests, args.seed)?);
    }
    Ok(figures)
}

/// CPU microseconds of a cached 1 KiB answer through the same proxy, by the storage behind it; in turns within one run.
fn hit(args: &Args) -> Result<Figures, String> {
    let folder = Folder::new()?;
    let (Some(origin), Some(wrk)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx (the origin) or wrk (the client) is not installed: `hit` is left out");
        return Ok(Figures::default());
    };
    let beside = || std::env::current_exe().ok().map(|here| here.with_file_name("examples").join("hits"));
    let path = args.hits.clone().or_else(beside).filter(|path| path.exists());
    let path = path.ok_or("no examples/hits beside this program: build the examples, or name it with --hits")?;
    let origin = Server::start(&folder, &origin)?;
    let mut servers = Vec::new();
    for name in STORES {
        let port = free_port()?;
        let arguments = vec![name.to_owned(), port.to_string(), origin.port.to_string()];
        servers.push(Server::start(&folder, &Program { name, path: path.clone(), arguments, port })?);
    }
    let mut micros = [Vec::new(), Vec::new()];
    // The first load of each fills the cache and is not counted.
    for round in 0..=args.rounds {
        let seconds = Duration::from_secs(if round == 0 { 1 } else { args.seconds });
        for (server, micros) in servers.iter().zip(&mut micros) {
            let taken = load(&wrk, server, "/hit", seconds)?;
            if round > 0 {
                micros.push(taken);
            }
        }
    }
    let mut group = Figures::default();
    let [own, memcache] = micros.map(median);
    if let (Some(own), Some(memcache)) = (own, memcache) {
        group.add("own_us", rounded(own));
        group.add("memcache_us", rounded(memcache));
        group.add("own_over_memcache", rounded(own / memcache));
    }
    Ok(group)
}

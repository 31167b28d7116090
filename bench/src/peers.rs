//! CPU microseconds per request, Selvedge beside HAProxy: the same origin, the same client, one worker each, in turns within
//! one run, so that whatever else the machine does falls on both. CPU time is the servers' own, from /proc.

use std::path::PathBuf;
use std::time::Duration;

use crate::figures::{Figures, median, rounded};
use crate::programs::{Program, haproxy, installed, origin, selvedge};
use crate::server::{Folder, Server, load};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Pairs of measurements; the medians are told.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load for each measurement.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The selvedge binary; the one beside this program unless named.
    #[arg(long)]
    selvedge: Option<PathBuf>,
}

/// The two works: a cached 1 KiB answer, and one fetched from the origin each time.
const WORKS: [(&str, &str); 2] = [("hit", "/hit"), ("pass", "/pass")];

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let folder = Folder::new()?;
    let (Some(origin), Some(wrk)) = (origin(&folder)?, installed("wrk")) else {
        eprintln!("nginx (the origin) or wrk (the client) is not installed: all figures are left out");
        return Ok(Figures::default());
    };
    let origin = Server::start(&folder, &origin)?;
    let ours = Server::start(&folder, &selvedge(&folder, args.selvedge.clone(), origin.port)?)?;
    let theirs = haproxy(&folder, origin.port)?.map(|program: Program| Server::start(&folder, &program)).transpose()?;
    if theirs.is_none() {
        eprintln!("haproxy is not installed: its figures are left out");
    }
    let mut figures = Figures::default();
    for (work, path) in WORKS {
        let mut micros = (Vec::new(), Vec::new());
        // The first load of each fills the cache and is not counted.
        for round in 0..=args.rounds {
            let seconds = Duration::from_secs(if round == 0 { 1 } else { args.seconds });
            let ours = load(&wrk, &ours, path, seconds)?;
            let theirs = theirs.as_ref().map(|theirs| load(&wrk, theirs, path, seconds)).transpose()?;
            if round > 0 {
                micros.0.push(ours);
                micros.1.extend(theirs);
            }
        }
        let mut group = Figures::default();
        let (ours, theirs) = (median(micros.0), median(micros.1));
        for (name, value) in [("selvedge_us", ours), ("haproxy_us", theirs)] {
            if let Some(value) = value {
                group.add(name, rounded(value));
            }
        }
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            group.add("selvedge_over_haproxy", rounded(ours / theirs));
        }
        figures.group(work, group);
    }
    Ok(figures)
}

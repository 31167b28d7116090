//! Which part of a load is answered without the origin: ours, Varnish with the same bytes and the same requests, and LRU as a model.

use std::path::PathBuf;

use super::lru::Lru;
use super::mix::{MIXES, Object};
use super::origin::Counting;
use super::player::play;
use crate::figures::{Figures, rounded};
use crate::programs::{Program, installed, selvedge, varnish};
use crate::server::{Folder, Server};

/// What each of them has, in bytes: what `programs::selvedge` gives ours.
const CACHE: u64 = 64 << 20;

pub(super) fn measure(named: Option<PathBuf>, count: usize, seed: u64) -> Result<Figures, String> {
    let folder = Folder::new()?;
    let origin = Counting::start()?;
    let mut figures = Figures::default();
    if installed("varnishd").is_none() {
        eprintln!("varnish is not installed (Debian: apt install varnish): its figures are left out");
    }
    for (name, mix) in MIXES {
        eprintln!("{name}: {count} requests, seed {seed}");
        let requests = mix.requests(count, CACHE, seed);
        let mut group = Figures::default();
        let mut lru = Lru::new(CACHE);
        let hits = requests.iter().filter(|object| lru.ask(**object)).count();
        let ours = served(&folder, &selvedge(&folder, named.clone(), origin.port)?, &origin, &requests)?;
        let lru = hits as f64 / count.max(1) as f64;
        group.add("ours", rounded(ours));
        group.add("lru", rounded(lru));
        group.add("ours_over_lru", rounded(ours / lru));
        if let Some(program) = varnish(&folder, origin.port, CACHE)? {
            let theirs = served(&folder, &program, &origin, &requests)?;
            group.add("varnish", rounded(theirs));
            group.add("ours_over_varnish", rounded(ours / theirs));
        }
        figures.group(name, group);
    }
    Ok(figures)
}

/// Starts a program with nothing stored, plays the requests, and tells which part of them the origin did not hear of.
fn served(folder: &Folder, program: &Program, origin: &Counting, requests: &[Object]) -> Result<f64, String> {
    let server = Server::start(folder, program)?;
    let before = origin.asked();
    play(server.port, requests).map_err(|error| format!("{}: {error}", program.name))?;
    Ok(1.0 - (origin.asked() - before) as f64 / requests.len().max(1) as f64)
}

//! Purges: what a lookup costs beside a million of them, what each takes, how fast one is applied by 100 POPs over a wide area, and whether
//! anything is answered that one was about.

use std::hint::black_box;
use std::time::Instant;

use http::HeaderMap;
use selvedge_filters::cache::{KeyParts, Scheme};
use selvedge_filters::purge::{Name, Reach, names, tags};
use selvedge_sim::converge::{self, Spread, Watched, quantile};
use selvedge_state::{Actor, FACT_LONGEST, Fill, Incarnation, Key128, PopId, Store, StoreBounds, StoreConfig, Time};

use crate::figures::{Figures, median, rounded};
use crate::heap;
use crate::purge_checked;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Purges that are remembered.
    #[arg(long, default_value_t = 1_000_000)]
    marks: usize,
    /// Measurements of a lookup; the median is told.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Where everything random comes from; the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual seconds for which purges are watched.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Random operations of the checker.
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// This part alone; all of them otherwise.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What a lookup costs.
    Lookup,
    /// How fast purges spread.
    Spread,
    /// The checker.
    Checked,
}

/// POPs among which purges spread, and counts beside them in a second.
const POPS: u16 = 100;
const UPDATES: u64 = 1_000;

/// Objects that are looked up in turns, each with tags of its own.
const OBJECTS: usize = 10_000;

const NOW: Time = Time(1_800_000_000_000);

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let asked = |part: Part| args.only.is_none_or(|only| only == part);
    let mut figures = Figures::default();
    if asked(Part::Lookup) {
        lookups(args, &mut figures)?;
    }
    if asked(Part::Spread) {
        spread(args, &mut figures)?;
    }
    if asked(Part::Checked) {
        purge_checked::measure(args.seed, args.operations, &mut figures)?;
    }
    Ok(figures)
}

fn spread(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let spread =
        Spread { nodes: POPS, seed: args.seed, seconds: args.seconds, updates: UPDATES, watched: Watched::Purges };
    let spreads = converge::run(spread);
    if spreads.lost > 0 {
        return Err(format!("seed {}: {} purges did not get everywhere", args.seed, spreads.lost));
    }
    figures.add("purges", spreads.last_over_bound.len());
    figures.add("apply_p50_ms_over_owd", quantile(&spreads.over_way, 500));
    figures.add("apply_p99_ms_over_owd", quantile(&spreads.over_way, 990));
    figures.add("apply_p99_ms_over_bound", quantile(&spreads.last_over_bound, 990));
    Ok(())
}

/// What a lookup of something with ten tags costs when it was stored after all purges but one.
fn lookups(args: &Args, figures: &mut Figures) -> Result<(), String> {
    let store = store(args.marks + 1);
    let until = NOW.plus(FACT_LONGEST);
    let purge = |tag: String| {
        let key = Name::Tag(tag.as_bytes()).key(&store, Reach::Hard);
        store.purge(key, until, NOW).map_err(|error| error.to_string())
    };
    let mut result = Ok(());
    let asked = heap::asked(|| result = (0..args.marks).try_for_each(|nth| purge(format!("purged-{nth}")).map(drop)));
    result?;
    figures.add("bytes_per_mark", rounded(asked.grown as f64 / args.marks.max(1) as f64));
    let fill = store.fill();
    // Without it a lookup would be one comparison.
    purge("one more".to_owned())?;
    let objects = (0..OBJECTS).map(|nth| keys(&store, nth)).collect::<Result<Vec<_>, _>>()?;
    figures.add("keys_per_object", objects.first().map_or(0, |(hard, soft)| hard.len() + soft.len()));
    let mut nanos = Vec::new();
    for _ in 0..args.rounds {
        let began = Instant::now();
        for object in &objects {
            if is_purged(&store, object, fill) {
                return Err("something is purged that nobody purged".to_owned());
            }
        }
        nanos.push(began.elapsed().as_secs_f64() * 1e9 / OBJECTS as f64);
    }
    figures.add("lookup_10_tags_ns", median(nanos).map(rounded));
    Ok(())
}

type Keys = (Vec<Key128>, Vec<Key128>);

/// As a lookup asks.
fn is_purged(store: &Store, (hard, soft): &Keys, fill: Fill) -> bool {
    let fill = black_box(fill);
    store.first_purge(hard, fill).is_some() || store.first_purge(soft, fill).is_some()
}

/// What an object is purged by: ten tags, its URL, two runs of its path, its host, and with all.
fn keys(store: &Store, nth: usize) -> Result<Keys, String> {
    let mut headers = HeaderMap::new();
    let text = (0..10).map(|tag| format!("tag-{nth}-{tag}")).collect::<Vec<_>>().join(" ");
    headers.insert("surrogate-key", text.parse().map_err(|_| "a tag is no value")?);
    let tags = tags(&headers, &[]).map_err(|flaw| format!("{flaw:?}"))?;
    let path = format!("/page/{nth}");
    let place =
        KeyParts { scheme: Scheme::Https, authority: "www.example.com", path: &path, query: None, origin: None };
    let names = names(&[place], &tags);
    let of = |reach| names.iter().flat_map(|name| name.key(store, reach).each()).collect();
    Ok((of(Reach::Hard), of(Reach::Soft)))
}

fn store(marks_max: usize) -> Store {
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
    // A part of each room is kept for others.
    Store::with_bounds(config, StoreBounds { marks_max: 2 * marks_max, ..StoreBounds::default() })
}

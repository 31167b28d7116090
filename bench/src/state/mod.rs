//! The replicated state: a hit on a known key ([`hits`]), memory for a key ([`memory`]), a flood of them ([`flood`]), a join through
//! the wire, bytes for a changed counter, what peers cost ([`wire`]), and how long a new node takes to know everything ([`join`]).

mod bare;
mod flood;
mod hits;
mod join;
mod memory;
mod wire;

use std::sync::Arc;

use selvedge_state::{
    Actor, Bucket, Charge, Incarnation, Key, PopId, Rung, Store, StoreConfig, TableId, TableSpec, Time,
};

use crate::figures::Figures;

/// Where the benches' time starts.
const START: Time = Time(1_800_000_000_000);

/// Slots that remember.
const COARSE: Rung = Rung::M1;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keys in the table.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Keys in the large table, whose memory is measured and of which few change.
    #[arg(long, default_value_t = 10_000_000)]
    many: usize,
    /// Times each measurement is taken; the median is told.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// This part alone; all of them otherwise.
    #[arg(long, value_enum)]
    only: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Charges of known keys.
    Hits,
    /// Memory of a key.
    Memory,
    /// Frames of changed counters, and two nodes in sync.
    Wire,
    /// More keys than a table has room for.
    Flood,
    /// A new node that fetches everything.
    Join,
}

/// A store with one table, and the bucket its keys are charged by.
struct Bench {
    store: Arc<Store>,
    table: TableId,
    bucket: Bucket,
}

impl Bench {
    fn new(pop: u16, keys: usize) -> Result<Bench, String> {
        Bench::of(pop, keys, 2)
    }

    /// One POP of so many.
    fn of(pop: u16, keys: usize, roster: u16) -> Result<Bench, String> {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(pop), node: 0 },
            incarnation: Incarnation(u64::from(pop) + 1),
            cluster: "bench".to_owned(),
            secret: [7; 16],
            secret_beside: None,
            salt: 0,
            keys_max: keys * 2,
            bans_max: 16,
            roster,
        });
        // 100 requests a second, burst 1000: never refused here.
        let bucket = Bucket::new(0.1, 1000.0);
        let table = store.table(&TableSpec {
            uid: "bench".to_owned(),
            shape: "client.net".to_owned(),
            fine: Rung::fine_for(bucket.rate_per_ms, bucket.burst),
            coarse: COARSE,
            replicated: true,
        });
        Ok(Bench { table: table.map_err(|error| error.to_string())?, store: Arc::new(store), bucket })
    }

    fn charge(&self, key: Key, now: Time) -> Result<(), String> {
        match self.store.charge(self.table, key, &self.bucket, 1, now) {
            Charge::Admitted { .. } => Ok(()),
            other => Err(format!("a charge that must pass did not: {other:?}")),
        }
    }

    /// Counts without asking.
    fn touch(&self, key: Key, now: Time) -> Result<(), String> {
        match self.store.charge(self.table, key, &self.bucket, 1, now) {
            Charge::Full => Err("the table is full".to_owned()),
            Charge::Admitted { .. } | Charge::Refused { .. } => Ok(()),
        }
    }

    fn fine_ms(&self) -> u64 {
        Rung::fine_for(self.bucket.rate_per_ms, self.bucket.burst).millis()
    }

    fn coarse_ms(&self) -> u64 {
        COARSE.millis()
    }

    fn fill(&self, keys: &[Key]) -> Result<(), String> {
        keys.iter().try_for_each(|key| self.charge(*key, START))
    }
}

/// So many keys, hashed.
fn keys(count: usize) -> Result<Vec<Key>, String> {
    let bench = Bench::new(0, 1)?;
    Ok((0..count as u64).map(|number| bench.store.key(&[&number.to_le_bytes()])).collect())
}

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let names = keys(args.keys)?;
    let all = [Part::Hits, Part::Memory, Part::Wire, Part::Flood, Part::Join];
    for part in all.into_iter().filter(|part| args.only.is_none_or(|only| only == *part)) {
        match part {
            Part::Hits => hits::measure(args, &names, &mut figures)?,
            Part::Memory => memory::measure(args, &names, &mut figures)?,
            Part::Wire => wire::measure(args, &names, &mut figures)?,
            Part::Flood => flood::measure(args.keys, &mut figures)?,
            Part::Join => join::measure(&names, &mut figures)?,
        }
    }
    Ok(figures)
}

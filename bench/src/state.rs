//! The replicated state, on one thread: a hit on a known key, what it allocates, a join through the wire, memory for a key,
//! bytes for a changed counter.

use std::sync::Arc;
use std::time::Instant;

use selvedge_state::{
    Actor, Bucket, Charge, Incarnation, Input, Key64, LinkId, Output, PopId, Replica, ReplicaConfig, Rung, Store,
    StoreConfig, TableId, TableSpec, Time,
};

use crate::figures::{Figures, median, rounded};

/// Where the benches' time starts.
const START: Time = Time(1_800_000_000_000);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keys in the table.
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Times each measurement is taken; the median is told.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// A store with one table, and the bucket its keys are charged by.
struct Bench {
    store: Arc<Store>,
    table: TableId,
    bucket: Bucket,
}

impl Bench {
    fn new(pop: u16, keys: usize) -> Result<Bench, String> {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(pop), node: 0 },
            incarnation: Incarnation(u64::from(pop) + 1),
            secret: [7; 16],
            keys_max: keys * 2,
            bans_max: 16,
            roster: 2,
        });
        // 100 requests a second, burst 1000: never refused here.
        let bucket = Bucket { rate_per_ms: 0.1, burst: 1000.0 };
        let table = store.table(&TableSpec {
            uid: "bench".to_owned(),
            shape: "client.net".to_owned(),
            fine: Rung::fine_for(bucket.rate_per_ms, bucket.burst),
            coarse: Rung::coarse_for(std::time::Duration::from_secs(60)),
            replicated: true,
        });
        Ok(Bench { table: table.map_err(|error| error.to_string())?, store: Arc::new(store), bucket })
    }

    fn charge(&self, key: Key64, now: Time) -> Result<(), String> {
        match self.store.charge(self.table, key, &self.bucket, 1, now) {
            Charge::Admitted { .. } => Ok(()),
            other => Err(format!("a charge that must pass did not: {other:?}")),
        }
    }

    fn fill(&self, keys: &[Key64]) -> Result<(), String> {
        keys.iter().try_for_each(|key| self.charge(*key, START))
    }
}

pub(crate) fn measure(args: &Args) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let names: Vec<Key64> = {
        let bench = Bench::new(0, 1)?;
        (0..args.keys as u64).map(|number| bench.store.key(&[&number.to_le_bytes()])).collect()
    };
    hits(args, &names, &mut figures)?;
    memory(&names, &mut figures)?;
    wire(args, &names, &mut figures)?;
    Ok(figures)
}

/// Charges of known keys in random order: nanoseconds and allocations for each.
fn hits(args: &Args, keys: &[Key64], figures: &mut Figures) -> Result<(), String> {
    let bench = Bench::new(0, keys.len())?;
    bench.fill(keys)?;
    let mut order = keys.to_vec();
    fastrand::Rng::with_seed(1).shuffle(&mut order);
    let mut rounds = Vec::new();
    for round in 0..args.rounds {
        let now = Time(START.0 + 1 + u64::from(round));
        let began = Instant::now();
        order.iter().try_for_each(|key| bench.charge(*key, now))?;
        rounds.push(began.elapsed().as_nanos() as f64 / order.len() as f64);
    }
    if let Some(hit) = median(rounds) {
        figures.add("hit_ns", rounded(hit));
    }
    let mut failed = Ok(());
    let later = Time(START.0 + 1000);
    let some = order.get(..order.len().min(10_000)).unwrap_or(&order);
    let counted = allocation_counter::measure(|| failed = some.iter().try_for_each(|key| bench.charge(*key, later)));
    failed?;
    figures.add("hit_allocs", rounded(counted.count_total as f64 / some.len() as f64));
    Ok(())
}

/// Bytes that a table of one contributor's keys holds, divided by its keys.
fn memory(keys: &[Key64], figures: &mut Figures) -> Result<(), String> {
    let bench = Bench::new(0, keys.len())?;
    let mut filled = Ok(());
    let counted = allocation_counter::measure(|| filled = bench.fill(keys));
    filled?;
    figures.add("bytes_per_key", rounded(counted.bytes_current as f64 / keys.len() as f64));
    Ok(())
}

/// All keys changed at one node, through frames, into an empty node: bytes for each, and cells joined a second.
fn wire(args: &Args, keys: &[Key64], figures: &mut Figures) -> Result<(), String> {
    let mut rates = Vec::new();
    let mut bytes_per_counter = 0.0;
    for _ in 0..args.rounds.min(3) {
        let (from, to) = (Bench::new(0, keys.len())?, Bench::new(1, keys.len())?);
        let (mut sender, mut receiver) = (replica(&from, 0, 1), replica(&to, 1, 0));
        let mut link = Link::new(&mut sender, &mut receiver);
        from.fill(keys)?;
        link.run(|| to.store.keys(to.table) < keys.len())?;
        // A charge changes two cells: one fine, one coarse.
        rates.push(2.0 * keys.len() as f64 / link.joining);
        bytes_per_counter = link.bytes as f64 / keys.len() as f64;
    }
    if let Some(rate) = median(rates) {
        figures.add("join_cells_per_s", rate.round());
    }
    figures.add("wire_bytes_per_counter", rounded(bytes_per_counter));
    Ok(())
}

fn replica(bench: &Bench, me: u16, peer: u16) -> Replica {
    let config = ReplicaConfig {
        cluster: "bench".to_owned(),
        secret_id: 1,
        roster_revision: 1,
        me: Actor { pop: PopId(me), node: 0 },
        incarnation: Incarnation(u64::from(me) + 1),
        boot: u64::from(me) + 1,
        peers: vec![PopId(peer)],
        seed: 1,
    };
    Replica::new(config, Arc::clone(&bench.store))
}

/// Two replicas and the wire between them, which takes no time.
struct Link<'a> {
    sender: &'a mut Replica,
    receiver: &'a mut Replica,
    now: Time,
    /// Bytes that the sender sent.
    bytes: usize,
    /// Seconds that the receiver took to decode and join.
    joining: f64,
}

impl<'a> Link<'a> {
    fn new(sender: &'a mut Replica, receiver: &'a mut Replica) -> Link<'a> {
        let link = Link { sender, receiver, now: START, bytes: 0, joining: 0.0 };
        let connected = |pop: u16| Input::Connected { link: LinkId(1), peer: PopId(pop) };
        link.sender.handle(connected(1), START);
        link.receiver.handle(connected(0), START);
        link
    }

    /// Carries frames until there is nothing more to wait for.
    fn run(&mut self, waiting: impl Fn() -> bool) -> Result<(), String> {
        self.carry();
        (self.bytes, self.joining) = (0, 0.0);
        for _ in 0..1_000_000 {
            if !waiting() {
                return Ok(());
            }
            self.now = Time(self.now.0 + 1);
            self.sender.handle(Input::Dirty, self.now);
            self.sender.handle(Input::Timeout, self.now);
            self.receiver.handle(Input::Timeout, self.now);
            self.carry();
        }
        Err("the nodes did not come together".to_owned())
    }

    fn carry(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.sender.poll_output() {
                if let Output::Send { link, frame } = output {
                    moved = true;
                    self.bytes += frame.len();
                    self.sender.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    let began = Instant::now();
                    self.receiver.handle(Input::Frame { link, bytes: frame }, self.now);
                    self.joining += began.elapsed().as_secs_f64();
                }
            }
            while let Some(output) = self.receiver.poll_output() {
                if let Output::Send { link, frame } = output {
                    moved = true;
                    self.receiver.handle(Input::Sent { link, bytes: frame.len() }, self.now);
                    self.sender.handle(Input::Frame { link, bytes: frame }, self.now);
                }
            }
            if !moved {
                return;
            }
        }
    }
}

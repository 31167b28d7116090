//! Limits that are held whatever happens, as requests meet them: a cluster that loses messages, is cut, crashes and stops, and the filters of one
//! config at each of its POPs. What roster changes, clocks and restarts in order do besides is the business of the state's tests.

use std::collections::BTreeMap;

use selvedge_filters::limit::Holds;
use selvedge_filters::{Filters, Tables, Verdict};
use selvedge_sim::{Fault, Network, World, seeds};
use selvedge_state::{ERA, Epoch, Time};

use crate::support::{Ask, config};

const POPS: usize = 4;
const LIMITS: &str = concat!(
    "[[limit]]\nname = \"strict\"\nwhen = 'request.path == \"/strict\"'\nkey = []\nrate = \"60/1m\"\nburst = 12\nclass = \"strict\"\n",
    "[[limit]]\nname = \"bounded\"\nwhen = 'request.path == \"/bounded\"'\nkey = []\nrate = \"60/1m\"\nburst = 12\nclass = \"bounded(20%)\"\n",
    "[[limit]]\nname = \"bytes\"\nwhen = 'request.path == \"/bytes\"'\nkey = []\nquota = \"30000B/hour\"\nreserve = \"100B\"\n",
    "[[limit]]\nname = \"quota\"\nwhen = 'request.path == \"/quota\"'\nkey = []\nquota = \"300/hour\"\ncount = 'response.status == 200'\n",
);
/// Tokens a ms, and how deep the buckets are; what the bounded one has besides.
const RATE: f64 = 0.001;
const BURST: f64 = 12.0;
const OVERDRAFT: f64 = 12.0;
const QUOTA: u64 = 300;
const BYTES: u64 = 30_000;
const RESERVE: u64 = 100;

/// The filters of each POP, made anew with each life of it.
struct Cluster {
    world: World,
    filters: Vec<(u64, Filters)>,
}

impl Cluster {
    fn new(seed: u64) -> Cluster {
        let network = Network { lost: 5, doubled: 5, delay: (1, 200) };
        let mut world = World::new(seed, POPS as u16, &[], network);
        let filters = (0..POPS).map(|pop| made(&world, pop)).collect();
        world.run(world.now.plus(3 * ERA - world.now.0 % ERA));
        Cluster { world, filters }
    }

    fn admits(&mut self, pop: usize, path: &'static str) -> bool {
        self.holds(pop, path).is_some()
    }

    /// What a request holds that is admitted.
    fn holds(&mut self, pop: usize, path: &'static str) -> Option<Holds> {
        if self.world.nodes[pop].is_stopped {
            return None;
        }
        if self.filters[pop].0 != self.world.nodes[pop].life {
            self.filters[pop] = made(&self.world, pop);
        }
        let decision =
            self.filters[pop].1.decide(&Ask::path(path).head(), &self.world.nodes[pop].store, self.world.now);
        matches!(decision.verdict, Verdict::Pass(_)).then_some(decision.holds)
    }
}

/// Responses on their way, each as long as what is reserved at most, and the bytes that went out in each hour in which they were asked for.
#[derive(Default)]
struct Sent {
    by_hour: BTreeMap<u64, u64>,
    on_way: Vec<(Response, Holds)>,
}

#[derive(Clone, Copy)]
struct Response {
    pop: usize,
    life: u64,
    hour: u64,
    over_at: Time,
}

impl Sent {
    fn ask(&mut self, cluster: &mut Cluster, pop: usize) {
        let now = cluster.world.now;
        let Some(holds) = cluster.holds(pop, "/bytes") else { return };
        let over_at = now.plus(cluster.world.rng.u64(..3_000));
        let (life, hour) = (cluster.world.nodes[pop].life, Epoch::of(3_600_000, now).begins.0);
        self.on_way.push((Response { pop, life, hour, over_at }, holds));
    }

    /// Those that are over by now: settled by the length they had, or, where that is not known, by what was reserved. Those of a node that is gone
    /// by nobody.
    fn settle(&mut self, cluster: &mut Cluster) {
        let now = cluster.world.now;
        for (response, holds) in std::mem::take(&mut self.on_way) {
            let Response { pop, life, hour, over_at } = response;
            if now < over_at {
                self.on_way.push((response, holds));
                continue;
            }
            let bytes = cluster.world.rng.u64(..=RESERVE);
            *self.by_hour.entry(hour).or_default() += bytes;
            let node = &cluster.world.nodes[pop];
            if node.is_stopped || node.life != life {
                continue;
            }
            let filters = &cluster.filters[pop].1;
            if bytes.is_multiple_of(10) {
                filters.abandon(holds, &node.store, now);
            } else {
                filters.end(holds, bytes, &node.store, now);
            }
        }
    }
}

fn made(world: &World, pop: usize) -> (u64, Filters) {
    let node = &world.nodes[pop];
    let filters = Filters::new(&config(LIMITS), Tables::default(), &node.store).unwrap();
    filters.begin(&node.store, world.now);
    (node.life, filters)
}

/// The most that was admitted in any stretch of time beyond the rate.
#[derive(Default)]
struct Beyond {
    admitted: f64,
    least: f64,
    most: f64,
}

impl Beyond {
    fn admit(&mut self, at: u64) {
        self.least = self.least.min(self.admitted - RATE * at as f64);
        self.admitted += 1.0;
        self.most = self.most.max(self.admitted - RATE * at as f64 - self.least);
    }
}

#[test]
fn nothing_is_exceeded_in_trouble() {
    let (mut served, mut bytes) = (0, 0);
    for seed in seeds(&[1, 2, 3, 4]) {
        let mut cluster = Cluster::new(seed);
        let began = cluster.world.now;
        let (mut strict, mut bounded) = (Beyond::default(), Beyond::default());
        let (mut used, mut sent): (BTreeMap<u64, u64>, Sent) = Default::default();
        let mut hot = 0;
        while cluster.world.now < began.plus(10 * 60_000) {
            // A node that loses its memory has no share for a minute or two, so that happens every minute.
            let befalls = cluster.world.rng.u8(..10) == 0;
            if let Some(fault) = Fault::draw(&mut cluster.world.rng, POPS).filter(|_| befalls) {
                cluster.world.suffer(fault);
            }
            if cluster.world.rng.u8(..40) == 0 {
                cluster.world.recover();
            }
            if cluster.world.rng.u8(..20) == 0 {
                hot = cluster.world.rng.usize(..2 * POPS);
            }
            let now = cluster.world.now;
            for _ in 0..3 {
                // One POP has all the demand, or each has some.
                let pop = if hot < POPS { hot } else { cluster.world.rng.usize(..POPS) };
                let at = now.since(began);
                if cluster.admits(pop, "/strict") {
                    strict.admit(at);
                }
                if cluster.admits(pop, "/bounded") {
                    bounded.admit(at);
                }
                sent.ask(&mut cluster, pop);
                // No response comes, so what it holds is not given back.
                if cluster.admits(pop, "/quota") {
                    *used.entry(Epoch::of(3_600_000, now).begins.0).or_default() += 1;
                }
            }
            sent.settle(&mut cluster);
            let step = cluster.world.rng.u64(50..150);
            cluster.world.run(Time(now.0 + step));
        }
        assert!(strict.most <= BURST + 1e-6, "seed {seed}: {} beyond the rate", strict.most);
        assert!(bounded.most <= BURST + OVERDRAFT + 1e-6, "seed {seed}: {} beyond the rate", bounded.most);
        assert!(used.values().all(|used| *used <= QUOTA), "seed {seed}: {used:?}");
        assert!(sent.by_hour.values().all(|bytes| *bytes <= BYTES), "seed {seed}: {:?}", sent.by_hour);
        bytes += sent.by_hour.values().sum::<u64>();
        served += (strict.admitted + bounded.admitted) as u64 + used.values().sum::<u64>();
    }
    // It would hold if nothing passed at all.
    assert!(served > 2_000 && bytes > 40_000, "{served} and {bytes} bytes");
}

//! Selvedge's limits: the filters of a config, as they decide about requests, over stores that replicas keep in step.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::HeaderMap;
use selvedge_filters::{Filters, Head, Tables, Verdict};
use selvedge_sim::{Network, World};
use selvedge_state::{ERA, Time};

use super::{BATCH, BURST, COUNT, PERIOD, POPS, Scheme};

/// Ten POPs with one config.
#[derive(Debug)]
pub(super) struct Ours {
    world: World,
    filters: Vec<Filters>,
    delay: u64,
}

impl Ours {
    pub(super) fn of(class: &str, seed: u64, delay: u64) -> Result<Box<dyn Scheme>, String> {
        let text = format!(
            "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"http://127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n\
             [[limit]]\nname = \"all\"\nkey = []\nrate = \"{COUNT}/{PERIOD}ms\"\nburst = {BURST}\nclass = \"{class}\"\n"
        );
        let config = crate::rules::load(&text)?;
        let network = Network { lost: 0, doubled: 0, delay: (delay, delay) };
        let mut world = World::new(seed, POPS as u16, &[], network);
        let filters = world.nodes.iter().map(|node| {
            let filters = Filters::new(&config, Tables::default(), &node.store).map_err(|error| error.to_string())?;
            filters.begin(&node.store, world.now);
            Ok(filters)
        });
        let filters = filters.collect::<Result<Vec<_>, String>>()?;
        // A life has a share from the first era on that begins a minute after all know of one another; not at a border, where nothing fills.
        world.run(world.now.plus(3 * ERA - world.now.0 % ERA + ERA / 4));
        Ok(Box::new(Ours { world, filters, delay }))
    }
}

impl Scheme for Ours {
    fn began(&self) -> u64 {
        self.world.now.0
    }

    fn run(&mut self, until: u64) {
        self.world.run(Time(until));
    }

    fn admits(&mut self, pop: usize) -> bool {
        let headers = HeaderMap::new();
        let head = Head::plain("GET", "a.test", "/", &headers, IpAddr::V4(Ipv4Addr::LOCALHOST));
        let decision = self.filters[pop].decide(&head, &self.world.nodes[pop].store, self.world.now);
        matches!(decision.verdict, Verdict::Pass(_))
    }

    fn bound(&self, arrivals_per_ms: f64) -> Option<f64> {
        let bound = self.filters.first()?.limits().first()?.bound()?;
        let lag = Duration::from_millis(self.delay) + BATCH;
        Some(bound.burst + bound.beyond(arrivals_per_ms * 1e3, lag))
    }
}

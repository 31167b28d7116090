//! A config, a store and a clock in one hand.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use http::HeaderMap;
use selvedge_conf::Config;
use selvedge_filters::{Decision, Filters, Head, Verdict};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

/// Filters over a store, at an instant.
pub(crate) struct World {
    pub(crate) filters: Filters,
    pub(crate) store: Store,
    pub(crate) now: Time,
}

/// A request that tests change a little.
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    pub(crate) path: &'static str,
    pub(crate) client: &'static str,
    pub(crate) headers: HeaderMap,
}

impl Default for Ask {
    fn default() -> Ask {
        Ask { method: "GET", host: "www.example.com", path: "/", client: "192.0.2.1", headers: HeaderMap::new() }
    }
}

pub(crate) fn config(text: &str) -> Config {
    let whole = format!(
        "[listen]\nhttp = [\"127.0.0.1:80\"]\n[origin.app]\nservers = [\"127.0.0.1:8000\"]\n\
         [site.\"www.example.com\"]\norigin = \"app\"\n[site.\"*.example.org\"]\norigin = \"app\"\n{text}"
    );
    let read = |_: &Path| io::Result::Ok(whole.clone());
    selvedge_conf::load(Path::new("test.toml"), &read, &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(false)))
}

impl World {
    /// One POP of a roster of so many; without links it hears only itself.
    pub(crate) fn new(roster: u16, text: &str) -> World {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(1),
            secret: [3; 16],
            keys_max: 1000,
            bans_max: 100,
            roster,
        });
        let filters = Filters::new(&config(text), &store).unwrap();
        World { filters, store, now: Time(1_800_000_000_000) }
    }

    pub(crate) fn alone(text: &str) -> World {
        World::new(1, text)
    }

    pub(crate) fn decide(&self, ask: &Ask) -> Decision {
        let head = Head {
            method: ask.method,
            host: ask.host,
            path: ask.path,
            query: None,
            headers: &ask.headers,
            client: ask.client.parse::<IpAddr>().unwrap(),
        };
        self.filters.decide(&head, &self.store, self.now)
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = Time(self.now.0 + ms);
    }

    /// How many of so many requests at one instant pass.
    pub(crate) fn passes(&self, count: usize, ask: &Ask) -> usize {
        (0..count).filter(|_| matches!(self.decide(ask).verdict, Verdict::Pass(_))).count()
    }
}

//! A config, a store and a clock in one hand.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use http::HeaderMap;
use selvedge_conf::Config;
use selvedge_filters::{Decision, Explanation, Filters, Head, Indexing, Reply, Tables, Verdict};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreConfig, Time};

/// Filters over a store, at an instant.
pub(crate) struct World {
    pub(crate) filters: Filters,
    pub(crate) store: Store,
    pub(crate) config: Config,
    pub(crate) now: Time,
}

/// A request that tests change a little.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) host: &'static str,
    pub(crate) path: &'static str,
    pub(crate) query: Option<&'static str>,
    pub(crate) client: &'static str,
    pub(crate) headers: HeaderMap,
}

impl Default for Ask {
    fn default() -> Ask {
        let (host, path, client) = ("www.example.com", "/", "192.0.2.1");
        Ask { method: "GET", host, path, query: None, client, headers: HeaderMap::new() }
    }
}

impl Ask {
    pub(crate) fn path(path: &'static str) -> Ask {
        Ask { path, ..Ask::default() }
    }

    pub(crate) fn head(&self) -> Head<'_> {
        let client = self.client.parse::<IpAddr>().unwrap();
        Head { query: self.query, ..Head::plain(self.method, self.host, self.path, &self.headers, client) }
    }
}

pub(crate) fn config(text: &str) -> Config {
    let whole = format!(
        "[listen]\nhttp = [\"127.0.0.1:80\"]\n[origin.app]\nservers = [\"127.0.0.1:8000\"]\n\
         [site.\"www.example.com\"]\norigin = \"app\"\n[site.\"*.example.org\"]\norigin = \"app\"\n{text}"
    );
    let read = |_: &Path| io::Result::Ok(whole.clone());
    selvedge_conf::load(Path::new("test.toml"), &read, &|_| Ok(Vec::new()), &|_| None)
        .unwrap_or_else(|report| panic!("{}", report.render(false)))
}

impl World {
    /// One POP of a roster of so many; without links it hears only itself.
    pub(crate) fn new(roster: u16, text: &str) -> World {
        World::of(roster, config(text), Tables::default(), Indexing::On)
    }

    pub(crate) fn of(roster: u16, config: Config, tables: Tables, indexing: Indexing) -> World {
        let store = Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(1),
            cluster: "test".to_owned(),
            secret: [3; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 1000,
            bans_max: 100,
            roster,
        });
        let filters = Filters::with(indexing, &config, tables, &store).unwrap();
        filters.begin(&store, Time::ZERO);
        World { filters, store, config, now: Time(1_800_000_000_000) }
    }

    /// One POP alone, with rules and more that a config of limits alone does not have.
    pub(crate) fn with(text: &str, more: impl FnOnce(&mut Config)) -> World {
        let mut config = config(text);
        more(&mut config);
        World::of(1, config, Tables::default(), Indexing::On)
    }

    pub(crate) fn alone(text: &str) -> World {
        World::new(1, text)
    }

    pub(crate) fn decide(&self, ask: &Ask) -> Decision {
        self.filters.decide(&ask.head(), &self.store, self.now)
    }

    pub(crate) fn explain(&self, ask: &Ask, reply: Option<&Reply<'_>>) -> Explanation {
        let head = ask.head();
        self.filters.explain(&self.config, (&head, head.client), reply, &self.store, self.now)
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = Time(self.now.0 + ms);
    }

    /// How many of so many requests at one instant pass.
    pub(crate) fn passes(&self, count: usize, ask: &Ask) -> usize {
        (0..count).filter(|_| matches!(self.decide(ask).verdict, Verdict::Pass(_))).count()
    }
}

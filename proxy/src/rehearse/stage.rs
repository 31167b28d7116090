//! A store and a config's filters over it, empty: where an offline explanation or a story takes place.

use selvedge_conf::Config;
use selvedge_filters::{Filters, Tables};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreBounds, StoreConfig, Time};

/// Entries that a table holds here at most: a story sends some thousands of requests.
const ENTRIES_MAX: usize = 100_000;

/// Filters over a store of their own.
#[derive(Debug)]
pub struct Stage {
    /// The filters.
    pub filters: Filters,
    /// The store.
    pub store: Store,
}

impl Stage {
    /// An empty one at a POP of a roster of so many, which hears only itself. Hashes are keyed by a fixed secret: nothing here
    /// leaves the process.
    ///
    /// # Errors
    /// In words, when the config counts more than a store holds.
    pub fn new(config: &Config, tables: Tables, roster: u16) -> Result<Stage, String> {
        let bounds = StoreBounds {
            uniques_max: config.storage.uniques_max.min(ENTRIES_MAX),
            lists_max: config.storage.lists_max.min(ENTRIES_MAX),
            ledgers_max: config.storage.ledgers_max.min(ENTRIES_MAX),
            sessions_max: config.storage.sessions_max.min(ENTRIES_MAX),
            revocations_max: config.storage.revocations_max.min(ENTRIES_MAX),
            ..StoreBounds::default()
        };
        let me = StoreConfig {
            me: Actor { pop: PopId(0), node: 0 },
            incarnation: Incarnation(1),
            cluster: String::new(),
            secret: *b"a rehearsal only",
            secret_beside: None,
            salt: 0,
            keys_max: config.storage.keys_max.min(ENTRIES_MAX),
            bans_max: config.storage.bans_max,
            roster,
        };
        let store = Store::with_bounds(me, bounds);
        store.stand_among((0..roster).map(PopId));
        let filters = Filters::new(config, tables, &store).map_err(|error| error.to_string())?;
        filters.begin(&store, Time::ZERO);
        Ok(Stage { filters, store })
    }

    /// Says how many POPs are heard, this one included, and how old the newest news of the one heard least is.
    pub fn hear(&self, heard: u16, lag_ms: u64, now: Time) {
        self.store.set_heard(heard, Some(now.minus(lag_ms)));
    }
}

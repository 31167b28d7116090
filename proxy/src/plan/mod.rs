//! The plan: everything made of a config that is exchanged as a whole when the config changes.
//!
//! In goes what [`load`] read; out comes a [`Plan`], which a request takes once and keeps to its end, so that it sees one
//! config through all its hooks. What lives on (store, cache, links, sockets, clock) is the [`Node`](crate::node::Node)'s.
//! What a new plan has in common with the old one is shared, not made again: an origin keeps its health, addresses and
//! connections, a list of a million networks its table.

mod fixed;
mod ledger;
mod load;
mod reload;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use selvedge_conf::Config;
use selvedge_filters::Filters;
use selvedge_state::{Store, TableFull};

use crate::edge::origin::Origin;
use crate::link::membership::Membership;
use crate::observe::Meters;
use crate::shield::{Homes, Parents};
use crate::tables::Shelf;

pub use ledger::{Contents, Digest, Ledger};
pub use load::{Fault, LoadError, Loaded, load, read};
pub use reload::{Cause, ReloadError, Reloads, reload};
pub(crate) use watch::watch;

/// What requests are served by, between two reloads.
pub struct Plan {
    /// The config; the keys that only a restart changes are those the node started with.
    pub config: Config,
    /// Its filters.
    pub filters: Filters,
    /// Its origins, in its order.
    pub origins: Vec<Arc<Origin>>,
    /// The POPs that it fetches through.
    pub(crate) parents: Parents,
    /// The POPs that answer for idempotency keys.
    pub(crate) homes: Homes,
    /// Lists, databases and token keys.
    pub shelf: Shelf,
    /// Counters by its names.
    pub meters: Meters,
}

impl fmt::Debug for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Plan").field("revision", &self.config.revision).finish_non_exhaustive()
    }
}

/// Numbers for origins: one that was given is never given again in the life of a process, since Pingora shares kept
/// connections by it.
#[derive(Debug, Default)]
pub struct Groups(AtomicU64);

impl Groups {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// What plans are made with: parts of the node that outlive them.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Where limits count.
    pub store: &'a Store,
    /// Where requests are counted for operators.
    pub metrics: &'a crate::observe::Metrics,
    /// Numbers for new origins.
    pub groups: &'a Groups,
}

impl Plan {
    /// The plan of a config. Origins of `before` that are configured the same are taken over.
    ///
    /// # Errors
    /// [`TableFull`] when the store has no room for what the config counts.
    pub fn new(
        config: Config,
        (authorities, membership): (Vec<Option<crate::edge::origin::Authorities>>, Option<&Membership>),
        shelf: Shelf,
        ground: Ground<'_>,
        before: Option<&Plan>,
    ) -> Result<Plan, TableFull> {
        let filters = Filters::new(&config, shelf.tables(), ground.store)?;
        let old = before.map_or(&[][..], |plan| plan.origins.as_slice());
        let origins = config
            .origins
            .iter()
            .zip(authorities)
            .map(|(facts, authorities)| {
                let same = old.iter().find(|origin| origin.is_made_of(facts, authorities.as_ref()));
                same.map_or_else(|| Origin::new(facts.clone(), authorities, ground.groups.next(), old), Arc::clone)
            })
            .collect();
        let parents = Parents::new(&config, membership, ground.groups, before.map(|before| &before.parents));
        let homes = Homes::new(&config, membership, ground.groups, before.map(|before| &before.homes));
        let meters = ground.metrics.meters(&config);
        Ok(Plan { config, filters, origins, parents, homes, shelf, meters })
    }

    /// All that names are looked up for: its origins, the POPs that it fetches through, and those that answer for keys.
    pub fn named(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.origins.iter().chain(self.parents.ways()).chain(self.homes.ways())
    }

    /// Those of them that another plan does not have.
    pub fn named_not_in<'a>(&'a self, other: &'a Plan) -> impl Iterator<Item = &'a Arc<Origin>> {
        self.named().filter(|origin| !other.named().any(|old| Arc::ptr_eq(old, origin)))
    }
}

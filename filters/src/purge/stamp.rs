//! What a response carries from when it is asked for: by which keys it may be purged, and when that was.
//!
//! *When* is told by the purges that this node had applied before the request went out, not by a clock: a purge that came to be known
//! here later voids what was asked for before, whenever it was made (rule L).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use selvedge_state::{Application, Fill, Key128, Store};

use super::name::{Name, Reach};

/// The keys of a response's names, and when it was asked for. The default was asked for before all purges, and has no names.
#[derive(Debug, Clone, Default)]
pub struct Stamp {
    fill: Fill,
    /// When what brought the body was asked for, which a 304 does not.
    body: Fill,
    /// The hard ones, then as many soft ones.
    keys: Arc<[Key128]>,
}

/// The stamp of what is stored, or on its way to that.
#[derive(Debug)]
pub struct Stamped {
    stamp: Stamp,
    /// The number of the application up to which it was found untouched.
    clean: AtomicU64,
}

/// What purges made of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Valid,
    /// A soft purge came to be known here.
    Stale(Application),
    /// A hard one did.
    Gone,
}

/// What a 304 makes of the response that it validates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// It is as new as the request that brought the 304.
    Renewed,
    /// It was asked for after more purges than that request, and stays as it is.
    Newer,
    /// A hard purge came to be known since it was asked for: what is purged is not validated (rule H).
    Gone,
}

impl Stamp {
    /// Of a response that has these names and is asked for at `fill`.
    pub fn new(store: &Store, fill: Fill, names: &[Name<'_>]) -> Stamp {
        let keys = |reach| names.iter().flat_map(move |name| name.key(store, reach).each());
        Stamp { fill, body: fill, keys: keys(Reach::Hard).chain(keys(Reach::Soft)).collect() }
    }

    /// One that was written down: when it was asked for, and its [body](Stamp::body). The keys are as [`keys`](Stamp::keys) gives them.
    pub fn restored((fill, body): (Fill, Fill), keys: Arc<[Key128]>) -> Stamp {
        Stamp { fill, body, keys }
    }

    /// The same, as if it had been asked for at another time.
    pub fn filled_at(self, fill: Fill) -> Stamp {
        Stamp { fill, body: fill, ..self }
    }

    /// The one that a 304 to a request with this stamp leaves of what it validates.
    #[must_use]
    pub fn validating(self, known: &Stamp) -> Stamp {
        Stamp { body: known.body, ..self }
    }

    /// When the body was asked for. A 304 says that the origin has the same under this name, and not that it was asked for anew: who knows of purges
    /// that nobody here has heard of cannot take it for newer than them.
    pub fn body(&self) -> Fill {
        self.body
    }

    /// When the response was asked for.
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// What it is purged by: the hard ones, then as many soft ones.
    pub fn keys(&self) -> &[Key128] {
        &self.keys
    }

    /// The same, in two.
    pub fn hard_and_soft(&self) -> (&[Key128], &[Key128]) {
        self.keys.split_at(self.keys.len() / 2)
    }
}

impl Stamped {
    /// Of something that nobody has looked at yet.
    pub fn new(stamp: Stamp) -> Stamped {
        let clean = AtomicU64::new(stamp.fill.number());
        Stamped { stamp, clean }
    }

    /// When it was asked for.
    pub fn fill(&self) -> Fill {
        self.stamp.fill
    }

    /// When it was asked for, and by which keys it is purged.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// What purges made of it. While no purge comes to be known, one comparison.
    pub fn standing(&self, store: &Store) -> Standing {
        let up_to = store.fill();
        if self.clean.load(Ordering::Acquire) == up_to.number() {
            return Standing::Valid;
        }
        let (hard, soft) = self.stamp.hard_and_soft();
        if store.first_purge(hard, self.stamp.fill).is_some() {
            return Standing::Gone;
        }
        match store.first_purge(soft, self.stamp.fill) {
            Some(applied) => Standing::Stale(applied),
            None => {
                self.found_clean(up_to.number());
                Standing::Valid
            }
        }
    }

    /// Whether a hard purge came to be known since it was asked for.
    pub fn is_gone(&self, store: &Store) -> bool {
        self.standing(store) == Standing::Gone
    }

    /// Whether another response to the same request takes its place: what was asked for after more purges stays.
    pub fn gives_way_to(&self, other: &Stamped) -> bool {
        self.fill() <= other.fill()
    }

    /// What a 304 to a request that carries this stamp makes of it.
    pub fn renewal(&self, by: &Stamped, store: &Store) -> Renewal {
        if self.is_gone(store) {
            Renewal::Gone
        } else if self.gives_way_to(by) {
            Renewal::Renewed
        } else {
            Renewal::Newer
        }
    }

    /// No application up to the one of this number needs to be looked at again.
    pub fn found_clean(&self, number: u64) {
        self.clean.fetch_max(number, Ordering::AcqRel);
    }
}

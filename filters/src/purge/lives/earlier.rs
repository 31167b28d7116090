//! What is known of purges in the lives of this node before this one.
//!
//! What was filled in an earlier life is as it was if no application of one of its keys, or of all, comes after its own (life, number).

use std::collections::HashMap;

use selvedge_state::{Fill, Incarnation, Key128, Store, Time};

use super::super::stamp::{Stamp, Stamped, Standing};

/// An application among all of a node's lives.
pub type Place = (Incarnation, u64);

/// What purges made of something that was stored in an earlier life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierStanding {
    /// Nothing, up to [`Earlier::fill`].
    Valid,
    /// It was purged softly, at this instant of node time.
    Stale(Time),
    /// It was purged, or nothing is known of it.
    Gone,
}

/// What purges made of something that was stored in any life.
#[derive(Debug)]
pub struct Judged {
    /// Its stamp in this life.
    pub stamped: Stamped,
    /// What they made of it in this life; [`Standing::Gone`] of any.
    pub standing: Standing,
    /// When it was purged softly in an earlier life, node time.
    pub stale_since: Option<Time>,
}

/// What a log said when this life began.
#[derive(Debug)]
pub struct Earlier {
    known: Option<Known>,
    fill: Fill,
}

/// The last application of each key, and of all.
#[derive(Debug)]
pub(super) struct Known {
    /// The last life that wrote the log.
    pub(super) last: Incarnation,
    pub(super) keys: HashMap<Key128, (Place, Time)>,
    pub(super) all: Option<Place>,
}

impl Earlier {
    pub(super) fn new(known: Option<Known>, fill: Fill) -> Earlier {
        Earlier { known, fill }
    }

    /// The same, of which nothing is known: all that earlier lives stored is gone.
    #[must_use]
    pub fn forgotten(self) -> Earlier {
        Earlier { known: None, ..self }
    }

    /// What became of something that was filled at `number` in an earlier life, by its keys.
    pub fn standing(&self, life: Incarnation, number: u64, hard: &[Key128], soft: &[Key128]) -> EarlierStanding {
        let Some(known) = &self.known else { return EarlierStanding::Gone };
        let place = (life, number);
        // What a later life stored than ever wrote this log was stored under another one, which is gone.
        let is_unknown = life > known.last;
        if is_unknown || known.all.is_some_and(|all| all > place) || hard.iter().any(|key| known.is_since(key, place)) {
            return EarlierStanding::Gone;
        }
        let at = |key: &Key128| known.keys.get(key).filter(|(applied, _)| *applied > place).map(|(_, at)| *at);
        soft.iter().filter_map(at).min().map_or(EarlierStanding::Valid, EarlierStanding::Stale)
    }

    /// What something of an earlier life that is valid, or stale, counts as filled at in this one: purges that come to be known from then on
    /// have greater numbers.
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// What purges made of something that was asked for in `life`, where `ours` is this one and it was found clean in this one up to the
    /// application of number `clean`.
    pub fn judge(&self, stamp: Stamp, (life, ours): (Incarnation, Incarnation), clean: u64, store: &Store) -> Judged {
        let (mut stamp, mut was) = (stamp, EarlierStanding::Valid);
        if life != ours {
            let (hard, soft) = stamp.hard_and_soft();
            was = self.standing(life, stamp.fill().number(), hard, soft);
            stamp = stamp.filled_at(self.fill);
        }
        let stamped = Stamped::new(stamp);
        stamped.found_clean(clean);
        let (standing, stale_since) = match was {
            EarlierStanding::Gone => (Standing::Gone, None),
            EarlierStanding::Stale(at) => (stamped.standing(store), Some(at)),
            EarlierStanding::Valid => (stamped.standing(store), None),
        };
        Judged { stamped, standing, stale_since }
    }
}

impl Known {
    fn is_since(&self, key: &Key128, place: Place) -> bool {
        self.keys.get(key).is_some_and(|(applied, _)| *applied > place)
    }
}

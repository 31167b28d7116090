//! Which POP answers for an idempotency key, and how it is reached. Those are homes that others can reach: the POPs of the roster that have a shield's address,
//! and of each its first node, which has the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use selvedge_conf::Config;
use selvedge_filters::idempotency::{Name, home};
use selvedge_state::{Actor, PopId};

use super::parents::Parent;
use crate::edge::origin::Origin;
use crate::link::membership::Membership;
use crate::plan::Groups;

/// The homes of a plan.
#[derive(Debug, Clone)]
pub(crate) enum Homes {
    /// A POP without a cluster answers for all keys.
    Alone,
    /// Each key has one of several.
    Shared {
        me: Actor,
        /// All POPs that may be one, this one included.
        candidates: Vec<PopId>,
        /// Those that are reached over the network.
        by_pop: BTreeMap<PopId, Arc<Parent>>,
    },
    /// No key has one: there is no policy, or no roster that is known.
    None,
}

/// Where a key is answered for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Home<'h> {
    /// By this process.
    Here,
    /// By another one.
    There(&'h Arc<Parent>),
    /// By nobody.
    Nowhere,
}

impl Homes {
    /// The homes by a roster, where a config has idempotency policies. What `before` knows of the same POPs is taken over; where the roster in force stays, and is not here,
    /// all of it is.
    pub(crate) fn new(
        config: &Config,
        membership: Option<&Membership>,
        groups: &Groups,
        before: Option<&Homes>,
    ) -> Homes {
        match (membership, before) {
            _ if config.idempotencies.is_empty() => Homes::None,
            _ if config.cluster.is_none() => Homes::Alone,
            (Some(membership), _) => Homes::of_roster(membership, groups, before),
            (None, Some(before)) => before.clone(),
            (None, None) => Homes::None,
        }
    }

    fn of_roster(membership: &Membership, groups: &Groups, before: Option<&Homes>) -> Homes {
        let (roster, me) = (&membership.roster, membership.me);
        let candidates = roster.pops().filter(|pop| pop.shield.is_some()).map(|pop| pop.id).collect();
        let others = roster.pops().filter(|pop| pop.id != me.pop || me.node > 0);
        let by_pop = others.filter_map(|pop| {
            let known = before.and_then(|before| before.reached().get(&pop.id));
            Some((pop.id, Parent::of(pop, membership, known, groups)?))
        });
        Homes::Shared { me, candidates, by_pop: by_pop.collect() }
    }

    /// Where a key is answered for.
    pub(crate) fn of(&self, name: &Name) -> Home<'_> {
        let (me, candidates, by_pop) = match self {
            Homes::Alone => return Home::Here,
            Homes::None => return Home::Nowhere,
            Homes::Shared { me, candidates, by_pop } => (me, candidates, by_pop),
        };
        match home(name, candidates.iter().copied()) {
            None => Home::Nowhere,
            Some(pop) if pop == me.pop && me.node == 0 => Home::Here,
            Some(pop) => by_pop.get(&pop).map_or(Home::Nowhere, Home::There),
        }
    }

    fn reached(&self) -> &BTreeMap<PopId, Arc<Parent>> {
        static NOBODY: BTreeMap<PopId, Arc<Parent>> = BTreeMap::new();
        match self {
            Homes::Shared { by_pop, .. } => by_pop,
            Homes::Alone | Homes::None => &NOBODY,
        }
    }

    /// What their names are looked up for.
    pub(crate) fn ways(&self) -> impl Iterator<Item = &Arc<Origin>> {
        self.reached().values().map(|home| home.way_shared())
    }
}

//! Who is dialled: for each POP of a higher id a task that dials the roster's address ([`dial`]), and one for each node that says where it
//! is reached ([`fleet`](super::fleet)). A task dials while there is no link to whom it is for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use selvedge_state::Actor;
use tokio::sync::{mpsc, watch};

use super::board::lock;
use super::driver::RETIRING_MAX;
use super::roster::RosterPop;
use super::{Shared, dial};

/// Whom a task is for: one node of a POP at its own address, or any at the roster's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) pop: RosterPop,
    pub(crate) node: Option<Actor>,
}

/// The running tasks. One whose sender is dropped ends, once the link that it may have is over.
#[derive(Default)]
pub(crate) struct Dials {
    pops: Mutex<BTreeMap<u16, Dialled>>,
    nodes: Mutex<BTreeMap<Actor, Dialled>>,
}

struct Dialled {
    target: Target,
    _kept: watch::Sender<bool>,
}

impl Dials {
    /// Dials whom the roster in force names, at the address that it has now. A POP that moved is dialled anew.
    pub(crate) fn pops(&self, shared: &Arc<Shared>) {
        let place = shared.place.load();
        let me = shared.me;
        let mine = |pop: &RosterPop| pop.id == me.pop && shared.is_one_of_several(&pop.address);
        let wanted = place.roster.pops().filter(|pop| me.pop < pop.id || mine(pop));
        renew(&self.pops, shared, wanted.map(|pop| (pop.id.0, Target { pop: pop.clone(), node: None })).collect());
    }

    /// Dials those of these nodes that are above this one, each at its own address.
    pub(crate) fn nodes(&self, shared: &Arc<Shared>, nodes: BTreeMap<Actor, String>) {
        let place = shared.place.load();
        let target = |(actor, address): (Actor, String)| {
            let pop = RosterPop { address, ..place.roster.pop(actor.pop)?.clone() };
            (shared.me < actor).then_some((actor, Target { pop, node: Some(actor) }))
        };
        renew(&self.nodes, shared, nodes.into_iter().filter_map(target).collect());
    }
}

/// Dials nodes whose process hands over, beside the link to it that is still up: their successors listen where they did.
pub(super) async fn again(shared: Arc<Shared>, mut retiring: mpsc::Receiver<Actor>) {
    let mut dialled: BTreeMap<Actor, Instant> = BTreeMap::new();
    while let Some(actor) = retiring.recv().await {
        let Some((dials, _)) = &shared.dials else { continue };
        // Whoever says so again and again is dialled no more often than one that does not.
        dialled.retain(|_, at| at.elapsed() < dial::ONCE_IN);
        if dialled.contains_key(&actor) || dialled.len() >= RETIRING_MAX {
            continue;
        }
        dialled.insert(actor, Instant::now());
        let of_node = lock(&dials.nodes).get(&actor).map(|dialled| dialled.target.clone());
        let target = of_node.or_else(|| lock(&dials.pops).get(&actor.pop.0).map(|dialled| dialled.target.clone()));
        if let Some(target) = target {
            tokio::spawn(dial::once(Arc::clone(&shared), target, shared.shutdown.clone()));
        }
    }
}

fn renew<K: Ord>(dialled: &Mutex<BTreeMap<K, Dialled>>, shared: &Arc<Shared>, wanted: BTreeMap<K, Target>) {
    let mut dialled = lock(dialled);
    dialled.retain(|key, known| wanted.get(key) == Some(&known.target));
    for (key, target) in wanted {
        dialled.entry(key).or_insert_with(|| {
            let (kept, dropped) = watch::channel(false);
            tokio::spawn(dial::keep(Arc::clone(shared), target.clone(), dropped, shared.shutdown.clone()));
            Dialled { target, _kept: kept }
        });
    }
}

//! Nodes of one POP over links. Each says in a replicated list where the others reach it, for some minutes at a time; so who there is travels
//! as all other state does, also to nodes that have no link to it, and no file is edited elsewhere. Of two nodes the lower one
//! dials. A node that stops takes itself out, and is gone then; one that falls silent stays known, so that nobody takes its share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use selvedge_state::{Actor, ListError, ListId, PopId, Store, TableFull, Time};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::driver::Message;
use super::{Shared, stopped};
use crate::clock::Clock;

/// Nodes that are dialled at once, besides one of each POP. The mesh is meant for some hundreds.
pub const NODES_MAX: usize = 1024;

/// No list of a config has a name with a space.
const LIST: &str = "cluster nodes";

/// Between two looks at who there is.
const LOOK: Duration = Duration::from_secs(1);

/// What a node says of itself holds so long, ms.
const SAID_FOR: u64 = 180_000;

/// And is said again after so many looks.
const SAID_EVERY: u32 = 60;

pub(crate) struct Fleet {
    store: Arc<Store>,
    clock: Clock,
    list: ListId,
    me: Actor,
    /// Where others reach this node itself; none where the roster's address is enough.
    address: Option<String>,
}

impl Fleet {
    pub(crate) fn new(
        store: &Arc<Store>,
        clock: &Clock,
        me: Actor,
        address: Option<String>,
    ) -> Result<Fleet, TableFull> {
        Ok(Fleet { store: Arc::clone(store), clock: clock.clone(), list: store.list(LIST)?, me, address })
    }

    /// Whether this POP may have other nodes, which the roster's address may lead to.
    pub(crate) fn is_one_of_several(&self, address: &str) -> bool {
        self.address.as_ref().is_some_and(|own| own != address)
    }

    /// Whether this node is reached by itself, as one of several.
    pub(crate) fn has_address(&self) -> bool {
        self.address.is_some()
    }

    fn say(&self, is_here: bool) -> Result<(), ListError> {
        let Some(address) = &self.address else { return Ok(()) };
        let now = self.clock.now();
        self.store.list_set(self.list, &entry(self.me, address), is_here, now.plus(SAID_FOR), now)
    }

    /// Who there is, and who took itself out and when. Only what a node says of itself counts, and of that the newest.
    fn nodes(&self) -> (BTreeMap<Actor, String>, BTreeMap<Actor, Time>) {
        let mut newest: BTreeMap<Actor, (Time, Option<String>)> = BTreeMap::new();
        if self.store.has_listed(self.list) {
            for entry in self.store.list_entries(self.list, self.clock.now()) {
                let Some((actor, address)) = read(&entry.element) else { continue };
                let is_older = newest.get(&actor).is_some_and(|(at, _)| *at > entry.made_at);
                let fits = newest.len() < NODES_MAX || newest.contains_key(&actor);
                if actor != self.me && entry.made_by == actor && !is_older && fits {
                    newest.insert(actor, (entry.made_at, entry.present.then(|| address.to_owned())));
                }
            }
        }
        let (mut here, mut gone) = (BTreeMap::new(), BTreeMap::new());
        for (actor, (at, address)) in newest {
            match address {
                Some(address) => drop(here.insert(actor, address)),
                None => drop(gone.insert(actor, at)),
            }
        }
        (here, gone)
    }
}

fn entry(actor: Actor, address: &str) -> String {
    format!("{}/{} {address}", actor.pop.0, actor.node)
}

fn read(entry: &str) -> Option<(Actor, &str)> {
    let (actor, address) = entry.split_once(' ')?;
    let (pop, node) = actor.split_once('/')?;
    Some((Actor { pop: PopId(pop.parse().ok()?), node: node.parse().ok()? }, address))
}

/// Says that this node is here, and has those dialled that it is to dial, until `shutdown` turns true. A process that was taken over
/// from leaves what its successor says.
pub(crate) async fn keep(shared: Arc<Shared>, mut shutdown: watch::Receiver<bool>) {
    let Some((dials, fleet)) = &shared.dials else { return };
    let mut looks = interval(LOOK);
    // Whose leave was told to the replica.
    let mut told = BTreeMap::new();
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for look in (0..SAID_EVERY).cycle() {
        tokio::select! {
            _ = looks.tick() => {}
            () = stopped(&mut shutdown) => break,
        }
        if look == 0
            && !*shared.retired.borrow()
            && let Err(error) = fleet.say(true)
        {
            shared.board.unlisted(error.to_string());
        }
        let (here, gone) = fleet.nodes();
        dials.nodes(&shared, here);
        for (actor, at) in &gone {
            if told.get(actor) != Some(at) && !shared.is_linked(*actor) {
                let _ = shared.messages.send(Message::Left { actor: *actor }).await;
                told.insert(*actor, *at);
            }
        }
        told.retain(|actor, _| gone.contains_key(actor));
    }
    if !*shared.retired.borrow() {
        // The others learn of it with the last flush; where not, it is silent from here on.
        let _ = fleet.say(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_back() {
        let actor = Actor { pop: PopId(3), node: 12 };
        assert_eq!(read(&entry(actor, "10.0.0.1:7946")), Some((actor, "10.0.0.1:7946")));
        for other in ["", "3/12", "3 x", "3/x y", "70000/1 y"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}

//! Who is dialled: a task for each POP of a higher id ([`dial`]), as the roster in force has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::board::lock;
use super::roster::RosterPop;
use super::{Shared, dial};

/// The running tasks. One whose sender is dropped ends, once the link that it may have is over.
#[derive(Default)]
pub(crate) struct Dials(Mutex<BTreeMap<u16, Dialled>>);

struct Dialled {
    peer: RosterPop,
    _kept: watch::Sender<bool>,
}

impl Dials {
    /// Dials whom the roster in force names, at the address that it has now. A POP that moved is dialled anew while its link of
    /// before still stands, so nothing is missed.
    pub(crate) fn renew(&self, shared: &Arc<Shared>, shutdown: &watch::Receiver<bool>) {
        let place = shared.place.load();
        let mut dialled = lock(&self.0);
        let wanted: BTreeMap<u16, &RosterPop> =
            place.roster.peers(shared.me).filter(|peer| shared.me < peer.id).map(|peer| (peer.id.0, peer)).collect();
        dialled.retain(|id, known| wanted.get(id).is_some_and(|peer| **peer == known.peer));
        for (id, peer) in wanted {
            dialled.entry(id).or_insert_with(|| {
                let (kept, dropped) = watch::channel(false);
                tokio::spawn(dial::keep(Arc::clone(shared), peer.clone(), dropped, shutdown.clone()));
                Dialled { peer: peer.clone(), _kept: kept }
            });
        }
    }
}

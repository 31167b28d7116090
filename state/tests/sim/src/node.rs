//! One node of the simulated cluster.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use selvedge_state::{
    Event, Input, LinkId, ListId, Output, PopId, Replica, ReplicaConfig, Store, TableId, TableSpec, Time, UniquesId,
};

use crate::World;
use crate::make::{Secrets, config, store_with, uniques_spec};

/// A node, with what the world knows of it.
#[derive(Debug)]
pub struct Node {
    /// Its POP.
    pub pop: u16,
    /// Which life of its memory this is.
    pub life: u64,
    /// What it hashes with.
    pub secrets: Secrets,
    /// Its store.
    pub store: Arc<Store>,
    /// Its replica.
    pub replica: Replica,
    /// The tables that the world was made with.
    pub tables: Vec<TableId>,
    /// A table of distinct counts, with slots of [`World::SLOT`].
    pub uniques: UniquesId,
    /// A list.
    pub list: ListId,
    /// How far its clock is ahead, ms. See [`World::set_ahead`].
    pub ahead: u64,
    /// What its replica told.
    pub events: Vec<Event>,
    /// How long it takes to get to a frame that has come, ms.
    pub slow: u64,
    /// Whether it runs: one that is stopped neither reads nor writes.
    pub is_stopped: bool,
    /// The links that are up, by its names for them, oldest first; for each other node by its number.
    pub(crate) links: Vec<Vec<LinkId>>,
    /// What a fabric has for it and it has not read, by when it gets to it; oldest first. Only where it is slow or stopped.
    pub(crate) inbox: VecDeque<(Time, LinkId, Bytes)>,
    /// The bytes of that.
    pub(crate) inbox_bytes: usize,
}

impl Node {
    /// Its replica takes these when the world's time is `now`, over links that take at once what it sends. Says what it said.
    pub(crate) fn take(&mut self, inputs: Vec<Input>, now: Time) -> Vec<Output> {
        let (now, mut said) = (now.plus(self.ahead), Vec::new());
        for input in inputs {
            self.replica.handle(input, now);
            while let Some(output) = self.replica.poll_output() {
                if let Output::Send { link, ref frame } = output {
                    self.replica.handle(Input::Sent { link, bytes: frame.len() }, now);
                }
                said.push(output);
            }
        }
        said
    }
}

/// The nodes whose stores have called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<usize>>>);

impl Calls {
    fn call(&self, node: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(node);
    }

    /// Who has called since this was asked last, in the order of their numbers: several may call at once.
    pub(crate) fn take(&self) -> Vec<usize> {
        let mut called = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        called.sort_unstable();
        called.dedup();
        called
    }
}

/// What nodes have in common.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    pub(crate) specs: Vec<TableSpec>,
    pub(crate) roster: u16,
    pub(crate) keys_max: usize,
    pub(crate) calls: Calls,
    /// The roster that nodes begin with, if it is not the first one of all: its revision and POPs.
    pub(crate) newest: Option<(u64, Vec<u16>)>,
}

impl Kind {
    /// A node without links.
    pub(crate) fn node(&self, (index, pop): (usize, u16), (life, secrets): (u64, Secrets), boot: u64) -> Node {
        let store = store_with(secrets, (pop, life), self.roster, (self.keys_max, 1_000));
        let tables = self.specs.iter().map(|spec| store.table(spec).expect("room for a table")).collect();
        let calls = self.calls.clone();
        store.on_dirty(Box::new(move || calls.call(index)));
        let Secrets { now: secret_id, beside: secret_beside } = secrets;
        let mut config = ReplicaConfig { secret_id, secret_beside, ..config(pop, life, boot, self.roster) };
        if let Some((revision, pops)) = &self.newest {
            config.roster_revision = *revision;
            config.peers = pops.iter().copied().filter(|other| *other != pop).map(PopId).collect();
        }
        let replica = Replica::new(config, Arc::clone(&store));
        let uniques = store.uniques(&uniques_spec(World::SLOT)).expect("room for a table");
        let list = store.list("blocked").expect("room for a list");
        Node {
            pop,
            life,
            secrets,
            store,
            replica,
            tables,
            uniques,
            list,
            ahead: 0,
            events: Vec::new(),
            slow: 0,
            is_stopped: false,
            links: vec![Vec::new(); usize::from(self.roster)],
            inbox: VecDeque::new(),
            inbox_bytes: 0,
        }
    }
}

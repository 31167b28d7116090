//! A small node, and what it tells another one when asked.

use std::sync::Arc;

use bytes::Bytes;
use selvedge_state::{
    Actor, Event, Incarnation, Input, Key, LinkId, ListId, Output, PopId, Replica, ReplicaConfig, Rung, Store,
    StoreBounds, StoreConfig, TableId, TableSpec, Time, UniquesId, UniquesSpec,
};

/// When everything begins.
pub(crate) const START: Time = Time(1_800_000_000_000 / 3_600_000 * 3_600_000);

/// How much a node holds: little, so that inputs reach it.
pub(crate) const KEYS_MAX: usize = 64;

/// What a node counted itself before anybody spoke to it.
pub(crate) const OWN: u64 = 7;

pub(crate) struct Node {
    pub(crate) store: Arc<Store>,
    pub(crate) replica: Replica,
    pub(crate) table: TableId,
    pub(crate) uniques: UniquesId,
    pub(crate) list: ListId,
}

pub(crate) fn actor(pop: u16) -> Actor {
    Actor { pop: PopId(pop), node: 0 }
}

/// One of three.
pub(crate) fn node(pop: u16) -> Node {
    let (me, incarnation, keys_max) = (actor(pop), Incarnation(1), KEYS_MAX);
    let config = StoreConfig {
        me,
        incarnation,
        cluster: "test".to_owned(),
        secret: *b"the same in all.",
        secret_beside: None,
        salt: 0,
        keys_max,
        bans_max: KEYS_MAX,
        roster: 3,
    };
    #[allow(clippy::needless_update, reason = "there may be more bounds")]
    let bounds = StoreBounds { uniques_max: KEYS_MAX, lists_max: KEYS_MAX, ..StoreBounds::default() };
    let store = Arc::new(Store::with_bounds(config, bounds));
    let (uid, shape) = ("t".to_owned(), "client.ip".to_owned());
    let spec = TableSpec { uid, shape, fine: Rung::Ms100, coarse: Rung::S10, replicated: true };
    let (uid, shape) = ("users".to_owned(), "client.net".to_owned());
    let replica = ReplicaConfig {
        cluster: "test".to_owned(),
        secret_id: 7,
        secret_beside: None,
        roster_revision: 1,
        me,
        incarnation,
        boot: u64::from(pop),
        peers: (1..=3).filter(|other| *other != pop).map(PopId).collect(),
        seed: 1,
    };
    let table = store.table(&spec).expect("there is room");
    let uniques = store.uniques(&UniquesSpec { uid, shape, slot: Rung::S1, replicated: true }).expect("there is room");
    let list = store.list("blocked").expect("there is room");
    let replica = Replica::new(replica, Arc::clone(&store));
    Node { store, replica, table, uniques, list }
}

impl Node {
    /// The key that the node itself counts.
    pub(crate) fn own_key(&self) -> Key {
        self.store.key(&[b"own"])
    }

    /// What it counted itself, of what it knows.
    pub(crate) fn own_count(&self, pop: u16, now: Time) -> u64 {
        let counts = self.store.counts(self.table, self.own_key(), now);
        let own = counts.iter().filter(|(by, life, _)| *by == actor(pop) && *life == Incarnation(1));
        own.map(|(_, _, count)| count).sum()
    }

    pub(crate) fn handle(&mut self, input: Input, now: Time) -> Vec<Output> {
        self.replica.handle(input, now);
        std::iter::from_fn(|| self.replica.poll_output()).collect()
    }

    pub(crate) fn connect(&mut self, peer: u16, now: Time) -> Vec<Output> {
        self.handle(Input::Connected { link: LinkId(u64::from(peer)), peer: PopId(peer) }, now)
    }

    /// Takes a frame of that peer.
    pub(crate) fn hear(&mut self, peer: u16, frame: &[u8], now: Time) -> Vec<Output> {
        self.handle(Input::Frame { link: LinkId(u64::from(peer)), bytes: Bytes::copy_from_slice(frame) }, now)
    }
}

/// The frames among outputs.
pub(crate) fn sent(outputs: &[Output]) -> Vec<Bytes> {
    let frame = |output: &Output| match output {
        Output::Send { frame, .. } => Some(frame.clone()),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

/// No rule of a replica may be broken, whatever it hears.
pub(crate) fn unbroken(outputs: &[Output]) {
    for output in outputs {
        assert!(!matches!(output, Output::Event(Event::Broken { .. })), "{output:?}");
    }
}

//! Two POPs that tell each other what they know, with nothing lost and no delay.

use std::sync::Arc;

use selvedge_filters::{Filters, Tables};
use selvedge_state::{
    Actor, Incarnation, Input, LinkId, Output, PopId, Replica, ReplicaConfig, Store, StoreConfig, Time,
};

use crate::support::config;

/// The one link of either.
const LINK: LinkId = LinkId(1);

/// A POP's filters over its store, and what tells the other.
pub(crate) struct Pop {
    pub(crate) filters: Filters,
    pub(crate) store: Arc<Store>,
    replica: Replica,
}

/// Both, at an instant.
pub(crate) struct Pops {
    pub(crate) each: [Pop; 2],
    pub(crate) now: Time,
    is_cut: bool,
}

impl Pops {
    /// Two POPs with one config, that have heard each other. Their secrets are those of `secrets`: in force, and beside it.
    pub(crate) fn new(text: &str, secrets: [(u8, Option<u8>); 2]) -> Pops {
        let now = Time(1_800_000_000_000);
        let pop = |number: u16, (secret, beside): (u8, Option<u8>)| {
            let (me, incarnation) = (Actor { pop: PopId(number), node: 0 }, Incarnation(1));
            let store = Arc::new(Store::new(StoreConfig {
                me,
                incarnation,
                cluster: "test".to_owned(),
                secret: [secret; 16],
                secret_beside: beside.map(|beside| [beside; 16]),
                salt: 0,
                keys_max: 1000,
                bans_max: 100,
                roster: 2,
            }));
            let filters = Filters::new(&config(text), Tables::default(), &store).unwrap();
            filters.begin(&store, now);
            let replica = ReplicaConfig {
                cluster: "test".to_owned(),
                secret_id: secret.into(),
                secret_beside: beside.map(u64::from),
                roster_revision: 1,
                me,
                incarnation,
                boot: 1,
                peers: vec![PopId(3 - number)],
                seed: number.into(),
            };
            Pop { filters, replica: Replica::new(replica, Arc::clone(&store)), store }
        };
        let [one, other] = secrets;
        let mut pops = Pops { each: [pop(1, one), pop(2, other)], now, is_cut: false };
        for (at, peer) in [(0, 2), (1, 1)] {
            pops.take(at, Input::Connected { link: LINK, peer: PopId(peer) });
        }
        pops.wait(1_000);
        pops
    }

    /// Nothing goes over from now on, or all does.
    pub(crate) fn cut(&mut self, is_cut: bool) {
        self.is_cut = is_cut;
    }

    /// Lets time go by, and what is said in it.
    pub(crate) fn wait(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while self.now < end {
            self.now = self.now.plus(25).min(end);
            for at in 0..2 {
                self.take(at, Input::Dirty);
                self.take(at, Input::Timeout);
            }
        }
    }

    fn take(&mut self, at: usize, input: Input) {
        let mut inputs = vec![(at, input)];
        while let Some((at, input)) = inputs.pop() {
            self.each[at].replica.handle(input, self.now);
            while let Some(output) = self.each[at].replica.poll_output() {
                if let Output::Send { link, frame } = output {
                    inputs.insert(0, (at, Input::Sent { link, bytes: frame.len() }));
                    if !self.is_cut {
                        inputs.insert(0, (1 - at, Input::Frame { link, bytes: frame }));
                    }
                }
            }
        }
    }
}

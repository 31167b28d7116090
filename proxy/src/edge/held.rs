//! What a request holds of limits: given back whatever way the request ends, a panic included.

use std::fmt;
use std::sync::Arc;

use selvedge_filters::limit::Holds;
use selvedge_state::Store;

use crate::clock::Clock;
use crate::plan::Plan;

/// Something that is held until this is dropped.
pub(super) struct Held {
    store: Arc<Store>,
    clock: Clock,
    /// The plan that it was taken by.
    plan: Arc<Plan>,
    holds: Holds,
    /// Bytes of the response's body, when it is over.
    bytes: Option<u64>,
}

impl Held {
    /// Keeps what a decision took; nothing is kept where it took nothing.
    pub(super) fn keep((store, clock): (&Arc<Store>, &Clock), plan: &Arc<Plan>, holds: Holds) -> Option<Held> {
        if holds.is_empty() {
            return None;
        }
        Some(Held { store: Arc::clone(store), clock: clock.clone(), plan: Arc::clone(plan), holds, bytes: None })
    }

    /// For the response, which settles some of it.
    pub(super) fn holds(&mut self) -> &mut Holds {
        &mut self.holds
    }

    /// The response is over, and had a body of so many bytes.
    pub(super) fn end(mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let holds = std::mem::take(&mut self.holds);
        let (filters, store, now) = (&self.plan.filters, &self.store, self.clock.now());
        match self.bytes {
            Some(bytes) => filters.end(holds, bytes, store, now),
            None => filters.abandon(holds, store, now),
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("holds", &self.holds).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use selvedge_filters::{Head, Verdict};
    use selvedge_state::{Actor, Incarnation, PopId, StoreConfig};

    use super::*;
    use crate::observe::Metrics;
    use crate::plan::{Ground, Groups, Ledger, Loaded};

    const CONFIG: &str = "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n\
        [[limit]]\nname = \"open\"\nkey = [\"client.net\"]\nin_flight = 1\n\
        [[limit]]\nname = \"plan\"\nkey = [\"client.net\"]\nquota = \"1000B/month\"\nreserve = \"60B\"\n";

    fn store() -> Arc<Store> {
        Arc::new(Store::new(StoreConfig {
            me: Actor { pop: PopId(1), node: 0 },
            incarnation: Incarnation(1),
            cluster: "test".to_owned(),
            secret: [3; 16],
            secret_beside: None,
            salt: 0,
            keys_max: 100,
            bans_max: 100,
            roster: 1,
        }))
    }

    fn plan(store: &Store) -> Arc<Plan> {
        let read = |_: &Path| Ok(CONFIG.to_owned());
        let config = selvedge_conf::load(Path::new("test.toml"), &read, &|_| Ok(Vec::new()), &|_| None).unwrap();
        let Loaded { config, authorities, shelf, .. } = Loaded::of(config, None, None, Ledger::default()).unwrap();
        let ground = Ground { store, metrics: &Metrics::new().unwrap(), groups: &Groups::default() };
        Arc::new(Plan::new(config, (authorities, None), shelf, ground, None).unwrap())
    }

    /// A request that has a place and sixty bytes, and comes to an end as no request should.
    #[test]
    fn a_panic_gives_back_what_is_held() {
        let (store, clock) = (store(), Clock::start());
        let plan = plan(&store);
        plan.filters.begin(&store, clock.now());
        let headers = http::HeaderMap::new();
        let head = Head::plain("GET", "test", "/", &headers, [192, 0, 2, 1].into());
        let ask = || plan.filters.decide(&head, &store, clock.now());
        for _ in 0..3 {
            let decision = ask();
            assert!(matches!(decision.verdict, Verdict::Pass(_)), "{:?}", decision.verdict);
            let held = Held::keep((&store, &clock), &plan, decision.holds).unwrap();
            assert!(matches!(ask().verdict, Verdict::Limited { .. }), "its place is taken");
            let panicked = std::thread::spawn(move || {
                let _held = held;
                panic!("on purpose");
            });
            assert!(panicked.join().is_err());
        }
        // Nobody knows how much of a body there was, so each cost what was reserved.
        let quota = ask().quotas.into_iter().find(|quota| quota.reset > Some(Duration::ZERO)).unwrap();
        assert_eq!(quota.remaining, 1000 - 4 * 60);
    }
}

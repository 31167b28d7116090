//! Ten million clients that come once, against one limit whose table holds a million: what memory it takes, and what it does to a client that takes
//! all it gets, and to clients that stay under their rate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::HeaderMap;
use selvedge_filters::{Filters, Head, Tables, Verdict};
use selvedge_state::{Actor, Incarnation, PopId, Store, StoreBounds, StoreConfig, Time};

use super::rounded3;
use crate::figures::Figures;
use crate::heap;

/// Clients that come once.
const STRANGERS: usize = 10_000_000;

/// Keys that the table holds.
const KEYS_MAX: usize = 1_000_000;

/// Strangers a ms.
const PACE: usize = 100;

/// The limit: 100 in a second, and as many at once.
const LIMIT: &str = "[[limit]]\nname = \"all\"\nkey = [\"client.net\"]\nrate = \"100/1s\"\nburst = 100\n";

/// So much of a ms.
const RATE: f64 = 0.1;

/// Parts of the run that the heavy client is looked at in.
const PARTS: u64 = 10;

/// Some instant that slots and hours begin at.
const START: Time = Time(1_800_000_000_000);

struct Edge {
    store: Store,
    filters: Filters,
}

impl Edge {
    fn new() -> Result<Edge, String> {
        let config = StoreConfig {
            me: Actor { pop: PopId(0), node: 0 },
            incarnation: Incarnation(1),
            cluster: "bench".to_owned(),
            secret: [7; 16],
            secret_beside: None,
            salt: 0,
            keys_max: KEYS_MAX,
            bans_max: 1,
            roster: 1,
        };
        let store = Store::with_bounds(config, StoreBounds::default());
        let text = format!(
            "[listen]\nhttp = [\"127.0.0.1:0\"]\n[origin.app]\nservers = [\"http://127.0.0.1:1\"]\n[site.\"*\"]\norigin = \"app\"\n{LIMIT}"
        );
        let config = crate::rules::load(&text)?;
        let filters = Filters::new(&config, Tables::default(), &store).map_err(|error| error.to_string())?;
        filters.begin(&store, START);
        Ok(Edge { store, filters })
    }

    fn admits(&self, client: IpAddr, now: Time) -> bool {
        let headers = HeaderMap::new();
        let head = Head::plain("GET", "a.test", "/", &headers, client);
        matches!(self.filters.decide(&head, &self.store, now).verdict, Verdict::Pass(_))
    }
}

pub(super) fn measure(seed: u64) -> Result<Figures, String> {
    let mut figures = Figures::default();
    let edge = Edge::new()?;
    let mut rng = fastrand::Rng::with_seed(seed);
    let heavy = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let light = |n: u8| IpAddr::V4(Ipv4Addr::new(198, 51, 100, n));
    let length = (STRANGERS / PACE) as u64;
    let mut admitted = [0_u64; PARTS as usize];
    let (mut asked, mut refused, mut most) = (0_u64, 0_u64, 0);
    let work = heap::asked(|| {
        for ms in 0..length {
            let now = START.plus(ms);
            for _ in 0..PACE {
                // Each a /64 of its own.
                edge.admits(IpAddr::V6(Ipv6Addr::from(u128::from(rng.u64(..)) << 64)), now);
            }
            // Twenty times its rate.
            for _ in 0..2 {
                if let Some(part) = admitted.get_mut((ms * PARTS / length) as usize) {
                    *part += u64::from(edge.admits(heavy, now));
                }
            }
            // A fifth of the rate each, all the time.
            if ms % 50 == 0 {
                asked += 100;
                refused += (0..100).filter(|n| !edge.admits(light(*n), now)).count() as u64;
            }
            if ms % 1_000 == 0 {
                edge.store.sweep(now);
                most = most.max(edge.filters.limits().iter().map(|limit| limit.keys(&edge.store)).sum());
            }
        }
    });
    let part = RATE * (length / PARTS) as f64;
    // The burst passes once, in the first part.
    let worst =
        admitted.iter().enumerate().map(|(at, admitted)| *admitted as f64 / (part + if at == 0 { 100.0 } else { 0.0 }));
    figures.add("strangers", STRANGERS);
    figures.add("keys_most", most);
    figures.add("keys_max", KEYS_MAX);
    figures.add("heap_bytes_per_place", rounded3(work.grown as f64 / KEYS_MAX as f64));
    figures.add("heavy_worst_tenth_over_limit", rounded3(worst.fold(0.0, f64::max)));
    figures.add("light_refused", rounded3(refused as f64 / asked as f64));
    Ok(figures)
}

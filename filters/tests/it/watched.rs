//! Limits in `monitor` mode, whatever they would do: nothing of it happens, and all of it is counted.

use std::time::Duration;

use selvedge_filters::Verdict;
use selvedge_filters::limit::LimitId;

use crate::support::{Ask, World};

#[test]
fn what_is_only_watched_does_nothing_and_is_counted() {
    for (measure, room) in [
        ("rate = \"60/1m\"\nburst = 2", 2),
        // One more waits a second.
        ("rate = \"60/1m\"\nburst = 2\nover = { delay = \"1s\" }", 3),
        ("rate = \"60/1m\"\nburst = 2\nover = { tag = \"busy\" }", 2),
        ("rates = [{ rate = \"60/1m\", burst = 2 }, { rate = \"600/1m\", burst = 9 }]", 2),
        ("quota = \"2/day\"", 2),
        ("quota = \"2000B/day\"\nreserve = \"1000B\"", 2000),
        ("in_flight = 2", 2),
    ] {
        let watched = format!("[[limit]]\nname = \"watched\"\nkey = [\"client.net\"]\nmode = \"monitor\"\n{measure}\n");
        let own = "[[limit]]\nname = \"own\"\nkey = [\"client.net\"]\nrate = \"6000/1m\"\nburst = 100\n";
        let world = World::alone(&(watched + own));
        let decisions: Vec<_> = (0..5).map(|_| world.decide(&Ask::default())).collect();
        for decision in &decisions {
            assert!(matches!(decision.verdict, Verdict::Pass(_)), "{measure}");
            assert_eq!((decision.wait, decision.waits_by), (Duration::ZERO, None), "{measure}");
            assert!(decision.tags.is_empty() && decision.tagged_by.is_none(), "{measure}");
            let told: Vec<LimitId> = decision.quotas.iter().map(|quota| quota.limit).collect();
            assert_eq!(told, [LimitId(1)], "{measure}: clients are told of what is enforced");
        }
        let would: Vec<bool> = decisions.iter().map(|decision| decision.would_refuse == [LimitId(0)]).collect();
        let admits = if room == 2000 { 2 } else { room };
        assert_eq!(would, [0, 1, 2, 3, 4].map(|at| at >= admits), "{measure}");
        let levels = [0, 1].map(|at: usize| {
            let limit = &world.filters.limits()[at];
            let whose = limit.whose(&["192.0.2.1".to_owned()], &world.store, world.now).unwrap();
            limit.level(&whose, &world.store, world.now)
        });
        assert_eq!(levels, [room as f64, 5.0], "{measure}: what it would not admit costs nothing");
    }
}

#[test]
fn each_watched_limit_that_would_refuse_is_named() {
    let watched = |name: &str, burst: u32| {
        format!("[[limit]]\nname = \"{name}\"\nkey = []\nmode = \"monitor\"\nrate = \"3/1h\"\nburst = {burst}\n")
    };
    let world = World::alone(&format!("{}{}{}", watched("a", 1), watched("b", 3), watched("c", 2)));
    let would: Vec<Vec<usize>> = (0..4)
        .map(|_| world.decide(&Ask::default()).would_refuse.into_iter().map(|LimitId(at)| at).collect())
        .collect();
    assert_eq!(would, [vec![], vec![0], vec![0, 2], vec![0, 1, 2]]);
}

#[test]
fn what_is_watched_in_flight_is_over_when_it_is_over() {
    let world = World::alone("[[limit]]\nname = \"watched\"\nkey = []\nmode = \"monitor\"\nin_flight = 1\n");
    let first = world.decide(&Ask::default());
    let second = world.decide(&Ask::default());
    assert_eq!((first.would_refuse, second.would_refuse), (Vec::new(), vec![LimitId(0)]));
    world.filters.end(second.holds, 0, &world.store, world.now);
    assert_eq!(world.decide(&Ask::default()).would_refuse, [LimitId(0)], "what was not let in leaves no place");
    world.filters.end(first.holds, 0, &world.store, world.now);
    assert_eq!(world.decide(&Ask::default()).would_refuse, []);
}

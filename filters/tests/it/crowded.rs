//! What requests get whose keys found no place in a table that is full, or nearly so.

use http::HeaderMap;
use selvedge_filters::limit::{Holds, LimitId};
use selvedge_filters::{From, Reply, SiteId, Verdict};

use crate::support::{Ask, World};

/// Keys from which on a table of a thousand is nearly full.
const NEARLY: usize = 875;

/// A client of its own.
fn client(number: usize) -> Ask {
    Ask { client: format!("10.0.{}.{}", number / 250, number % 250).leak(), ..Ask::default() }
}

fn level(world: &World) -> f64 {
    let limit = &world.filters.limits()[0];
    let whose = limit.whose(&["192.0.2.1".to_owned()], &world.store, world.now).unwrap();
    limit.level(&whose, &world.store, world.now)
}

/// A limit of sixteen at once, whose table is nearly full of others; little comes back while a test lasts.
fn nearly_full(roster: u16, more: &str) -> World {
    let text = format!(
        "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"16/1h\"\non_partition = \"full\"\n{more}\n"
    );
    World::new(roster, &text)
}

#[test]
fn who_finds_a_table_nearly_full_is_limited_by_the_sketch_and_told_so_much() {
    let world = nearly_full(1, "burst = 16");
    assert_eq!((0..NEARLY).map(|at| world.passes(1, &client(at))).sum::<usize>(), NEARLY);
    let first = world.decide(&Ask::default());
    assert!(matches!(first.verdict, Verdict::Pass(_)));
    assert_eq!((first.uncounted, first.quotas.len(), first.quotas[0].remaining), (None, 1, 15));
    assert_eq!(world.filters.limits()[0].keys(&world.store), NEARLY, "it has no place");
    assert_eq!(level(&world), 1.0, "it owes all the same");
    // With an eighth of the burst it has one, and what it owed goes along.
    assert_eq!(world.decide(&Ask::default()).quotas[0].remaining, 14);
    assert_eq!(world.filters.limits()[0].keys(&world.store), NEARLY + 1);
    assert_eq!(world.passes(99, &Ask::default()), 14, "no more than the burst in all");
    let refused = world.decide(&Ask::default());
    assert!(matches!(refused.verdict, Verdict::Limited { quota, .. } if quota.reset.is_some()));
}

#[test]
fn who_finds_a_full_table_in_which_all_is_needed_passes_uncounted_and_is_told_nothing() {
    // None of it was sent to the peer yet, so none may be forgotten.
    let world = nearly_full(2, "burst = 4");
    assert_eq!((0..1_000).map(|at| world.passes(1, &client(at))).sum::<usize>(), 1_000);
    for _ in 0..9 {
        let decision = world.decide(&Ask::default());
        assert!(matches!(decision.verdict, Verdict::Pass(_)));
        assert_eq!((decision.uncounted, decision.quotas.len()), (Some(LimitId(0)), 0));
    }
    assert_eq!(world.passes(9, &client(7)), 3, "those that are there are limited as ever");
}

/// The bound of what is known by the response alone: what is looked at in the sketch takes no place beforehand.
#[test]
fn what_counts_by_its_response_takes_no_place_in_the_sketch_but_is_counted() {
    let world = nearly_full(1, "burst = 16\ncount = 'response.status == 401'");
    let holds = |ask: &Ask| -> Option<Holds> {
        let decision = world.decide(ask);
        matches!(decision.verdict, Verdict::Pass(_)).then_some(decision.holds)
    };
    let answered = |ask: &Ask, mut holds: Holds, status| {
        let headers = HeaderMap::new();
        let reply = Reply { status, headers: &headers, from: From::Origin, cache: "", challenge: None };
        world.filters.respond(&ask.head(), (SiteId(0), &[], &mut holds), &reply, &world.store, world.now);
    };
    for at in 0..NEARLY {
        answered(&client(at), holds(&client(at)).expect("room"), 401);
    }
    let ask = Ask::default();
    let mut seen: Vec<Holds> = (0..20).filter_map(|_| holds(&ask)).collect();
    assert_eq!(seen.len(), 20, "all see the same room");
    let known = seen.split_off(2);
    seen.into_iter().for_each(|one| answered(&ask, one, 401));
    assert_eq!(level(&world), 2.0);
    // It owes an eighth of the burst, so from now on it has a place, and what is not answered is in the way.
    let held: Vec<Holds> = (0..99).filter_map(|_| holds(&ask)).collect();
    assert_eq!(held.len(), 14);
    // What was only looked at lets go of what others hold, and of no more than there are of it.
    known.into_iter().for_each(|one| answered(&ask, one, 200));
    let more: Vec<Holds> = (0..99).filter_map(|_| holds(&ask)).collect();
    assert_eq!(more.len(), 14, "as much as is held, at the most");
    held.into_iter().chain(more).for_each(|one| answered(&ask, one, 401));
    assert_eq!(level(&world), 30.0, "all that counts is counted");
    assert!(holds(&ask).is_none());
}

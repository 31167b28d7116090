//! Limits that are shared out among POPs, as one of them holds them. What all hold together is the business of the state's tests.

use std::time::Duration;

use selvedge_filters::{Indexing, LimitOutcome, Tables, Verdict};
use selvedge_state::PopId;

use crate::pops::Pops;
use crate::support::{Ask, World, config};

fn limit(class: &str, more: &str) -> String {
    format!(
        "[[limit]]\nname = \"api\"\nkey = [\"client.net\"]\nrate = \"60/1m\"\nburst = 6\nclass = \"{class}\"\n{more}\n"
    )
}

/// One of three POPs that have long known of one another.
pub(crate) fn one_of_three(text: &str) -> World {
    let world = World::of(3, config(text), Tables::default(), Indexing::On);
    world.store.stand_among((1..=3).map(PopId));
    world.store.set_heard(3, Some(world.now));
    world
}

#[test]
fn each_pop_has_its_part_of_rate_and_burst() {
    let mut world = one_of_three(&limit("strict", ""));
    assert_eq!(world.passes(20, &Ask::default()), 2);
    // An era begins just now, and nothing comes in its first second.
    world.wait(3_000);
    assert_eq!(world.passes(20, &Ask::default()), 0);
    world.wait(1_100);
    assert_eq!(world.passes(20, &Ask::default()), 1, "one in three seconds");
    assert_eq!(world.passes(20, &Ask { client: "198.51.100.7", ..Ask::default() }), 2, "another key");
    let bound = world.filters.limits()[0].bound().unwrap();
    assert_eq!((bound.overdraft, bound.beyond(1e6, Duration::from_secs(60))), (Some(0.0), 0.0));
}

#[test]
fn a_bounded_one_goes_its_part_beyond_it_once() {
    let mut world = one_of_three(&limit("bounded(10%)", ""));
    assert_eq!(world.filters.limits()[0].bound().unwrap().beyond(1e6, Duration::from_secs(60)), 6.0);
    assert_eq!(world.passes(20, &Ask::default()), 2 + 2);
    world.wait(4_100);
    assert_eq!(world.passes(20, &Ask::default()), 1, "what is paid back");
}

#[test]
fn a_pop_alone_has_all_of_it() {
    for class in ["strict", "bounded(10%)", "converge"] {
        let world = World::alone(&limit(class, ""));
        assert_eq!(world.passes(20, &Ask::default()), 6, "{class}");
    }
}

/// Who has just started, or does not know the others, has no share.
#[test]
fn nothing_passes_before_there_is_a_share() {
    let world = World::of(3, config(&limit("strict", "")), Tables::default(), Indexing::On);
    assert_eq!(world.passes(20, &Ask::default()), 0);
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Limited { .. }));
}

#[test]
fn a_config_that_is_only_looked_at_shares_nothing_out() {
    let mut world = one_of_three(&limit("strict", ""));
    let edited = config(&limit("strict", "").replace("burst = 6", "burst = 60"));
    let filters = selvedge_filters::Filters::new(&edited, Tables::default(), &world.store).unwrap();
    assert_eq!(world.passes(20, &Ask::default()), 2);
    world.wait(60_000);
    assert_eq!(world.passes(40, &Ask::default()), 2);
    filters.begin(&world.store, world.now);
    let mut edited = World { filters, ..world };
    edited.wait(60_000);
    // The bucket goes over with what is in it, and has room for more.
    edited.wait(59_000);
    assert_eq!(edited.passes(40, &Ask::default()), 20);
}

#[test]
fn a_look_takes_nothing_and_says_the_same() {
    let world = one_of_three(&limit("strict", ""));
    let looks = || {
        let limit = world.explain(&Ask::default(), None).limits[0].outcome.clone();
        matches!(limit, LimitOutcome::Admits(..))
    };
    assert!(looks() && looks() && looks());
    assert_eq!(world.passes(1, &Ask::default()), 1);
    assert!(looks());
    assert_eq!(world.passes(1, &Ask::default()), 1);
    assert!(!looks());
}

#[test]
fn rules_read_what_it_counts_and_whether_it_is_exceeded() {
    let rules = "[[rule]]\nname = \"seen\"\nwhen = 'count(\"api\", \"1m\") > 1'\ndo = { tag = \"seen\" }\n\
                 [[rule]]\nname = \"over\"\nwhen = 'limit(\"api\").exceeded'\ndo = { tag = \"over\" }\n";
    let world = one_of_three(&format!("{}{rules}", limit("strict", "")));
    let tags = || world.decide(&Ask::default()).tags.iter().map(|tag| tag.to_string()).collect::<Vec<_>>();
    assert_eq!(tags(), [""; 0]);
    assert_eq!(tags(), [""; 0]);
    assert_eq!(tags(), ["seen", "over"]);
}

#[test]
fn where_peers_are_not_heard_it_goes_on_with_its_share_or_denies() {
    let world = one_of_three(&limit("strict", ""));
    world.store.set_heard(1, Some(world.now));
    assert_eq!(world.passes(20, &Ask::default()), 2);
    let world = one_of_three(&limit("strict", "on_partition = \"deny\""));
    world.store.set_heard(1, Some(world.now));
    assert!(matches!(world.decide(&Ask::default()).verdict, Verdict::Partitioned { .. }));
}

/// Else a POP would go on with its own part, whatever the others have to spare.
#[test]
fn demand_of_a_share_that_is_used_up_is_told_beside_another_limit() {
    let wide = "[[limit]]\nname = \"wide\"\nkey = [\"client.net\"]\nrate = \"60000/1m\"\n";
    for text in [limit("strict", ""), limit("strict", "") + wide, wide.to_owned() + &limit("strict", "")] {
        let mut pops = Pops::new(&text, [(7, None); 2]);
        pops.wait(180_000);
        let mut passed = 0;
        for _ in 0..300 {
            pops.wait(100);
            let decision = pops.each[0].filters.decide(&Ask::default().head(), &pops.each[0].store, pops.now);
            passed += usize::from(matches!(decision.verdict, Verdict::Pass(_)));
        }
        // Half of the rate, and of the burst, are its own: 18 in half a minute.
        assert!(passed > 25, "{passed} of {text}");
    }
}

//! Two ways to the same decision come to the same end: with and without the index, looking and doing.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use selvedge_filters::limit::Holds;
use selvedge_filters::{Decision, From, Indexing, Reply, RuleOutcome, Verdict};

use crate::random::{asks, facts, tables};
use crate::support::{Ask, World};

/// What the origin says to a request, somehow.
fn status(ask: &Ask) -> u16 {
    if ask.path.contains("login") { 401 } else { 200 }
}

fn site(decision: &Decision) -> Option<selvedge_filters::SiteId> {
    match decision.verdict {
        Verdict::Pass(site) | Verdict::Denied { site, .. } | Verdict::Redirected { site, .. } => Some(site),
        Verdict::Limited { site, .. } | Verdict::Partitioned { site, .. } | Verdict::Unkeyed { site, .. } => Some(site),
        Verdict::FormUnread { site } | Verdict::FormTooLong { site } | Verdict::Challenged { site, .. } => Some(site),
        Verdict::Banned { site, .. } => site,
        Verdict::NoSite => None,
    }
}

/// All that a store may be asked about what [`facts`] declares.
fn state(world: &World) -> String {
    let keys: Vec<_> = world.filters.limits().iter().map(|limit| limit.top(99, &world.store, world.now)).collect();
    let lists: Vec<_> =
        (0..3).map(|at| world.store.list_entries(world.store.list(&format!("l{at}")).unwrap(), world.now)).collect();
    format!("{keys:?} {lists:?} {:?}", world.store.bans(world.now))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 384, ..ProptestConfig::default() })]

    #[test]
    fn the_index_changes_nothing(
        config in facts(1..200_usize),
        requests in prop::collection::vec(asks(), 40),
    ) {
        let world = |indexing| World::of(1, config.clone(), tables(), indexing);
        let (mut with, mut without) = (world(Indexing::On), world(Indexing::Off));
        for (ask, passes) in &requests {
            with.wait(*passes);
            without.wait(*passes);
            let client = ask.client.parse().unwrap();
            prop_assert_eq!(
                with.filters.connect(client, &with.store, with.now),
                without.filters.connect(client, &without.store, without.now)
            );
            let (decision, other) = (with.decide(ask), without.decide(ask));
            prop_assert_eq!(&decision, &other);
            let Some(site) = site(&decision) else { continue };
            let reply = Reply { status: status(ask), headers: &ask.headers, from: From::Origin, cache: "miss", challenge: None };
            let respond = |world: &World| {
                let head = ask.head();
                world.filters.respond(&head, (site, &decision.tags, &mut Holds::default()), &reply, &world.store, world.now)
            };
            prop_assert_eq!(respond(&with), respond(&without));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn an_explanation_says_what_will_be_done(
        config in facts(0..40_usize),
        requests in prop::collection::vec(asks(), 40),
    ) {
        let mut world = World::of(1, config, tables(), Indexing::On);
        for (ask, passes) in &requests {
            world.wait(*passes);
            let reply = Reply { status: status(ask), headers: &ask.headers, from: From::Origin, cache: "miss", challenge: None };
            let before = state(&world);
            let explained = world.explain(ask, Some(&reply));
            prop_assert_eq!(&explained, &world.explain(ask, Some(&reply)));
            prop_assert_eq!(before, state(&world), "looking changes nothing");
            let decision = world.decide(ask);
            // Who only looks holds nothing.
            let said = Decision { holds: Holds::default(), ..decision.clone() };
            prop_assert_eq!(&explained.decision, &said);

            let outcome = |wanted| {
                let rules = explained.rules.iter().filter(move |record| record.outcome == wanted);
                rules.map(|record| record.rule).collect::<Vec<_>>()
            };
            let mut fired = [&explained.connection.fired[..], &decision.fired].concat();
            fired.extend(explained.response.iter().flat_map(|response| &response.fired));
            fired.sort();
            prop_assert_eq!(outcome(RuleOutcome::Matched), fired);

            // Each phase is explained on the state that it meets.
            let client = ask.client.parse().unwrap();
            let explained = world.explain(ask, Some(&reply));
            prop_assert_eq!(explained.connection, world.filters.connect(client, &world.store, world.now));
            let explained = world.explain(ask, Some(&reply));
            if let Some(site) = site(&explained.decision) {
                let tags = &explained.decision.tags;
                let head = ask.head();
                let response = world.filters.respond(&head, (site, tags, &mut Holds::default()), &reply, &world.store, world.now);
                prop_assert_eq!(explained.response.unwrap(), response.unwrap_or_default());
            }
        }
    }

    #[test]
    fn rules_answer_only_what_they_say(
        config in facts(0..40_usize),
        requests in prop::collection::vec(asks(), 40),
    ) {
        let mut world = World::of(1, config.clone(), tables(), Indexing::On);
        for (ask, passes) in &requests {
            world.wait(*passes);
            let decision = world.decide(ask);
            match &decision.verdict {
                Verdict::Denied { rule, status, .. } => {
                    prop_assert_eq!(&config.rules[rule.0].answer, &Some(selvedge_conf::Reply::Deny(*status)));
                    prop_assert!((400..500).contains(status), "no rule here says {}", status);
                    prop_assert_eq!(decision.fired.last(), Some(rule));
                }
                Verdict::Redirected { rule, status, location, .. } => {
                    prop_assert!((300..400).contains(status) && !location.is_empty());
                    prop_assert!(location.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
                    prop_assert_eq!(decision.fired.last(), Some(rule));
                }
                Verdict::Challenged { rule, bits, .. } => {
                    prop_assert_eq!(&config.rules[rule.0].answer, &Some(selvedge_conf::Reply::Challenge(*bits)));
                    prop_assert_eq!(decision.fired.last(), Some(rule));
                }
                _ => {}
            }
            prop_assert!(decision.fired.is_sorted() && decision.monitored.is_sorted());
            let path = decision.changes.path.as_deref();
            prop_assert!(path.is_none_or(|path| path.starts_with('/')));
        }
    }
}

/// The properties above are worth what their rules reach: all kinds of verdicts, with rules that were looked up.
#[test]
fn the_random_rules_reach_everything() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let seen: [Cell<usize>; 9] = Default::default();
    let note = |at: usize| seen[at].set(seen[at].get() + 1);
    for _ in 0..60 {
        let config = facts(1..40_usize).new_tree(&mut runner).unwrap().current();
        let requests = prop::collection::vec(asks(), 40).new_tree(&mut runner).unwrap().current();
        let mut world = World::of(1, config, tables(), Indexing::On);
        for (ask, passes) in &requests {
            world.wait(*passes);
            let explained = world.explain(ask, None);
            note(usize::from(explained.rules.iter().any(|record| record.outcome == RuleOutcome::NotCandidate)));
            match world.decide(ask).verdict {
                Verdict::Pass(_) => note(2),
                Verdict::Denied { .. } => note(3),
                Verdict::Redirected { .. } => note(4),
                Verdict::Limited { .. } => note(5),
                Verdict::Banned { .. } => note(6),
                Verdict::NoSite => note(7),
                Verdict::Challenged { .. } => note(8),
                Verdict::Partitioned { .. }
                | Verdict::Unkeyed { .. }
                | Verdict::FormUnread { .. }
                | Verdict::FormTooLong { .. } => {}
            }
        }
    }
    let seen = seen.map(|cell| cell.get());
    assert!(seen.iter().all(|count| *count >= 20), "{seen:?}");
}
